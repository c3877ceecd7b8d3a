"""The interface of a document store: connections, inputs and their like, with the history of their changes.

Its methods raise `StoreUnavailable` when the store cannot be used, and nothing of the library beneath.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol

from msgspec import Struct

DocumentKind = Literal["connection", "input", "delivery_state", "secret", "user", "api_key", "audit"]

DocumentChange = tuple[DocumentKind, str, bytes, int | None]
"""Kind, id, body, and the revision that must stand there (0: none; None: whatever does)."""


class Document(Struct, frozen=True):
    """A piece of configuration or state. `revision` starts at 1 and grows by one with each change."""

    kind: DocumentKind
    id: str
    revision: int
    body: bytes
    changed_at_ms: int
    changed_by: str


class DocumentStore(Protocol):
    """Connections, inputs and their like, with the history of their changes. Bodies are opaque here."""

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        """In order of creation."""
        ...

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None: ...

    async def put_document(
        self,
        kind: DocumentKind,
        document_id: str,
        body: bytes,
        *,
        expected_revision: int | None,
        changed_by: str,
        now_ms: int,
    ) -> Document:
        """Create (`expected_revision` 0) or change a document; None overwrites whatever stands there.

        Raises `RevisionConflict` when the stored revision is another.
        """
        ...

    async def put_documents(
        self, changes: Sequence[DocumentChange], *, changed_by: str, now_ms: int
    ) -> Sequence[Document]:
        """Several puts as one transaction: all of them or none."""
        ...

    async def remove_document(self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int) -> bool:
        """False if there was none. The history is kept; a document made again under the id goes on from it."""
        ...

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        """Put what `rewritten` makes of it in each body's place, in the history too, as one transaction.

        This is no change of a document: revisions, times and names stay. What was there is beyond recovery.
        """
        ...

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        """Every revision, oldest first; a removal is a revision with an empty body."""
        ...


class SinglePut(ABC):
    """Gives `put_document` to a store that has `put_documents`."""

    @abstractmethod
    async def put_documents(
        self, changes: Sequence[DocumentChange], *, changed_by: str, now_ms: int
    ) -> Sequence[Document]: ...

    async def put_document(
        self,
        kind: DocumentKind,
        document_id: str,
        body: bytes,
        *,
        expected_revision: int | None,
        changed_by: str,
        now_ms: int,
    ) -> Document:
        change: DocumentChange = (kind, document_id, body, expected_revision)
        (document,) = await self.put_documents([change], changed_by=changed_by, now_ms=now_ms)
        return document
