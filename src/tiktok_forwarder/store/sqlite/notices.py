"""Incidents and notices, in the store's database."""

from collections.abc import Sequence

from msgspec import structs

from tiktok_forwarder.store.notices import KEPT_MS, MAX_NOTICES, StoredIncident, StoredNotice
from tiktok_forwarder.store.sqlite.transaction import StoreState, Transaction
from tiktok_forwarder.store.sqlite.writer import SqliteWriter


class SqliteNotices:
    """The `NoticeStore` side of the SQLite store."""

    _writer: SqliteWriter

    async def incidents(self) -> Sequence[StoredIncident]:
        return await self._writer.look(lambda state: [StoredIncident(*row) for row in state.rows("incidents")])

    async def open_incident(self, incident: StoredIncident, notices: Sequence[StoredNotice]) -> bool:
        def open_it(transaction: Transaction) -> bool:
            if transaction.state.rows("incident", (incident.kind, incident.subject)):
                return False
            transaction.run(
                "open_incident", (incident.kind, incident.subject, incident.opened_at_ms, incident.body, None)
            )
            _add(transaction, notices)
            return True

        return await self._writer.write(open_it)

    async def mark_incident(self, kind: str, subject: str, away_since_ms: int | None) -> None:
        await self._writer.write(lambda transaction: transaction.run("mark_incident", (away_since_ms, kind, subject)))

    async def close_incident(self, kind: str, subject: str, notices: Sequence[StoredNotice]) -> bool:
        def close_it(transaction: Transaction) -> bool:
            if not transaction.state.rows("incident", (kind, subject)):
                return False
            transaction.run("close_incident", (kind, subject))
            _add(transaction, notices)
            return True

        return await self._writer.write(close_it)

    async def add_notices(self, notices: Sequence[StoredNotice]) -> None:
        await self._writer.write(lambda transaction: _add(transaction, notices))

    async def notices(self, limit: int) -> Sequence[StoredNotice]:
        return await self._writer.look(lambda state: _notices(state, "notices", limit))

    async def notice(self, notice_id: str) -> StoredNotice | None:
        found = await self._writer.look(lambda state: _notices(state, "notice", notice_id))
        return found[0] if found else None

    async def due_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        return await self._writer.look(lambda state: _notices(state, "due_notices", now_ms))

    async def settle_notice(self, notice: StoredNotice) -> None:
        row = (notice.state, notice.due_ms, notice.attempts, notice.reason, notice.settled_at_ms, notice.id)
        await self._writer.write(lambda transaction: transaction.run("settle_notice", row))

    async def delete_old_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        before_ms = now_ms - KEPT_MS
        # Mostly there is none: a look costs no write.
        if not await self._writer.look(lambda state: state.rows("any_old_notice", (before_ms,))):
            return ()

        def delete(transaction: Transaction) -> list[StoredNotice]:
            unsent = _notices(transaction.state, "old_waiting_notices", before_ms)
            transaction.run("delete_old_notices", (before_ms,))
            return unsent

        return await self._writer.write(delete)


def _notices(state: StoreState, statement: str, *bindings: object) -> list[StoredNotice]:
    return [StoredNotice(*row) for row in state.rows(statement, bindings)]


def _add(transaction: Transaction, notices: Sequence[StoredNotice]) -> None:
    for each in notices:
        transaction.run("add_notice", structs.astuple(each))
    transaction.run("delete_surplus_notices", (MAX_NOTICES,))
