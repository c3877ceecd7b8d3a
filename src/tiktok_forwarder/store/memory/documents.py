"""Documents and their history in memory."""

from collections.abc import Callable, Collection, Sequence

from msgspec import structs

from tiktok_forwarder.store.documents import Document, DocumentChange, DocumentKind, SinglePut
from tiktok_forwarder.store.rules import revision_conflict


class MemoryDocuments(SinglePut):
    """The `DocumentStore` side of the memory store."""

    def __init__(self) -> None:
        self._documents: dict[tuple[DocumentKind, str], Document] = {}
        self._history: dict[tuple[DocumentKind, str], list[Document]] = {}

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        return [document for document in self._documents.values() if document.kind == kind]

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None:
        return self._documents.get((kind, document_id))

    async def put_documents(
        self, changes: Sequence[DocumentChange], *, changed_by: str, now_ms: int
    ) -> Sequence[Document]:
        for kind, document_id, _, expected in changes:
            found = self._documents.get((kind, document_id))
            stored = found.revision if found else 0
            if expected is not None and expected != stored:
                raise revision_conflict(kind, document_id, expected, stored)
        return [self._put(kind, document_id, body, changed_by, now_ms) for kind, document_id, body, _ in changes]

    async def remove_document(self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int) -> bool:
        if self._documents.pop((kind, document_id), None) is None:
            return False
        self._keep(kind, document_id, b"", changed_by, now_ms)
        return True

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        def rewrite(document: Document) -> Document:
            return structs.replace(document, body=rewritten(document)) if document.kind in kinds else document

        documents = {key: rewrite(document) for key, document in self._documents.items()}
        self._history = {key: [rewrite(each) for each in history] for key, history in self._history.items()}
        self._documents = documents

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        return list(self._history.get((kind, document_id), ()))

    def _put(self, kind: DocumentKind, document_id: str, body: bytes, changed_by: str, now_ms: int) -> Document:
        document = self._keep(kind, document_id, body, changed_by, now_ms)
        self._documents[kind, document_id] = document
        return document

    def _keep(self, kind: DocumentKind, document_id: str, body: bytes, changed_by: str, now_ms: int) -> Document:
        history = self._history.setdefault((kind, document_id), [])
        history.append(Document(kind, document_id, len(history) + 1, body, now_ms, changed_by))
        return history[-1]
