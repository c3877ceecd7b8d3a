"""Opens an incident when it is found, and closes it once it has been away for a while: each with notices, once."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.notices.incidents import (
    INCIDENT_KINDS,
    Finding,
    Findings,
    IncidentBody,
    IncidentKey,
    IncidentKind,
)
from tiktok_forwarder.notices.messages import Notice, closing_notice, opening_notice
from tiktok_forwarder.notices.outbox import NoticeObserver, Outbox, new_notice
from tiktok_forwarder.notices.recipients import Recipients
from tiktok_forwarder.store.notices import NoticeStore, StoredIncident, StoredNotice

# A failover of a database, or a restart of it, is no incident.
_OPENS_AFTER_MS: Final[Mapping[IncidentKind, int]] = {"store_problem": 20_000}


class IncidentTracker:
    """Keeps the open incidents in the store, where every node sees them; while it cannot be used, in memory."""

    def __init__(
        self,
        store: NoticeStore,
        recipients: Recipients,
        outbox: Outbox,
        clock: Clock,
        observer: NoticeObserver,
        *,
        over_seconds: float,
    ) -> None:
        self._store = store
        self._recipients = recipients
        self._outbox = outbox
        self._clock = clock
        self._observer = observer
        self._over_ms = int(over_seconds * 1000)
        self._first_found_ms: dict[IncidentKey, int] = {}
        # What was open when the store could last be used.
        self._known: frozenset[IncidentKey] = frozenset()
        # Incidents that were opened while the store could not be written, with their notices.
        self._unsaved: dict[IncidentKey, tuple[StoredIncident, list[StoredNotice]]] = {}

    async def open_incidents(self) -> dict[IncidentKey, StoredIncident]:
        """Return the open incidents by key. Raises `StoreUnavailable`."""
        incidents = await self._store.incidents()
        # A newer version of this program may have opened one of another kind.
        return {(kind, each.subject): each for each in incidents for kind in INCIDENT_KINDS if kind == each.kind}

    async def follow(self, findings: Findings) -> None:
        """Open what is found, close what is away. Raises `StoreUnavailable`; the next call does what is left."""
        await self._save()
        before = await self.open_incidents()
        self._known = frozenset(before)
        found = {finding.key: finding for finding in self._due(findings)}
        for finding in found.values():
            known = before.get(finding.key)
            if known is None:
                await self._open(finding)
            elif known.away_since_ms is not None:
                await self._store.mark_incident(known.kind, known.subject, None)
        for key, incident in before.items():
            if key[0] in findings.kinds and key not in found:
                await self._close_if_away(incident)

    def follow_without_store(self, findings: Findings) -> None:
        """Open what is found, in memory: the store cannot be written, which is an incident itself."""
        for finding in self._due(findings):
            if finding.key not in self._unsaved and finding.key not in self._known:
                incident, notices = self._opened(finding)
                self._unsaved[finding.key] = incident, notices
                self._outbox.keep_unsaved(notices)
                self._observer.on_incident(finding.kind, finding.subject, is_over=False)

    async def _save(self) -> None:
        """Store what could not be stored when it was found."""
        for key, (incident, notices) in list(self._unsaved.items()):
            await self._store.open_incident(incident, self._outbox.unsaved(notices))
            self._outbox.forget_unsaved(notices)
            del self._unsaved[key]

    def _due(self, findings: Findings) -> list[Finding]:
        """Return what has been found for as long as its kind asks for."""
        now_ms = self._clock.now_ms()
        keys = {finding.key for finding in findings.found}
        for key in [key for key in self._first_found_ms if key[0] in findings.kinds and key not in keys]:
            del self._first_found_ms[key]
        return [
            finding
            for finding in findings.found
            if now_ms - self._first_found_ms.setdefault(finding.key, now_ms) >= _OPENS_AFTER_MS.get(finding.kind, 0)
        ]

    async def _open(self, finding: Finding) -> None:
        incident, notices = self._opened(finding)
        if await self._store.open_incident(incident, notices):
            self._observer.on_incident(finding.kind, finding.subject, is_over=False)

    def _opened(self, finding: Finding) -> tuple[StoredIncident, list[StoredNotice]]:
        now_ms = self._clock.now_ms()
        recipient_ids = tuple(each.id for each in self._recipients.all() if each.wants(finding.kind))
        body = msgspec.json.encode(IncidentBody(finding, recipient_ids))
        incident = StoredIncident(finding.kind, finding.subject, now_ms, body)
        return incident, self._notices(opening_notice(finding, now_ms), recipient_ids, now_ms)

    async def _close_if_away(self, incident: StoredIncident) -> None:
        now_ms = self._clock.now_ms()
        if incident.away_since_ms is None and self._over_ms > 0:
            await self._store.mark_incident(incident.kind, incident.subject, now_ms)
            return
        if incident.away_since_ms is not None and now_ms - incident.away_since_ms < self._over_ms:
            return
        body = msgspec.json.decode(incident.body, type=IncidentBody)
        # Only those who got the first notice, and are still there.
        recipient_ids = tuple(each for each in body.recipient_ids if self._recipients.get(each) is not None)
        contents = closing_notice(body.finding, incident.opened_at_ms, now_ms)
        notices = self._notices(contents, recipient_ids, now_ms)
        if await self._store.close_incident(incident.kind, incident.subject, notices):
            self._observer.on_incident(incident.kind, incident.subject, is_over=True)

    def _notices(self, contents: Notice, recipient_ids: tuple[str, ...], now_ms: int) -> list[StoredNotice]:
        return [new_notice(recipient_id, contents, now_ms) for recipient_id in recipient_ids]
