"""Documents that expire, in the store's database."""

from collections.abc import Collection, Sequence

from tiktok_forwarder.store.expiring import MAX_OF_KIND, ExpiringDocument, ExpiringKind, ExpiringPut
from tiktok_forwarder.store.rules import revision_conflict
from tiktok_forwarder.store.sqlite.transaction import StoreState, Transaction
from tiktok_forwarder.store.sqlite.writer import SqliteWriter


class SqliteExpiring:
    """The `ExpiringStore` side of the SQLite store."""

    _writer: SqliteWriter

    async def list_expiring(self, kind: ExpiringKind, now_ms: int) -> Sequence[ExpiringDocument]:
        return await self._writer.look(lambda state: _documents(state, "expiring_documents", kind, now_ms))

    async def get_expiring(self, kind: ExpiringKind, document_id: str, now_ms: int) -> ExpiringDocument | None:
        found = await self._writer.look(lambda state: _documents(state, "expiring_document", kind, document_id, now_ms))
        return found[0] if found else None

    async def put_expiring(self, puts: Sequence[ExpiringPut], now_ms: int) -> None:
        await self._writer.write(lambda transaction: _put(transaction, puts, now_ms))

    async def remove_expiring(self, kind: ExpiringKind, document_ids: Collection[str]) -> int:
        return await self._writer.write(
            lambda transaction: sum(_is_removed(transaction, kind, each) for each in document_ids)
        )


def _documents(state: StoreState, statement: str, *bindings: object) -> list[ExpiringDocument]:
    return [ExpiringDocument(*row) for row in state.rows(statement, bindings)]


def _put(transaction: Transaction, puts: Sequence[ExpiringPut], now_ms: int) -> None:
    """Put documents. Every check precedes the first write: a refusal leaves the shared transaction unchanged."""
    for put in puts:
        found = _documents(transaction.state, "expiring_document", put.kind, put.id, now_ms)
        stored = found[0].revision if found else 0
        if put.expected_revision not in (None, stored):
            raise revision_conflict(put, stored)
    for kind in {put.kind for put in puts}:
        transaction.run("delete_expired", (kind, now_ms))
    for put in puts:
        transaction.run("put_expiring", (put.kind, put.id, put.body, put.expires_at_ms))
        transaction.run("delete_surplus", {"kind": put.kind, "max": MAX_OF_KIND[put.kind]})


def _is_removed(transaction: Transaction, kind: ExpiringKind, document_id: str) -> bool:
    return bool(transaction.state.rows("remove_expiring", (kind, document_id)))
