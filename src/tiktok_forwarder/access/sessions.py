"""Sessions of the console. Kept in the store: they outlast a restart, and end in every process at the same time."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from tiktok_forwarder.access.digests import digest_of
from tiktok_forwarder.access.provider_users import ProviderUser
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import RevisionConflict, StoreUnavailable
from tiktok_forwarder.store.expiring import ExpiringDocument, ExpiringPut, ExpiringStore

IDLE_MS: Final = 30 * 60 * 1000
LONGEST_MS: Final = 12 * 3600 * 1000
MAX_SESSIONS_OF_USER: Final = 50
EndReason = Literal[
    "idle", "age", "logged_out", "password_changed", "user_removed", "too_many", "oidc_changed", "unknown"
]
"""Why a session ended; `unknown` if neither its times nor a record show it, as after a restored backup."""

# How long the login page can show why a session ended.
_END_KEPT_MS: Final = 24 * 3600 * 1000
# Use is stored at most this often: each time is a write.
_USE_MS: Final = 60 * 1000


class Session(Struct, frozen=True):
    """A session. `csrf_token` is in every form of the session. `provider_user` is whose it is, unless it is a local
    user's.
    """

    user_id: str
    csrf_token: str
    provider_user: ProviderUser | None = None


class _Record(Struct, frozen=True):
    """A session as stored, by the digest of its reference."""

    user_id: str
    begun_ms: int
    used_ms: int
    provider_user: ProviderUser | None = None

    @property
    def expires_at_ms(self) -> int:
        return min(self.used_ms + IDLE_MS, self.begun_ms + LONGEST_MS)


class _End(Struct, frozen=True):
    """When a session ends by its times, and the reason if it ended earlier. It outlives the session."""

    begun_ms: int
    used_ms: int
    reason: EndReason | None = None


class Sessions:
    """Sessions by their reference, which only the browser has."""

    def __init__(self, store: ExpiringStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def open(self, user_id: str, provider_user: ProviderUser | None = None) -> tuple[str, Session]:
        """Return a new session and its reference: 256 random bits.

        Beyond fifty of the user, the user's session unused for longest ends; beyond the bound of the store, that of
        all users.
        """
        now_ms = self._clock.now_ms()
        own = await self._digests_of(user_id)
        if len(own) >= MAX_SESSIONS_OF_USER:
            await self._close(own[: len(own) - MAX_SESSIONS_OF_USER + 1], "too_many")
        reference = secrets.token_urlsafe(32)
        record = _Record(user_id, now_ms, now_ms, provider_user)
        await self._put(digest_of(reference), record, 0)
        return reference, _session(record, reference)

    async def find(self, reference: str, *, extends_session: bool = True) -> Session | None:
        """Return the session, or None after 30 minutes without use or 12 hours in total.

        A page that refreshes itself is not use. Use is noted to the minute: a session may end up to a minute early.
        """
        digest = digest_of(reference)
        now_ms = self._clock.now_ms()
        document = await self._store.get_expiring("session", digest, now_ms)
        if document is None:
            return None
        record = _record(document)
        if extends_session and now_ms - record.used_ms >= _USE_MS:
            try:
                # On a full disk, a person can at least look.
                with suppress(StoreUnavailable):
                    await self._put(digest, structs.replace(record, used_ms=now_ms), document.revision)
            except RevisionConflict:
                # Another request has noted the use, or has ended the session.
                return await self.find(reference, extends_session=False)
        return _session(record, reference)

    async def close(self, reference: str, reason: EndReason = "logged_out") -> None:
        await self._close([digest_of(reference)], reason)

    async def close_all_of(self, user_id: str, reason: EndReason, but: str = "") -> None:
        """End a user's sessions, except the one with this reference."""
        kept = digest_of(but)
        await self._close([each for each in await self._digests_of(user_id) if each != kept], reason)

    async def why_ended(self, reference: str) -> EndReason | None:
        """Return why the session with this reference ended; None if it has not, or if no such session is known."""
        digest = digest_of(reference)
        now_ms = self._clock.now_ms()
        document = await self._store.get_expiring("session_end", digest, now_ms)
        if document is None or await self._store.get_expiring("session", digest, now_ms) is not None:
            return None
        end = msgspec.json.decode(document.body, type=_End)
        if end.reason is not None:
            return end.reason
        idle_ms, age_ms = end.used_ms + IDLE_MS, end.begun_ms + LONGEST_MS
        if now_ms <= min(idle_ms, age_ms):
            return "unknown"
        return "idle" if idle_ms < age_ms else "age"

    async def _close(self, digests: Sequence[str], reason: EndReason) -> None:
        if not digests:
            return
        now_ms = self._clock.now_ms()
        ends = [
            ExpiringPut("session_end", digest, msgspec.json.encode(_End(now_ms, now_ms, reason)), now_ms + _END_KEPT_MS)
            for digest in digests
        ]
        await self._store.remove_expiring("session", digests)
        # The reason is a convenience, which a full disk must not keep from ending sessions.
        with suppress(StoreUnavailable):
            await self._store.put_expiring(ends, now_ms)

    async def _digests_of(self, user_id: str) -> list[str]:
        """Return the user's sessions; the one unused for longest comes first."""
        documents = await self._store.list_expiring("session", self._clock.now_ms())
        return [each.id for each in documents if _record(each).user_id == user_id]

    async def _put(self, digest: str, record: _Record, expected_revision: int) -> None:
        ends_ms = record.expires_at_ms
        end = msgspec.json.encode(_End(record.begun_ms, record.used_ms))
        puts = [
            ExpiringPut("session", digest, msgspec.json.encode(record), ends_ms, expected_revision),
            ExpiringPut("session_end", digest, end, ends_ms + _END_KEPT_MS),
        ]
        await self._store.put_expiring(puts, self._clock.now_ms())


def _record(document: ExpiringDocument) -> _Record:
    return msgspec.json.decode(document.body, type=_Record)


def _session(record: _Record, reference: str) -> Session:
    # Derived, so that the store contains nothing with which another site could submit a form of the session.
    return Session(record.user_id, digest_of(f"form token {reference}"), record.provider_user)
