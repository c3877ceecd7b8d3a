"""Documents and their history in memory."""

from collections.abc import Callable, Collection, Sequence

from msgspec import structs

from tiktok_forwarder.store.change_log import ChangeLog
from tiktok_forwarder.store.change_signal import ChangeSignal
from tiktok_forwarder.store.documents import (
    Document,
    DocumentChanges,
    DocumentKey,
    DocumentKind,
    DocumentPut,
    SinglePut,
)
from tiktok_forwarder.store.rules import revision_conflict


class MemoryDocuments(SinglePut):
    """The `DocumentStore` side of the memory store."""

    def __init__(self) -> None:
        self._documents: dict[DocumentKey, Document] = {}
        self._history: dict[DocumentKey, list[Document]] = {}
        self._log = ChangeLog()
        self._signal = ChangeSignal()

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        return [document for document in self._documents.values() if document.kind == kind]

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None:
        return self._documents.get((kind, document_id))

    async def put_documents(
        self, puts: Sequence[DocumentPut], *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> Sequence[Document]:
        self._log.check(as_of)
        for put in puts:
            found = self._documents.get((put.kind, put.id))
            stored = found.revision if found else 0
            if put.expected_revision not in (None, stored):
                raise revision_conflict(put, stored)
        documents = [self._keep(put.kind, put.id, put.body, changed_by, now_ms) for put in puts]
        self._documents.update({(document.kind, document.id): document for document in documents})
        self._changed([(put.kind, put.id) for put in puts])
        return documents

    async def remove_document(
        self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> bool:
        self._log.check(as_of)
        if self._documents.pop((kind, document_id), None) is None:
            return False
        self._keep(kind, document_id, b"", changed_by, now_ms)
        self._changed([(kind, document_id)])
        return True

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        def rewrite(document: Document) -> Document:
            return structs.replace(document, body=rewritten(document)) if document.kind in kinds else document

        documents = {key: rewrite(document) for key, document in self._documents.items()}
        self._history = {key: [rewrite(each) for each in history] for key, history in self._history.items()}
        self._documents = documents
        self._changed([key for key in documents if key[0] in kinds])

    async def changes(self, after: int | None, wait_seconds: float) -> DocumentChanges:
        async def look() -> DocumentChanges:
            return self._log.after(after)

        return await self._signal.first_changes(look, wait_seconds if after is not None else 0.0)

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        return list(self._history.get((kind, document_id), ()))

    def _keep(self, kind: DocumentKind, document_id: str, body: bytes, changed_by: str, now_ms: int) -> Document:
        history = self._history.setdefault((kind, document_id), [])
        history.append(Document(kind, document_id, len(history) + 1, body, now_ms, changed_by))
        return history[-1]

    def _changed(self, keys: Sequence[DocumentKey]) -> None:
        self._log.add(keys)
        self._signal.wake()
