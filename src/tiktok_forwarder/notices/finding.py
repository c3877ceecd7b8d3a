"""Finds incidents: in the states of connections and store, and in the traffic of inputs and connections."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.delivery.condition import is_stopped
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.inputs.inputs import Input, Inputs
from tiktok_forwarder.notices.comparison import DAY_MS, find_key_fall, find_purchase_fall, find_silence
from tiktok_forwarder.notices.incidents import Facts, Finding, Findings, IncidentKey
from tiktok_forwarder.notices.traffic import TrafficHistory
from tiktok_forwarder.store.dead_letters import DeadLetterCount
from tiktok_forwarder.store.events import EventStore
from tiktok_forwarder.telemetry.store_reports import REMEDIES

_NEW_DEAD_LETTERS_MS: Final = 15 * 60_000
# A person has deleted the connection, and knows.
_EXPECTED_REASONS: Final = frozenset({"connection_deleted"})
_MAX_REASONS: Final = 5


class StateFinder:
    """Finds what can be seen at a moment: paused connections, dead letters, problems of the store, test codes."""

    def __init__(
        self,
        store: EventStore,
        connections: Connections,
        statuses: Callable[[], Awaitable[Mapping[str, DeliveryStatus]]],
        clock: Clock,
    ) -> None:
        self._store = store
        self._connections = connections
        self._statuses = statuses
        self._clock = clock
        self._dead_letters: dict[str, int] = {}
        self._dead_letter_counts: Sequence[DeadLetterCount] = ()
        # By connection ID: the revision that was read, and since when it has had a test event code.
        self._test_codes: dict[str, tuple[int, int]] = {}

    async def store_problems(self) -> Findings:
        """Never raises."""
        problems = [problem for problem in await self._store.problems() if problem != "closed"]
        found = [Finding("store_problem", each, each, {"remedy": REMEDIES.get(each, "")}) for each in problems]
        return Findings(["store_problem"], found)

    async def connections(self) -> Findings:
        """Raises `StoreUnavailable`, as the others do."""
        statuses = await self._statuses()
        found = [
            Finding("connection_paused", connection.id, connection.name, _facts_of(status))
            for connection in self._connections.all()
            if (status := statuses.get(connection.id)) is not None and is_stopped(status)
        ]
        return Findings(["connection_paused"], found)

    async def dead_letters(self) -> Findings:
        counts = {each: queue.dead_letters for each, queue in (await self._store.counts()).items()}
        if counts != self._dead_letters:
            # Reading them takes longer than counting them.
            self._dead_letter_counts = await self._store.dead_letter_counts()
            self._dead_letters = counts
        new_since_ms = self._clock.now_ms() - _NEW_DEAD_LETTERS_MS
        names = {each.id: each.name for each in self._connections.all()}
        new = {
            each.connection_id
            for each in self._dead_letter_counts
            if each.newest_ms >= new_since_ms and each.reason not in _EXPECTED_REASONS
        }
        found = [
            Finding("dead_letters", each, names.get(each, each), _dead_letter_facts(each, self._dead_letter_counts))
            for each in sorted(new)
        ]
        return Findings(["dead_letters"], found)

    async def test_codes(self) -> Findings:
        now_ms = self._clock.now_ms()
        found: list[Finding] = []
        for connection in self._connections.all():
            if connection.test_event_code is None or not connection.enabled or connection.is_recording:
                continue
            revision, since_ms = self._test_codes.get(connection.id, (0, 0))
            if revision != connection.revision:
                since_ms = await self._test_code_since(connection.id)
                self._test_codes[connection.id] = connection.revision, since_ms
            if now_ms - since_ms >= DAY_MS:
                since = datetime.fromtimestamp(since_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
                found.append(Finding("test_code_on", connection.id, connection.name, {"since": since}))
        return Findings(["test_code_on"], found)

    async def _test_code_since(self, connection_id: str) -> int:
        """Return since when the connection has had a test event code, whichever it was."""
        since_ms = self._clock.now_ms()
        for entry in await self._connections.history(connection_id):
            for change in entry.fields:
                if change.field == "test_event_code" and not change.before:
                    since_ms = entry.changed_at_ms
        return since_ms


class TrafficFinder:
    """Finds what differs from the days before: silent inputs, fallen purchases and match keys."""

    def __init__(
        self, history: TrafficHistory, connections: Connections, inputs: Inputs, clock: Clock, watched_since_ms: int
    ) -> None:
        self._history = history
        self._connections = connections
        self._inputs = inputs
        self._clock = clock
        self._watched_since_ms = watched_since_ms

    async def find(self, open_since_ms: Mapping[IncidentKey, int]) -> Findings:
        """`open_since_ms` are the open incidents, with when they were opened. Raises `StoreUnavailable`."""
        now_ms = self._clock.now_ms()
        await self._history.refresh(now_ms)
        connections, inputs = self._connections.all(), self._inputs.all()

        def judged() -> list[Finding]:
            found = self._silent_inputs(inputs, now_ms, open_since_ms)
            for connection in connections:
                if connection.enabled and connection.id in self._history.connections:
                    found += self._falls(connection.id, connection.name, now_ms, open_since_ms)
            return found

        # Adding up many hours takes time: in a thread, so that no event waits for it.
        found = await asyncio.to_thread(judged)
        return Findings(["input_silent", "purchases_fell", "match_keys_fell"], found)

    def _silent_inputs(
        self, inputs: Sequence[Input], now_ms: int, open_since_ms: Mapping[IncidentKey, int]
    ) -> list[Finding]:
        found: list[Finding] = []
        for each in inputs:
            received = self._history.received.get(each.name)
            opened_ms = open_since_ms.get(("input_silent", each.id))
            if opened_ms is not None:
                # The silence lasts until an event is received, however long that takes.
                if received is None or (received.last_ms or 0) <= opened_ms:
                    found.append(Finding("input_silent", each.id, each.name))
            elif received is not None and (silence := find_silence(received, now_ms, self._watched_since_ms)):
                facts: Facts = {
                    "minutes": silence.minutes,
                    "usual_events": silence.usual_events,
                }
                found.append(Finding("input_silent", each.id, each.name, facts))
        return found

    def _falls(
        self, connection_id: str, name: str, now_ms: int, open_since_ms: Mapping[IncidentKey, int]
    ) -> list[Finding]:
        traffic = self._history.connections[connection_id]
        found: list[Finding] = []
        opened_ms = open_since_ms.get(("purchases_fell", connection_id))
        if fall := find_purchase_fall(traffic.purchases, now_ms, opened_ms):
            facts: Facts = {
                "hours": fall.hours,
                "purchases": fall.purchases,
                "usual_purchases": fall.usual_purchases,
            }
            found.append(Finding("purchases_fell", connection_id, name, facts))
        opened_ms = open_since_ms.get(("match_keys_fell", connection_id))
        key_falls = {
            key: each
            for key, having in traffic.match_keys.items()
            if (each := find_key_fall(having, traffic.match_events, now_ms, opened_ms))
        }
        if key_falls:
            facts = {
                "hours": max(each.hours for each in key_falls.values()),
                "percent": {key: round(each.share * 100) for key, each in key_falls.items()},
                "usual_percent": {key: round(each.usual_share * 100) for key, each in key_falls.items()},
            }
            found.append(Finding("match_keys_fell", connection_id, name, facts))
        return found


def _facts_of(status: DeliveryStatus) -> Facts:
    """Return what may be told of a status: its reason may quote TikTok, or be a person's own words."""
    facts: Facts = {"condition": status.condition, "by": status.by}
    return facts if status.code is None else {**facts, "code": status.code}


def _dead_letter_facts(connection_id: str, counts: Sequence[DeadLetterCount]) -> Facts:
    own = sorted((each for each in counts if each.connection_id == connection_id), key=lambda each: -each.count)
    reasons: dict[str, int] = {each.reason: each.count for each in own[:_MAX_REASONS]}
    return {"dead_letters": sum(each.count for each in own), "reasons": reasons}
