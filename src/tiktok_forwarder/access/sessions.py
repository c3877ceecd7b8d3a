"""Sessions of the console. Kept in memory: a restart ends all of them."""

import secrets
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from msgspec import Struct

IDLE_SECONDS: Final = 30 * 60.0
LONGEST_SECONDS: Final = 12 * 3600.0
_MAX_SESSIONS: Final = 1000
MAX_SESSIONS_OF_USER: Final = 50


class Session(Struct):
    """A session. `csrf_token` is in every form of the session. Times are monotonic seconds."""

    user_id: str
    csrf_token: str
    begun_seconds: float = 0.0
    used_seconds: float = 0.0


class Sessions:
    """Sessions by the digest of their reference, which only the browser has. `monotonic` returns seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_digest: dict[bytes, Session] = {}

    def open(self, user_id: str) -> tuple[str, Session]:
        """Return a new session and its reference: 256 random bits.

        Beyond fifty of the user, the user's session unused for longest ends; beyond a thousand, that of all users.
        """
        now = self._monotonic()
        own = [digest for digest, session in self._by_digest.items() if session.user_id == user_id]
        if len(own) >= MAX_SESSIONS_OF_USER:
            self._end_longest_unused(own)
        elif len(self._by_digest) >= _MAX_SESSIONS:
            self._end_longest_unused(self._by_digest)
        reference = secrets.token_urlsafe(32)
        session = Session(user_id, secrets.token_urlsafe(32), now, now)
        self._by_digest[_digest(reference)] = session
        return reference, session

    def _end_longest_unused(self, digests: Iterable[bytes]) -> None:
        del self._by_digest[min(digests, key=lambda digest: self._by_digest[digest].used_seconds)]

    def find(self, reference: str, *, extends_session: bool = True) -> Session | None:
        """Return the session, or None after 30 minutes without use or 12 hours in total.

        A page that refreshes itself is not use.
        """
        digest = _digest(reference)
        session = self._by_digest.get(digest)
        if session is None:
            return None
        now = self._monotonic()
        if now - session.used_seconds > IDLE_SECONDS or now - session.begun_seconds > LONGEST_SECONDS:
            del self._by_digest[digest]
            return None
        if extends_session:
            session.used_seconds = now
        return session

    def close(self, reference: str) -> None:
        self._by_digest.pop(_digest(reference), None)

    def close_all_of(self, user_id: str, but: str = "") -> None:
        """End a user's sessions, except the one with this reference."""
        kept = self._by_digest.get(_digest(but))
        for digest, session in list(self._by_digest.items()):
            if session.user_id == user_id and session is not kept:
                del self._by_digest[digest]


def _digest(reference: str) -> bytes:
    return sha256(reference.encode("utf-8", "surrogateescape")).digest()
