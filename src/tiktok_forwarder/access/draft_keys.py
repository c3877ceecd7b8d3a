"""Keys with which a user's browser seals what was typed but not saved, so that no one else at it can read that."""

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Final

_PERSON: Final = b"console drafts"
_KEY_BYTES: Final = 32


class DraftKeys:
    """A key for each user, the same on every node and in each of the user's sessions. Only the user's pages have it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def key_of(self, user_id: str) -> str:
        """Return 256 bits in the alphabet of URLs."""
        derived = blake2b(user_id.encode(), key=self._key, digest_size=_KEY_BYTES, person=_PERSON).digest()
        return urlsafe_b64encode(derived).decode().rstrip("=")
