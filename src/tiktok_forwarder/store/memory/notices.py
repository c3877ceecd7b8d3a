"""Incidents and notices, in memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from tiktok_forwarder.store.notices import KEPT_MS, MAX_NOTICES, StoredIncident, StoredNotice


class MemoryNotices:
    """The `NoticeStore` side of the memory store."""

    def __init__(self) -> None:
        self._incidents: dict[tuple[str, str], StoredIncident] = {}
        self._notices: dict[str, StoredNotice] = {}

    async def incidents(self) -> Sequence[StoredIncident]:
        return sorted(self._incidents.values(), key=lambda each: (each.opened_at_ms, each.kind, each.subject))

    async def open_incident(self, incident: StoredIncident, notices: Sequence[StoredNotice]) -> bool:
        key = incident.kind, incident.subject
        if key in self._incidents:
            return False
        self._incidents[key] = incident
        self._add(notices)
        return True

    async def mark_incident(self, kind: str, subject: str, away_since_ms: int | None) -> None:
        if (found := self._incidents.get((kind, subject))) is not None:
            self._incidents[kind, subject] = replace(found, away_since_ms=away_since_ms)

    async def close_incident(self, kind: str, subject: str, notices: Sequence[StoredNotice]) -> bool:
        if self._incidents.pop((kind, subject), None) is None:
            return False
        self._add(notices)
        return True

    async def add_notices(self, notices: Sequence[StoredNotice]) -> None:
        self._add(notices)

    async def notices(self, limit: int) -> Sequence[StoredNotice]:
        return list(reversed(self._notices.values()))[:limit]

    async def notice(self, notice_id: str) -> StoredNotice | None:
        return self._notices.get(notice_id)

    async def due_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        return [each for each in self._notices.values() if each.state == "waiting" and each.due_ms <= now_ms]

    async def settle_notice(self, notice: StoredNotice) -> None:
        if (found := self._notices.get(notice.id)) is not None:
            self._notices[notice.id] = replace(notice, created_at_ms=found.created_at_ms, body=found.body)

    async def delete_old_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        old = [each for each in self._notices.values() if each.created_at_ms < now_ms - KEPT_MS]
        for notice in old:
            del self._notices[notice.id]
        return [each for each in old if each.state == "waiting"]

    def _add(self, notices: Sequence[StoredNotice]) -> None:
        for notice in notices:
            self._notices.setdefault(notice.id, notice)
        surplus = len(self._notices) - MAX_NOTICES
        if surplus > 0:
            # A stable sort: of the notices in the same state, the oldest go first.
            for old in sorted(self._notices.values(), key=lambda each: each.state == "waiting")[:surplus]:
                del self._notices[old.id]
