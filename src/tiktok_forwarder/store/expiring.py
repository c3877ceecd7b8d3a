"""The interface of documents that expire: sessions and how they end, login links, failed logins, finished OIDC logins,
replays, and when dead letters end. They have no history, and no copy of the store has them.

Its methods raise `StoreUnavailable` when the store cannot be used, and no error of the underlying library.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

ExpiringKind = Literal[
    "session",
    "session_end",
    "login_link",
    "failing_source",
    "failing_account",
    "known_source",
    "oidc_login",
    "replay",
    "retention",
]

MAX_OF_KIND: Final[Mapping[ExpiringKind, int]] = {
    "session": 1000,
    "session_end": 1000,
    "login_link": 1000,
    "failing_source": 10_000,
    "failing_account": 10_000,
    "known_source": 10_000,
    "oidc_login": 1000,
    "replay": 100,
    "retention": 1,
}
"""How many of a kind are kept: a new one beyond that replaces the one that expires first."""


class ExpiringDocument(Struct, frozen=True):
    """A document that is there until `expires_at_ms`, inclusive, by the clock of the process that reads it."""

    kind: ExpiringKind
    id: str
    revision: int
    body: bytes
    expires_at_ms: int


class ExpiringPut(Struct, frozen=True):
    """A document to be stored. `expected_revision` is the one that must be stored (0: none; None: any)."""

    kind: ExpiringKind
    id: str
    body: bytes
    expires_at_ms: int
    expected_revision: int | None = None


class ExpiringStore(Protocol):
    """Documents that expire. Every process that shares the store sees a change immediately. Bodies are opaque here.

    An expired document counts as missing, and is deleted when another of its kind is put.
    """

    async def list_expiring(self, kind: ExpiringKind, now_ms: int) -> Sequence[ExpiringDocument]:
        """Return the documents; the one that expires first comes first."""
        ...

    async def get_expiring(self, kind: ExpiringKind, document_id: str, now_ms: int) -> ExpiringDocument | None: ...

    async def put_expiring(self, puts: Sequence[ExpiringPut], now_ms: int) -> None:
        """Put documents, all of them or none. Raises `RevisionConflict` when a stored revision is another."""
        ...

    async def remove_expiring(self, kind: ExpiringKind, document_ids: Collection[str]) -> int:
        """Remove documents; return how many of them were there. Of several callers, one removes a document."""
        ...
