"""Events that TikTok has accepted within 48 hours, in bounded memory."""

import hashlib
from typing import Final

from msgspec import Struct

DUPLICATE_WINDOW_SECONDS: Final = 48 * 3600


def event_key(pixel: str | None, event: str | None, event_id: str) -> bytes:
    """Return TikTok's own key, compared literally: event source ID, event name, event ID."""
    return hashlib.blake2b(f"{pixel}\0{event}\0{event_id}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Taking(Struct, frozen=True, gc=False):
    """When an event was accepted, and whether its client was notified. One object serves all events of a request."""

    at_seconds: float
    confirmed: bool


class SeenEvents:
    """Stores at least half of `limit` events, the newest; beyond it, the older half is removed in one step."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._young: dict[bytes, Taking] = {}
        self._old: dict[bytes, Taking] = {}

    def take(self, key: bytes, taking: Taking) -> Taking | None:
        """Store an event; return the earlier taking of the same event within the window, if there was one."""
        earlier = self._young.get(key) or self._old.get(key)
        if earlier is None or taking.at_seconds - earlier.at_seconds >= DUPLICATE_WINDOW_SECONDS:
            self._remember(key, taking)
            return None
        if taking.confirmed and not earlier.confirmed:
            self._remember(key, Taking(earlier.at_seconds, confirmed=True))
        return earlier

    def clear(self) -> None:
        self._young.clear()
        self._old.clear()

    def _remember(self, key: bytes, taking: Taking) -> None:
        if len(self._young) >= self._half:
            self._old = self._young
            self._young = {}
        self._young[key] = taking
