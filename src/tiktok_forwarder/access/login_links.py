"""Single-use links to set a password. Kept in the store: every process knows them, and one of them uses a link."""

import secrets
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.access.digests import digest_of
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.expiring import ExpiringDocument, ExpiringPut, ExpiringStore

# The operator who started the service uses the first link immediately; an invitation waits to be read.
FIRST_MS: Final = 30 * 60 * 1000
INVITATION_MS: Final = 24 * 3600 * 1000


class LoginLink(Struct, frozen=True):
    """A link that sets the password of one user; None creates the first administrator."""

    user_id: str | None


class LoginLinks:
    """Links by the digest of their token."""

    def __init__(self, store: ExpiringStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def make(self, user_id: str | None) -> str:
        """Return the token of a new link: 256 random bits. Invalidates older links for the same user."""
        await self.void(user_id)
        now_ms = self._clock.now_ms()
        token = secrets.token_urlsafe(32)
        expires_at_ms = now_ms + (FIRST_MS if user_id is None else INVITATION_MS)
        body = msgspec.json.encode(LoginLink(user_id))
        await self._store.put_expiring([ExpiringPut("login_link", digest_of(token), body, expires_at_ms, 0)], now_ms)
        return token

    async def find(self, token: str) -> LoginLink | None:
        """Return the link, or None if it was used, was invalidated or has expired."""
        document = await self._store.get_expiring("login_link", digest_of(token), self._clock.now_ms())
        return _link(document) if document is not None else None

    async def use(self, token: str) -> bool:
        """Invalidate the link; return whether it was valid. Of several callers, one uses a link."""
        return await self._store.remove_expiring("login_link", [digest_of(token)]) == 1

    async def void(self, user_id: str | None) -> None:
        documents = await self._store.list_expiring("login_link", self._clock.now_ms())
        own = [document.id for document in documents if _link(document).user_id == user_id]
        await self._store.remove_expiring("login_link", own)


def _link(document: ExpiringDocument) -> LoginLink:
    return msgspec.json.decode(document.body, type=LoginLink)
