"""Documents and their history in the store's database."""

import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.change_log import ChangeLog
from tiktok_forwarder.store.change_signal import ChangeSignal
from tiktok_forwarder.store.documents import Document, DocumentChanges, DocumentKind, DocumentPut, SinglePut
from tiktok_forwarder.store.rules import revision_conflict
from tiktok_forwarder.store.sqlite.settling import cut_log
from tiktok_forwarder.store.sqlite.transaction import StoreState, Transaction
from tiktok_forwarder.store.sqlite.writer import SqliteWriter

Result = TypeVar("Result")


class SqliteDocuments(SinglePut):
    """The `DocumentStore` side of the SQLite store."""

    def __init__(self, writer: SqliteWriter) -> None:
        self._writer = writer
        # Used in the writer's thread. A change that is rolled back keeps its number: what is read again is unchanged.
        self._log = ChangeLog()
        self._signal = ChangeSignal()

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        return await self._writer.look(lambda state: _documents(state, "documents", kind))

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None:
        found = await self._writer.look(lambda state: _documents(state, "document", kind, document_id))
        return found[0] if found else None

    async def put_documents(
        self, puts: Sequence[DocumentPut], *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> Sequence[Document]:
        def put(transaction: Transaction) -> list[Document]:
            self._log.check(as_of)
            documents = _put(transaction, puts, changed_by, now_ms)
            self._log.add((each.kind, each.id) for each in documents)
            return documents

        return await self._change(put)

    async def remove_document(
        self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> bool:
        def remove(transaction: Transaction) -> bool:
            self._log.check(as_of)
            if not _documents(transaction.state, "document", kind, document_id):
                return False
            revision = _latest_revision(transaction, kind, document_id) + 1
            transaction.run("remove_document", (kind, document_id))
            transaction.run("add_to_history", (kind, document_id, revision, b"", now_ms, changed_by))
            self._log.add([(kind, document_id)])
            return True

        return await self._change(remove)

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        def rewrite(transaction: Transaction) -> None:
            documents = _rewrite(transaction, kinds, rewritten)
            self._log.add((each.kind, each.id) for each in documents)

        await self._change(rewrite)
        # The change is committed, even if the log is truncated only by the next checkpoint.
        with contextlib.suppress(StoreUnavailable):
            await self._writer.look(cut_log)

    async def changes(self, after: int | None, wait_seconds: float) -> DocumentChanges:
        return await self._signal.first_changes(
            lambda: self._writer.look(lambda _: self._log.after(after)), wait_seconds if after is not None else 0.0
        )

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        return await self._writer.look(lambda state: _documents(state, "document_history", kind, document_id))

    async def _change(self, change: Callable[[Transaction], Result]) -> Result:
        try:
            return await self._writer.write(change)
        finally:
            self._signal.wake()


def _documents(state: StoreState, statement: str, *bindings: str) -> list[Document]:
    return [Document(*row) for row in state.rows(statement, bindings)]


def _rewrite(
    transaction: Transaction, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]
) -> list[Document]:
    """Rewrite documents and their history; return the documents as they were."""
    documents = [each for kind in kinds for each in _documents(transaction.state, "documents", kind)]
    for each in documents:
        transaction.run("rewrite_document", (rewritten(each), each.kind, each.id))
    for kind in kinds:
        for each in _documents(transaction.state, "history_of_kind", kind):
            transaction.run("rewrite_history", (rewritten(each), each.kind, each.id, each.revision))
    return documents


def _put(transaction: Transaction, puts: Sequence[DocumentPut], changed_by: str, now_ms: int) -> list[Document]:
    """Put documents. Every check precedes the first write: a refusal leaves the shared transaction unchanged."""
    for put in puts:
        found = _documents(transaction.state, "document", put.kind, put.id)
        stored = found[0].revision if found else 0
        if put.expected_revision not in (None, stored):
            raise revision_conflict(put, stored)
    return [_put_one(transaction, put, changed_by, now_ms) for put in puts]


def _put_one(transaction: Transaction, put: DocumentPut, changed_by: str, now_ms: int) -> Document:
    revision = _latest_revision(transaction, put.kind, put.id) + 1
    row = (put.kind, put.id, revision, put.body, now_ms, changed_by)
    transaction.run("put_document", row)
    transaction.run("add_to_history", row)
    return Document(*row)


def _latest_revision(transaction: Transaction, kind: DocumentKind, document_id: str) -> int:
    ((revision,),) = transaction.state.rows("latest_revision", (kind, document_id))
    return int(revision or 0)
