"""Documents and their history in the database."""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.change_signal import ChangeSignal
from tiktok_forwarder.store.documents import (
    CONFIGURATION,
    Document,
    DocumentChanges,
    DocumentKind,
    DocumentPut,
    SinglePut,
    is_numbered,
)
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.postgres.notifications import DOCUMENTS
from tiktok_forwarder.store.rules import documents_changed, revision_conflict

# How often to look for the changes of other processes.
_LOOK_AGAIN_SECONDS: Final = 0.25


class PostgresDocuments(SinglePut):
    """The `DocumentStore` side of the PostgreSQL store. One process at a time changes documents: changes are rare."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._signal = ChangeSignal(_LOOK_AGAIN_SECONDS)

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        return [Document(*row) for row in await self._database.rows("documents", kind)]

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None:
        found = await self._database.rows("document", kind, document_id)
        return Document(*found[0]) if found else None

    async def put_documents(
        self, puts: Sequence[DocumentPut], *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> Sequence[Document]:
        documents = await self._database.change(lambda session: _put(session, puts, changed_by, now_ms, as_of))
        self._signal.wake()
        return documents

    async def remove_document(
        self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int, as_of: int | None = None
    ) -> bool:
        async def remove(session: Session) -> bool:
            await _lock(session, as_of)
            if not await session.rows("remove_document", kind, document_id):
                return False
            ((_, latest),) = await session.rows("revisions", [kind], [document_id])
            await _add_to_history(session, [Document(kind, document_id, latest + 1, b"", now_ms, changed_by)])
            return True

        is_removed = await self._database.change(remove)
        self._signal.wake()
        return is_removed

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        await self._database.change(lambda session: _rewrite(session, kinds, rewritten))
        self._signal.wake()
        # The change is committed, even if the space of what it replaced is free only after the server's own vacuum.
        with suppress(StoreUnavailable):
            await self._database.run("vacuum_documents")

    async def changes(self, after: int | None, wait_seconds: float) -> DocumentChanges:
        async def look() -> DocumentChanges:
            ((last, server),) = await self._database.rows("last_change")
            if after is None or last <= after:
                return DocumentChanges(last, (), server)
            rows = await self._database.rows("changed_documents", after)
            return DocumentChanges(rows[-1][2], tuple((kind, name) for kind, name, _ in rows), server)

        return await self._signal.first_changes(look, wait_seconds if after is not None else 0.0)

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        return [Document(*row) for row in await self._database.rows("document_history", kind, document_id)]


async def _lock(session: Session, as_of: int | None) -> None:
    """Keep other processes from changing documents until the end of the transaction. Raises `DocumentsChanged`."""
    await session.run("lock_documents")
    if as_of is not None and await session.value("has_changed", as_of, sorted(CONFIGURATION)):
        raise documents_changed()


async def _put(
    session: Session, puts: Sequence[DocumentPut], changed_by: str, now_ms: int, as_of: int | None
) -> list[Document]:
    await _lock(session, as_of)
    rows = await session.rows("revisions", [put.kind for put in puts], [put.id for put in puts])
    latest = {}
    for put, (stored, latest_revision) in zip(puts, rows, strict=True):
        if put.expected_revision not in (None, stored):
            raise revision_conflict(put, stored)
        latest[put.kind, put.id] = latest_revision
    documents = []
    for put in puts:
        latest[put.kind, put.id] += 1
        documents.append(Document(put.kind, put.id, latest[put.kind, put.id], put.body, now_ms, changed_by))
    await session.run_many("put_document", list(map(_row, documents)))
    await _add_to_history(session, documents)
    return documents


async def _add_to_history(session: Session, documents: Iterable[Document]) -> None:
    """Keep revisions with the next numbers, so that others see new documents in the order of their creation."""
    next_no = await session.value("last_change") + 1
    rows = [(*_row(each), number if is_numbered(each.kind) else None) for number, each in enumerate(documents, next_no)]
    await session.run_many("add_to_history", rows)
    await session.run("notify_with_change", DOCUMENTS)


async def _rewrite(session: Session, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
    await session.run("lock_documents")
    await session.run("notify_with_change", DOCUMENTS)
    next_no = await session.value("last_change") + 1
    for kind in kinds:
        current = [Document(*row) for row in await session.rows("documents", kind)]
        past = [Document(*row) for row in await session.rows("history_of_kind", kind)]
        await session.run_many("rewrite_document", [(rewritten(each), each.kind, each.id) for each in current])
        await session.run_many(
            "rewrite_history", [(rewritten(each), each.kind, each.id, each.revision, next_no) for each in past]
        )


def _row(document: Document) -> tuple[object, ...]:
    return (
        document.kind,
        document.id,
        document.revision,
        document.body,
        document.changed_at_ms,
        document.changed_by,
    )
