"""Documents that expire, in the database."""

from collections.abc import Collection, Sequence

from tiktok_forwarder.store.expiring import MAX_OF_KIND, ExpiringDocument, ExpiringKind, ExpiringPut
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.rules import revision_conflict


class PostgresExpiring:
    """The `ExpiringStore` side of the PostgreSQL store."""

    _database: Database

    async def list_expiring(self, kind: ExpiringKind, now_ms: int) -> Sequence[ExpiringDocument]:
        return [ExpiringDocument(*row) for row in await self._database.rows("expiring_documents", kind, now_ms)]

    async def get_expiring(self, kind: ExpiringKind, document_id: str, now_ms: int) -> ExpiringDocument | None:
        found = await self._database.rows("expiring_document", kind, document_id, now_ms)
        return ExpiringDocument(*found[0]) if found else None

    async def put_expiring(self, puts: Sequence[ExpiringPut], now_ms: int) -> None:
        await self._database.change(lambda session: _put(session, puts, now_ms))

    async def remove_expiring(self, kind: ExpiringKind, document_ids: Collection[str]) -> int:
        return len(await self._database.use(lambda session: session.rows("remove_expiring", kind, list(document_ids))))


async def _put(session: Session, puts: Sequence[ExpiringPut], now_ms: int) -> None:
    for kind in sorted({put.kind for put in puts}):
        await session.run("delete_expired", kind, now_ms)
    # In one order in every process, so that two of them do not wait for each other's rows.
    for put in sorted(puts, key=lambda each: (each.kind, each.id)):
        await _put_one(session, put, now_ms)
        await session.run("delete_surplus", put.kind, MAX_OF_KIND[put.kind])


async def _put_one(session: Session, put: ExpiringPut, now_ms: int) -> None:
    row = (put.kind, put.id, put.body, put.expires_at_ms)
    if put.expected_revision is None:
        revision = await session.value("put_expiring", *row)
    elif put.expected_revision == 0:
        revision = await session.value("add_expiring", *row)
    else:
        revision = await session.value("change_expiring", *row, put.expected_revision)
    if revision is None:
        found = await session.rows("expiring_document", put.kind, put.id, now_ms)
        raise revision_conflict(put, ExpiringDocument(*found[0]).revision if found else 0)
