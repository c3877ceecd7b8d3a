"""Single-use links to set a password. Kept in memory: a restart invalidates them."""

import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from msgspec import Struct

# The operator who started the service uses the first link immediately; an invitation waits to be read.
FIRST_SECONDS: Final = 30 * 60.0
INVITATION_SECONDS: Final = 24 * 3600.0
_MAX_LINKS: Final = 1000


class LoginLink(Struct, frozen=True):
    """A link that sets the password of one user; None creates the first administrator."""

    user_id: str | None
    until_seconds: float


class LoginLinks:
    """Links by the digest of their token. `monotonic` returns seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._by_digest: dict[bytes, LoginLink] = {}

    def make(self, user_id: str | None) -> str:
        """Return the token of a new link: 256 random bits. Invalidates older links for the same user."""
        self.void(user_id)
        while len(self._by_digest) >= _MAX_LINKS:
            del self._by_digest[next(iter(self._by_digest))]
        token = secrets.token_urlsafe(32)
        seconds = FIRST_SECONDS if user_id is None else INVITATION_SECONDS
        self._by_digest[_digest(token)] = LoginLink(user_id, self._monotonic() + seconds)
        return token

    def find(self, token: str) -> LoginLink | None:
        """Return the link, or None if it was used, was invalidated or has expired."""
        link = self._by_digest.get(_digest(token))
        return link if link is not None and self._monotonic() <= link.until_seconds else None

    def use(self, token: str) -> LoginLink | None:
        """Return the link like `find`, and invalidate it."""
        link = self.find(token)
        self._by_digest.pop(_digest(token), None)
        return link

    def void(self, user_id: str | None) -> None:
        self._by_digest = {digest: link for digest, link in self._by_digest.items() if link.user_id != user_id}


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
