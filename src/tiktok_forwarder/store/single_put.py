"""One document put is several of one: a part that every document store has in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from tiktok_forwarder.store.documents import Document, DocumentKind

DocumentChange = tuple[DocumentKind, str, bytes, int | None]
"""Kind, id, body, and the revision that must stand there (0: none; None: whatever does)."""


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
