"""Documents and their history in the store's database."""

from collections.abc import Sequence

from tiktok_forwarder.adapters.sqlite_writer import SqliteWriter, Transaction
from tiktok_forwarder.domain.errors import RevisionConflict
from tiktok_forwarder.ports import Document, DocumentKind

_Change = tuple[DocumentKind, str, bytes, int | None]


class SqliteDocuments:
    """The `DocumentStore` side of the SQLite store."""

    def __init__(self, writer: SqliteWriter) -> None:
        self._writer = writer

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        return await self._writer.read(lambda t: [Document(*row) for row in t.execute("documents", {"kind": kind})])

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None:
        return await self._writer.read(lambda t: _found(t, kind, document_id))

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
        change: _Change = (kind, document_id, body, expected_revision)
        (document,) = await self.put_documents([change], changed_by=changed_by, now_ms=now_ms)
        return document

    async def put_documents(self, changes: Sequence[_Change], *, changed_by: str, now_ms: int) -> Sequence[Document]:
        return await self._writer.write(lambda t: _put_all(t, changes, changed_by, now_ms))

    async def remove_document(self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int) -> bool:
        def remove(transaction: Transaction) -> bool:
            if _found(transaction, kind, document_id) is None:
                return False
            revision = _last_revision(transaction, kind, document_id) + 1
            transaction.execute("delete_document", {"kind": kind, "id": document_id})
            _keep(transaction, Document(kind, document_id, revision, b"", now_ms, changed_by))
            return True

        return await self._writer.write(remove)

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        key = {"kind": kind, "id": document_id}
        return await self._writer.read(lambda t: [Document(*row) for row in t.execute("history", key)])


def _found(transaction: Transaction, kind: DocumentKind, document_id: str) -> Document | None:
    row = transaction.execute("document", {"kind": kind, "id": document_id}).fetchone()
    return Document(*row) if row is not None else None


def _put_all(transaction: Transaction, changes: Sequence[_Change], changed_by: str, now_ms: int) -> list[Document]:
    # Every check comes before the first write: a refusal must leave the shared transaction as it was.
    for kind, document_id, _, expected in changes:
        _check_revision(transaction, kind, document_id, expected)
    documents: list[Document] = []
    for kind, document_id, body, _ in changes:
        revision = _last_revision(transaction, kind, document_id) + 1
        document = Document(kind, document_id, revision, body, now_ms, changed_by)
        transaction.execute("put_document", _row(document))
        _keep(transaction, document)
        documents.append(document)
    return documents


def _check_revision(transaction: Transaction, kind: DocumentKind, document_id: str, expected: int | None) -> None:
    if expected is None:
        return
    found = _found(transaction, kind, document_id)
    stored = found.revision if found is not None else 0
    if stored != expected:
        raise RevisionConflict(f"{kind} {document_id} is at revision {stored}, not {expected}: read it again")


def _last_revision(transaction: Transaction, kind: DocumentKind, document_id: str) -> int:
    (revision,) = transaction.execute("last_revision", {"kind": kind, "id": document_id}).fetchone() or (None,)
    return revision or 0


def _keep(transaction: Transaction, document: Document) -> None:
    transaction.execute("add_history", _row(document))


def _row(document: Document) -> dict[str, str | int | bytes]:
    return {
        "kind": document.kind,
        "id": document.id,
        "revision": document.revision,
        "body": document.body,
        "changed_at_ms": document.changed_at_ms,
        "changed_by": document.changed_by,
    }
