"""The queue and the documents in memory: for tests and trials, since the contents are gone with the process."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from tiktok_forwarder.domain.errors import StoreFull
from tiktok_forwarder.domain.outcome import (
    CONNECTION_FULL,
    RECORDED,
    DeadLettered,
    DeadLetterReason,
    Delivered,
    Settlement,
    Settlements,
)
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterCount, DeadLetterFilter, EventStateCounts
from tiktok_forwarder.store.leases import LeaseTable
from tiktok_forwarder.store.memory.documents import MemoryDocuments
from tiktok_forwarder.store.memory.expiring import MemoryExpiring
from tiktok_forwarder.store.memory.notices import MemoryNotices
from tiktok_forwarder.store.memory.queue import DeadEvent, MemoryLane, WaitingEvent
from tiktok_forwarder.store.queue import Admission, Arrivals, GroupLimits, Lease, NewEvent
from tiktok_forwarder.store.readiness import Readiness, readiness_of
from tiktok_forwarder.store.rules import DUPLICATE_WINDOW_MS, check_quotas, is_repeat, storage_quota
from tiktok_forwarder.store.single_process import SingleProcess
from tiktok_forwarder.store.totals import QueueCounts, StoreSnapshot, TotalsRow
from tiktok_forwarder.store.work_signals import WorkSignals


class MemoryStore(MemoryDocuments, MemoryExpiring, MemoryNotices, SingleProcess):
    """All interfaces of a store, as long as the process lasts. Waiting and dead events count as held."""

    def __init__(self, max_events: int = 1_000_000, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        MemoryDocuments.__init__(self)
        MemoryExpiring.__init__(self)
        MemoryNotices.__init__(self)
        self._max_events = max_events
        # How many events were last refused for lack of space; 0 once events were accepted again.
        self._wanted = 0
        self._event_nos = itertools.count(1)
        self._waiting: dict[str, dict[int, WaitingEvent]] = {}
        self._dead: dict[int, DeadEvent] = {}
        self._lanes: dict[str, list[MemoryLane]] = {}
        self._leases: LeaseTable[WaitingEvent] = LeaseTable(monotonic)
        self._seen: dict[tuple[str, str, str], int] = {}
        self._totals: Counter[tuple[str, str, str]] = Counter()
        self._work = WorkSignals()

    def append(self, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        appended: asyncio.Future[Sequence[Admission]] = asyncio.get_running_loop().create_future()
        try:
            appended.set_result(self._admit_all(arrivals))
        except StoreFull as refusal:
            appended.set_exception(refusal)
        return appended

    async def lease(self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float) -> Lease | None:
        self._leases.expire()
        lanes = self._lanes.get(connection_id, [])
        for lane in tuple(lanes):
            places = limits.max_events[lane.wire_form]
            if events := lane.take(places, limits.payload_bytes, now_ms):
                # The connection's other lane, if there is one, comes first next time.
                lanes.remove(lane)
                lanes.append(lane)
                token = self._leases.hold(lane, {event.event_no: event for event in events}, lease_seconds)
                return Lease(token, connection_id, lane.wire_form, tuple(event.leased() for event in events))
        return None

    async def renew(self, lease: Lease, lease_seconds: float) -> None:
        self._leases.renew(lease, lease_seconds)

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        held = self._leases.held(lease)
        for event_no, settlement in settlements.items():
            event = held.items.pop(event_no, None)
            if event is not None:
                self._settle_one(event, settlement, now_ms)
        self._leases.end_if_settled(lease)

    async def release(self, lease: Lease) -> None:
        self._leases.release(lease)

    async def ready(
        self, connection_id: str, limits: GroupLimits, *, fill_seconds: float, now_ms: int, wait_seconds: float
    ) -> bool:
        async def look(at_ms: int) -> Readiness:
            self._leases.expire()
            work = [lane.find_work(at_ms) for lane in self._lanes.get(connection_id, ())]
            return readiness_of(work, limits, fill_seconds, at_ms)

        return await self._work.wait(connection_id, look, now_ms=now_ms, wait_seconds=wait_seconds)

    async def counts(self) -> Mapping[str, QueueCounts]:
        self._leases.expire()
        dead = Counter(letter.event.new.connection_id for letter in self._dead.values())
        held = [connection_id for connection_id, events in self._waiting.items() if events]
        return {each: self._counts_of(each, dead[each]) for each in dict.fromkeys([*held, *dead])}

    async def totals(self) -> Sequence[TotalsRow]:
        return [TotalsRow(*key, number) for key, number in sorted(self._totals.items()) if number]

    async def snapshot(self) -> StoreSnapshot:
        return StoreSnapshot(await self.totals(), await self.counts())

    async def problems(self) -> Sequence[str]:
        return ["full"] if self._held() + self._wanted >= self._max_events else []

    async def dead_letters(
        self, which: DeadLetterFilter, *, limit: int, after_event_no: int = 0
    ) -> Sequence[DeadLetter]:
        found = (dead.letter() for dead in self._matching(which) if dead.event.event_no > after_event_no)
        return list(itertools.islice(found, limit))

    async def dead_letter_counts(self) -> Sequence[DeadLetterCount]:
        times: dict[tuple[str, DeadLetterReason], list[int]] = {}
        for letter in (dead.letter() for dead in self._dead.values()):
            times.setdefault((letter.connection_id, letter.reason), []).append(letter.dead_lettered_at_ms)
        return [DeadLetterCount(*key, len(found), min(found), max(found)) for key, found in sorted(times.items())]

    async def replay(self, which: DeadLetterFilter, now_ms: int) -> int:
        found = list(self._matching(which))
        for dead in found:
            event = self._remove_dead(dead, "replayed").replayed(now_ms)
            self._count(event.new.connection_id, "dead_lettered", -1)
            self._waiting.setdefault(event.new.connection_id, {})[event.event_no] = event
            self._lane(event.new).give_back([event])
            self._work.add(event.new.connection_id, 1)
        return len(found)

    async def count_by_state(self, connection_id: str, event_nos: Collection[int]) -> EventStateCounts:
        waiting = self._waiting.get(connection_id, {})
        return EventStateCounts(
            sum(each in waiting for each in event_nos), sum(each in self._dead for each in event_nos)
        )

    async def discard(self, which: DeadLetterFilter, now_ms: int) -> int:
        """Discard dead letters; they stay counted as dead-lettered, so that the totals still add up."""
        found = list(self._matching(which))
        for dead in found:
            self._remove_dead(dead, "discarded")
        return len(found)

    async def expire(self, before_ms: int) -> Mapping[str, int]:
        found = list(self._matching(DeadLetterFilter(until_ms=before_ms)))
        for dead in found:
            self._remove_dead(dead, "expired")
        return Counter(dead.event.new.connection_id for dead in found)

    async def dead_letter_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        events = list(self._waiting.get(connection_id, {}).values())
        for event in events:
            self._leases.forget(self._lane(event.new), event.event_no)
            self._bury(event, DeadLettered(reason), now_ms)
        return len(events)

    async def erase(self, subjects: Collection[int], now_ms: int) -> int:
        wanted = set(subjects)
        waiting = [event for events in self._waiting.values() for event in events.values() if event.is_about(wanted)]
        dead = [letter for letter in self._dead.values() if letter.event.is_about(wanted)]
        for event in waiting:
            self._leases.forget(self._lane(event.new), event.event_no)
            self._remove(event, "erased")
        for letter in dead:
            self._remove_dead(letter, "erased")
            self._count(letter.event.new.connection_id, "dead_lettered", -1)
        return len(waiting) + len(dead)

    async def close(self) -> None:
        """Do nothing: the memory store holds no resources."""

    # --- admission ---------------------------------------------------------------------------------------------------

    def _admit_all(self, arrivals: Arrivals) -> list[Admission]:
        """Admit a request's events. Raises `StoreFull`, also as `ConnectionsFull`, before changing anything."""
        self._wanted = sum(not event.is_recorded for event in arrivals.events)
        if self._wanted and self._held() + self._wanted > self._max_events:
            raise StoreFull(f"the event store is full: the limit is {self._max_events} events")
        self._wanted = 0
        self._forget_seen(arrivals.accepted_at_ms)
        self._check_quotas(arrivals)
        for (connection_id, reason), number in arrivals.drops.items():
            self._drop(connection_id, reason, number)
        return [self._admit(event, arrivals.accepted_at_ms) for event in arrivals.events]

    def _check_quotas(self, arrivals: Arrivals) -> None:
        """Raise `ConnectionsFull` if no connection has room for all its new events of the request."""
        new = {
            _key_of(event)
            for event in arrivals.events
            if not event.is_recorded and not self._is_repeat(event, arrivals.accepted_at_ms)
        }
        needed = Counter(connection_id for connection_id, _, _ in new)
        check_quotas(needed, {each: storage_quota(self._max_events) - self._held_by(each) for each in needed})

    def _is_repeat(self, new: NewEvent, now_ms: int) -> bool:
        return is_repeat(self._seen.get(_key_of(new)), now_ms)

    def _admit(self, new: NewEvent, now_ms: int) -> Admission:
        key = _key_of(new)
        if self._is_repeat(new, now_ms):
            self._count(new.connection_id, "duplicate")
            return "duplicate"
        if not new.is_recorded and self._held_by(new.connection_id) >= storage_quota(self._max_events):
            self._drop(new.connection_id, CONNECTION_FULL, 1)
            return CONNECTION_FULL
        # In order of being seen, which the expiry relies on.
        self._seen.pop(key, None)
        self._seen[key] = now_ms
        if new.is_recorded:
            self._drop(new.connection_id, RECORDED, 1)
            return RECORDED
        event = WaitingEvent(next(self._event_nos), new, now_ms)
        self._waiting.setdefault(new.connection_id, {})[event.event_no] = event
        self._lane(new).add(event)
        self._work.add(new.connection_id, 1)
        self._count(new.connection_id, "accepted")
        return "stored"

    def _held(self) -> int:
        return sum(map(len, self._waiting.values())) + len(self._dead)

    def _held_by(self, connection_id: str) -> int:
        dead = sum(letter.event.new.connection_id == connection_id for letter in self._dead.values())
        return len(self._waiting.get(connection_id, ())) + dead

    def _forget_seen(self, now_ms: int) -> None:
        horizon_ms = now_ms - DUPLICATE_WINDOW_MS
        for key in [key for key, _ in itertools.takewhile(lambda seen: seen[1] <= horizon_ms, self._seen.items())]:
            del self._seen[key]

    def _lane(self, new: NewEvent) -> MemoryLane:
        lanes = self._lanes.setdefault(new.connection_id, [])
        for lane in lanes:
            if lane.wire_form == new.wire_form:
                return lane
        lanes.append(MemoryLane(new.wire_form, self._is_live))
        return lanes[-1]

    # --- the queue and the totals ------------------------------------------------------------------------------------

    def _settle_one(self, event: WaitingEvent, settlement: Settlement, now_ms: int) -> None:
        if isinstance(settlement, Delivered):
            self._remove(event, "delivered")
        elif isinstance(settlement, DeadLettered):
            self._bury(event, settlement, now_ms)
        else:
            event.postpone(settlement, now_ms)
            self._lane(event.new).give_back([event])

    def _is_live(self, event: WaitingEvent) -> bool:
        """Return whether this very object is queued: after a replay, another object represents the event."""
        return self._waiting[event.new.connection_id].get(event.event_no) is event

    def _remove(self, event: WaitingEvent, counter: str) -> None:
        del self._waiting[event.new.connection_id][event.event_no]
        self._count(event.new.connection_id, counter)

    def _bury(self, event: WaitingEvent, settlement: DeadLettered, now_ms: int) -> None:
        self._remove(event, "dead_lettered")
        self._dead[event.event_no] = DeadEvent.from_waiting(event, settlement, now_ms)

    def _remove_dead(self, dead: DeadEvent, counter: str) -> DeadEvent:
        self._count(dead.event.new.connection_id, counter)
        return self._dead.pop(dead.event.event_no)

    def _matching(self, which: DeadLetterFilter) -> Iterator[DeadEvent]:
        return (dead for _, dead in sorted(self._dead.items()) if dead.matches(which))

    def _counts_of(self, connection_id: str, dead_letters: int) -> QueueCounts:
        events = self._waiting.get(connection_id, {}).values()
        return QueueCounts(
            waiting=len(events),
            leased=sum(self._leases.leased_from(lane) for lane in self._lanes.get(connection_id, ())),
            dead_letters=dead_letters,
            oldest_accepted_at_ms=min((event.accepted_at_ms for event in events), default=None),
            waiting_bytes=sum(len(event.new.payload) for event in events),
            quota_used=self._held_by(connection_id) / storage_quota(self._max_events),
        )

    def _drop(self, connection_id: str, reason: str, number: int) -> None:
        self._count(connection_id, "accepted", number)
        self._count(connection_id, "dropped", number, reason)

    def _count(self, connection_id: str, counter: str, number: int = 1, reason: str = "") -> None:
        self._totals[connection_id, counter, reason] += number


def _key_of(new: NewEvent) -> tuple[str, str, str]:
    return (new.connection_id, new.event_name, new.event_id)
