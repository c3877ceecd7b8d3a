"""Documents and their history in the database."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.documents import Document, DocumentChange, DocumentKind, SinglePut
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.rules import revision_conflict


class PostgresDocuments(SinglePut):
    """The `DocumentStore` side of the PostgreSQL store. One process at a time changes documents: changes are rare."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_documents(self, kind: DocumentKind) -> Sequence[Document]:
        return [Document(*row) for row in await self._database.rows("documents", kind)]

    async def get_document(self, kind: DocumentKind, document_id: str) -> Document | None:
        found = await self._database.rows("document", kind, document_id)
        return Document(*found[0]) if found else None

    async def put_documents(
        self, changes: Sequence[DocumentChange], *, changed_by: str, now_ms: int
    ) -> Sequence[Document]:
        return await self._database.change(lambda session: _put(session, changes, changed_by, now_ms))

    async def remove_document(self, kind: DocumentKind, document_id: str, *, changed_by: str, now_ms: int) -> bool:
        async def remove(session: Session) -> bool:
            await session.run("lock_documents")
            if not await session.rows("remove_document", kind, document_id):
                return False
            ((_, latest),) = await session.rows("revisions", [kind], [document_id])
            await session.run("add_to_history", kind, document_id, latest + 1, b"", now_ms, changed_by)
            return True

        return await self._database.change(remove)

    async def rewrite_documents(self, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
        await self._database.change(lambda session: _rewrite(session, kinds, rewritten))
        # The change is committed, even if the space of what it replaced is free only after the server's own vacuum.
        with suppress(StoreUnavailable):
            await self._database.run("vacuum_documents")

    async def document_history(self, kind: DocumentKind, document_id: str) -> Sequence[Document]:
        return [Document(*row) for row in await self._database.rows("document_history", kind, document_id)]


async def _put(session: Session, changes: Sequence[DocumentChange], changed_by: str, now_ms: int) -> list[Document]:
    await session.run("lock_documents")
    rows = await session.rows("revisions", [kind for kind, _, _, _ in changes], [name for _, name, _, _ in changes])
    latest = {}
    for (kind, document_id, _, expected), (stored, latest_revision) in zip(changes, rows, strict=True):
        if expected is not None and expected != stored:
            raise revision_conflict(kind, document_id, expected, stored)
        latest[kind, document_id] = latest_revision
    documents = []
    for kind, document_id, body, _ in changes:
        latest[kind, document_id] += 1
        documents.append(Document(kind, document_id, latest[kind, document_id], body, now_ms, changed_by))
    rows = [(each.kind, each.id, each.revision, each.body, each.changed_at_ms, each.changed_by) for each in documents]
    await session.run_many("put_document", rows)
    await session.run_many("add_to_history", rows)
    return documents


async def _rewrite(session: Session, kinds: Collection[DocumentKind], rewritten: Callable[[Document], bytes]) -> None:
    await session.run("lock_documents")
    for kind in kinds:
        current = [Document(*row) for row in await session.rows("documents", kind)]
        past = [Document(*row) for row in await session.rows("history_of_kind", kind)]
        await session.run_many("rewrite_document", [(rewritten(each), each.kind, each.id) for each in current])
        await session.run_many(
            "rewrite_history", [(rewritten(each), each.kind, each.id, each.revision) for each in past]
        )
