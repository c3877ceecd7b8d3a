"""Incidents and notices, in the database."""

from collections.abc import Sequence

from msgspec import structs

from tiktok_forwarder.store.notices import KEPT_MS, MAX_NOTICES, StoredIncident, StoredNotice
from tiktok_forwarder.store.postgres.database import Database, Session


class PostgresNotices:
    """The `NoticeStore` side of the PostgreSQL store."""

    _database: Database

    async def incidents(self) -> Sequence[StoredIncident]:
        return [StoredIncident(*row) for row in await self._database.rows("incidents")]

    async def open_incident(self, incident: StoredIncident, notices: Sequence[StoredNotice]) -> bool:
        async def open_it(session: Session) -> bool:
            row = (incident.kind, incident.subject, incident.opened_at_ms, incident.body)
            if await session.value("open_incident", *row) is None:
                return False
            await _add(session, notices)
            return True

        return await self._database.change(open_it)

    async def mark_incident(self, kind: str, subject: str, away_since_ms: int | None) -> None:
        await self._database.run("mark_incident", kind, subject, away_since_ms)

    async def close_incident(self, kind: str, subject: str, notices: Sequence[StoredNotice]) -> bool:
        async def close_it(session: Session) -> bool:
            if await session.value("close_incident", kind, subject) is None:
                return False
            await _add(session, notices)
            return True

        return await self._database.change(close_it)

    async def add_notices(self, notices: Sequence[StoredNotice]) -> None:
        await self._database.change(lambda session: _add(session, notices))

    async def notices(self, limit: int) -> Sequence[StoredNotice]:
        return [StoredNotice(*row) for row in await self._database.rows("notices", limit)]

    async def notice(self, notice_id: str) -> StoredNotice | None:
        found = await self._database.rows("notice", notice_id)
        return StoredNotice(*found[0]) if found else None

    async def due_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        return [StoredNotice(*row) for row in await self._database.rows("due_notices", now_ms)]

    async def settle_notice(self, notice: StoredNotice) -> None:
        await self._database.run(
            "settle_notice",
            notice.id,
            notice.state,
            notice.due_ms,
            notice.attempts,
            notice.reason,
            notice.settled_at_ms,
        )

    async def delete_old_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        deleted = await self._database.use(lambda session: session.rows("delete_old_notices", now_ms - KEPT_MS))
        return [each for each in (StoredNotice(*row) for row in deleted) if each.state == "waiting"]


async def _add(session: Session, notices: Sequence[StoredNotice]) -> None:
    for each in notices:
        await session.run("add_notice", *structs.astuple(each))
    await session.run("delete_surplus_notices", MAX_NOTICES)
