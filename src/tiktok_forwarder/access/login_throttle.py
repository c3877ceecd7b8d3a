"""Slows down password guessing, by source and by account, and never locks an account permanently.

Failures are kept in the store, so that they count in every process and over a restart. Accounts and sources are kept as
keyed hashes: neither an address nor a password that was typed as a name is stored.
"""

import math
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import RevisionConflict
from tiktok_forwarder.store.expiring import ExpiringDocument, ExpiringKind, ExpiringPut, ExpiringStore

LONGEST_WAIT_MS: Final = 15 * 60 * 1000
_FIRST_WAIT_MS: Final = 1000
_FORGOTTEN_MS: Final = 3600 * 1000
_KNOWN_MS: Final = 90 * 24 * 3600 * 1000
# A person may mistype a few times from one source; an account may be tried from many sources.
_FREE_ACCOUNT_FAILURES: Final = 20
_PERSON: Final = b"login throttle"


class _Failures(Struct, frozen=True):
    count: int = 0
    last_ms: int = 0

    def wait_ms(self, free: int, now_ms: int) -> int:
        """Return the time until the next try: 1 s after the first failure beyond the free ones, then doubling."""
        beyond = self.count - free
        if beyond <= 0:
            return 0
        left_ms = self.last_ms + min(_FIRST_WAIT_MS << min(beyond - 1, 20), LONGEST_WAIT_MS) - now_ms
        # More than the longest wait is left after the clock was set back.
        return left_ms if 0 < left_ms <= LONGEST_WAIT_MS else 0


class _Counted(Struct, frozen=True):
    """Failures as stored, and the revision; 0 if none are stored."""

    kind: ExpiringKind
    id: str
    failures: _Failures
    revision: int

    def with_one_more(self, now_ms: int) -> ExpiringPut:
        failures = _Failures(self.failures.count + 1, now_ms)
        body = msgspec.json.encode(failures)
        return ExpiringPut(self.kind, self.id, body, now_ms + _FORGOTTEN_MS, self.revision)


class LoginThrottle:
    """Delays logins after failures. A source that has logged in to an account waits only for its own failures."""

    def __init__(self, store: ExpiringStore, clock: Clock, key: bytes) -> None:
        self._store = store
        self._clock = clock
        self._key = key

    async def try_login(self, account: str, source: str) -> int:
        """Count an attempt as a failure and return 0, or return how many seconds to wait before one is counted.

        It is counted before its password is checked: of many simultaneous attempts, in whichever process, only those
        that need not wait for another are checked.
        """
        while True:
            now_ms = self._clock.now_ms()
            of_source = await self._counted("failing_source", self._id_of(source), now_ms)
            of_account = await self._counted("failing_account", self._id_of(account.lower()), now_ms)
            wait_ms = of_source.failures.wait_ms(0, now_ms)
            if not await self._is_known(account, source, now_ms):
                wait_ms = max(wait_ms, of_account.failures.wait_ms(_FREE_ACCOUNT_FAILURES, now_ms))
            if wait_ms:
                return math.ceil(wait_ms / 1000)
            try:
                await self._store.put_expiring([each.with_one_more(now_ms) for each in (of_source, of_account)], now_ms)
                return 0
            except RevisionConflict:
                # Another attempt was counted in the meantime, for which this one may have to wait.
                continue

    async def succeeded(self, account: str, source: str) -> None:
        now_ms = self._clock.now_ms()
        await self._store.remove_expiring("failing_source", [self._id_of(source)])
        known = ExpiringPut("known_source", self._id_of(account.lower(), source), b"", now_ms + _KNOWN_MS)
        await self._store.put_expiring([known], now_ms)

    async def _is_known(self, account: str, source: str, now_ms: int) -> bool:
        known_id = self._id_of(account.lower(), source)
        return await self._store.get_expiring("known_source", known_id, now_ms) is not None

    async def _counted(self, kind: ExpiringKind, document_id: str, now_ms: int) -> _Counted:
        document = await self._store.get_expiring(kind, document_id, now_ms)
        return _Counted(kind, document_id, _failures(document), document.revision if document is not None else 0)

    def _id_of(self, *texts: str) -> str:
        hashed = blake2b(key=self._key, digest_size=16, person=_PERSON)
        for text in texts:
            encoded = text.encode("utf-8", "surrogateescape")
            hashed.update(len(encoded).to_bytes(4, "big") + encoded)
        return hashed.hexdigest()


def _failures(document: ExpiringDocument | None) -> _Failures:
    return msgspec.json.decode(document.body, type=_Failures) if document is not None else _Failures()
