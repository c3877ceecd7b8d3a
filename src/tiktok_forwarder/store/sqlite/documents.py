"""Documents and their history in the store's database."""

import contextlib
from collections.abc import Callable, Collection, Sequence

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.documents import Document, DocumentChange, DocumentKind, SinglePut
from tiktok_forwarder.store.rules import revision_conflict
from tiktok_forwarder.store.sqlite.settling import cut_log
from tiktok_forwarder.store.sqlite.transaction import StoreState, Transaction
from tiktok_forwarder.store.sqlite.writer import SqliteWriter


class SqliteDocuments(SinglePut):
    """The `DocumentStore` side of the SQLite store."""

    def __init__(self, writer: SqliteWriter) -> None:
        self._writer = writer

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        return await self._writer.look(lambda state: _documents(state, "documents", kind))

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None:
        found = await self._writer.look(lambda state: _documents(state, "document", kind, document_id))
        return found[0] if found else None

    async def put_documents(
        self, changes: Sequence[DocumentChange], *, changed_by: str, now_ms: int
    ) -> Sequence[Document]:
        return await self._writer.write(lambda transaction: _put(transaction, changes, changed_by, now_ms))

    async def remove_document(self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int) -> bool:
        def remove(transaction: Transaction) -> bool:
            if not _documents(transaction.state, "document", kind, document_id):
                return False
            revision = _latest_revision(transaction, kind, document_id) + 1
            transaction.run("remove_document", (kind, document_id))
            transaction.run("add_to_history", (kind, document_id, revision, b"", now_ms, changed_by))
            return True

        return await self._writer.write(remove)

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        await self._writer.write(lambda transaction: _rewrite(transaction, kinds, rewritten))
        # The change is committed, even if the log is truncated only by the next checkpoint.
        with contextlib.suppress(StoreUnavailable):
            await self._writer.look(cut_log)

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        return await self._writer.look(lambda state: _documents(state, "document_history", kind, document_id))


def _documents(state: StoreState, statement: str, *bindings: str) -> list[Document]:
    return [Document(*row) for row in state.rows(statement, bindings)]


def _rewrite(transaction: Transaction, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
    for kind in kinds:
        for each in _documents(transaction.state, "documents", kind):
            transaction.run("rewrite_document", (rewritten(each), each.kind, each.id))
        for each in _documents(transaction.state, "history_of_kind", kind):
            transaction.run("rewrite_history", (rewritten(each), each.kind, each.id, each.revision))


def _put(transaction: Transaction, changes: Sequence[DocumentChange], changed_by: str, now_ms: int) -> list[Document]:
    """Put documents. Every check precedes the first write: a refusal leaves the shared transaction unchanged."""
    for kind, document_id, _, expected in changes:
        found = _documents(transaction.state, "document", kind, document_id)
        stored = found[0].revision if found else 0
        if expected is not None and expected != stored:
            raise revision_conflict(kind, document_id, expected, stored)
    return [
        _put_one(transaction, kind, document_id, body, changed_by, now_ms) for kind, document_id, body, _ in changes
    ]


def _put_one(
    transaction: Transaction, kind: DocumentKind, document_id: str, body: bytes, changed_by: str, now_ms: int
) -> Document:
    revision = _latest_revision(transaction, kind, document_id) + 1
    row = (kind, document_id, revision, body, now_ms, changed_by)
    transaction.run("put_document", row)
    transaction.run("add_to_history", row)
    return Document(*row)


def _latest_revision(transaction: Transaction, kind: DocumentKind, document_id: str) -> int:
    ((revision,),) = transaction.state.rows("latest_revision", (kind, document_id))
    return int(revision or 0)
