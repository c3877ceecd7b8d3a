"""The interface of a document store: connections, inputs and others, with the history of their changes.

Its methods raise `StoreUnavailable` when the store cannot be used, and no error of the underlying library.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol

from msgspec import Struct

DocumentKind = Literal["connection", "input", "delivery_state", "secret", "user", "api_key", "audit"]

DocumentChange = tuple[DocumentKind, str, bytes, int | None]
"""Kind, ID, body, and the revision that must be stored (0: none; None: any)."""


class Document(Struct, frozen=True):
    """A piece of configuration or state. `revision` starts at 1 and grows by one with each change."""

    kind: DocumentKind
    id: str
    revision: int
    body: bytes
    changed_at_ms: int
    changed_by: str


class DocumentStore(Protocol):
    """Connections, inputs and others, with the history of their changes. Bodies are opaque here."""

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        """Return the documents in order of creation."""
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
        """Create (`expected_revision` 0) or change a document; None overwrites any revision.

        Raises `RevisionConflict` when the stored revision is another.
        """
        ...

    async def put_documents(
        self, changes: Sequence[DocumentChange], *, changed_by: str, now_ms: int
    ) -> Sequence[Document]:
        """Put several documents in one transaction: all of them or none."""
        ...

    async def remove_document(self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int) -> bool:
        """Remove a document; return False if there was none.

        The history is kept; a document created again under the ID continues it.
        """
        ...

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        """Replace each body by what `rewritten` returns for it, in the history too, as one transaction.

        This is not a change of a document: revisions, times and names stay. The old bodies are beyond recovery.
        """
        ...

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        """Return every revision, oldest first; a removal is a revision with an empty body."""
        ...


class SinglePut(ABC):
    """Adds `put_document` to a store that has `put_documents`."""

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
