"""The interface of the box that seals secrets."""

from typing import Protocol


class SecretBox(Protocol):
    """Encrypts what must not be readable on disk. A sealed text opens only under the `record_id` it was sealed for."""

    def seal(self, secret: str, record_id: str) -> str: ...

    def open(self, sealed: str, record_id: str) -> str:
        """Return the decrypted text.

        Raises `SecretUnreadable` for a wrong key, a changed text or another record's text.
        """
        ...
