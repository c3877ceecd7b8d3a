"""What seals secrets, wherever one is kept."""

from typing import Protocol


class SecretBox(Protocol):
    """Encrypts what must not be readable on disk. A sealed text opens only under the `record_id` it was sealed for."""

    def seal(self, secret: str, record_id: str) -> str: ...

    def open(self, sealed: str, record_id: str) -> str:
        """Raises `SecretUnreadable` for a wrong key, a changed text or another record's."""
        ...
