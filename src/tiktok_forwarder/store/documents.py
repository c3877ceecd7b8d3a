"""The interface of a document store: connections, inputs and others, with the history of their changes.

Its methods raise `StoreUnavailable` when the store cannot be used, and no error of the underlying library.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

DocumentKind = Literal[
    "connection",
    "input",
    "delivery_state",
    "connection_check",
    "first_steps",
    "secret",
    "user",
    "api_key",
    "recipient",
    "audit",
]

DocumentKey = tuple[DocumentKind, str]
"""Kind and ID."""
CONFIGURATION: Final[frozenset[DocumentKind]] = frozenset({"connection", "input", "user", "api_key", "recipient"})
"""What people configure. Rules such as unique names are about all documents of a kind, or of two."""


def is_numbered(kind: DocumentKind) -> bool:
    """Return whether changes of this kind have numbers; audit entries never change, and no process keeps them."""
    return kind != "audit"


class Document(Struct, frozen=True):
    """A piece of configuration or state. `revision` starts at 1 and grows by one with each change."""

    kind: DocumentKind
    id: str
    revision: int
    body: bytes
    changed_at_ms: int
    changed_by: str


class DocumentPut(Struct, frozen=True):
    """A document to be stored. `expected_revision` is the one that must be stored (0: none; None: any)."""

    kind: DocumentKind
    id: str
    body: bytes
    expected_revision: int | None = None


class DocumentChanges(Struct, frozen=True):
    """The number of the last change, and which documents have changed, in the order of their changes.

    `server` names the server that has answered. Another one, such as a standby that was promoted, may lack the last
    changes of the one before: the numbers of both are not comparable.
    """

    last: int
    changed: tuple[DocumentKey, ...] = ()
    server: str = ""


class DocumentStore(Protocol):
    """Connections, inputs and others, with the history of their changes. Bodies are opaque here.

    Changes of documents are numbered in the order in which they are committed, whichever process makes them. With the
    number of the last change that its caller has seen in `as_of`, a method raises `DocumentsChanged`, and changes
    nothing, if a document of the configuration was changed later: so rules about several documents hold, although
    callers check them on copies of their own.
    """

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
        self, puts: Sequence[DocumentPut], *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> Sequence[Document]:
        """Put several documents in one transaction: all of them or none."""
        ...

    async def remove_document(
        self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> bool:
        """Remove a document; return False if there was none.

        The history is kept; a document created again under the ID continues it.
        """
        ...

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        """Replace each body by what `rewritten` returns for it, in the history too, as one transaction.

        Revisions, times and names stay, but the rewriting has a number like a change: copies of the old bodies are
        read again. The old bodies are beyond recovery.
        """
        ...

    async def changes(self, after: int | None, wait_seconds: float) -> DocumentChanges:
        """Return what has changed after the change of this number; wait up to `wait_seconds` for the first change.

        With None, return the number of the last change immediately, and no documents.
        """
        ...

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        """Return every revision, oldest first; a removal is a revision with an empty body."""
        ...


class SinglePut(ABC):
    """Adds `put_document` to a store that has `put_documents`."""

    @abstractmethod
    async def put_documents(
        self, puts: Sequence[DocumentPut], *, changed_by: str, now_ms: int, as_of: int | None = None
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
        put = DocumentPut(kind, document_id, body, expected_revision)
        (document,) = await self.put_documents([put], changed_by=changed_by, now_ms=now_ms)
        return document
