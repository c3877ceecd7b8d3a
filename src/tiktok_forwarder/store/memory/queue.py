"""The waiting events of one connection and wire form in memory, in the order in which they may be leased."""

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Answer, DeadLettered, DeadLetterReason, Retry, WireFormName
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterFilter
from tiktok_forwarder.store.queue import LeasedEvent, NewEvent
from tiktok_forwarder.store.readiness import LaneWork
from tiktok_forwarder.store.rules import AT_ONCE_MS, CLOCK_TOLERANCE_MS, group_shares


class WaitingEvent(Struct):
    """An event in the queue; due 0 marks a fresh one."""

    event_no: int
    new: NewEvent
    accepted_at_ms: int
    due_ms: int = 0
    scheduled_at_ms: int = 0
    attempts: int = 0
    first_attempt_at_ms: int | None = None
    unanswered_at_ms: int | None = None
    answer: Answer | None = None

    def postpone(self, retry: Retry, now_ms: int) -> None:
        self.due_ms, self.scheduled_at_ms = max(retry.due_ms, AT_ONCE_MS), now_ms
        if retry.counts:
            self.attempted(now_ms)
        if retry.may_have_arrived and self.unanswered_at_ms is None:
            self.unanswered_at_ms = now_ms
        self.answer = retry.answer or self.answer

    def attempted(self, now_ms: int) -> None:
        self.attempts += 1
        if self.first_attempt_at_ms is None:
            self.first_attempt_at_ms = now_ms

    def is_about(self, subjects: set[int]) -> bool:
        return not subjects.isdisjoint(self.new.subjects)

    def leased(self) -> LeasedEvent:
        return LeasedEvent(
            self.event_no,
            self.new.connection_revision,
            self.new.event_name,
            self.new.event_id,
            self.new.payload,
            self.accepted_at_ms,
            self.attempts,
            self.first_attempt_at_ms,
            self.unanswered_at_ms,
            self.new.subjects,
        )


class DeadEvent(Struct):
    """A dead letter, with what a replay needs."""

    event: WaitingEvent
    reason: DeadLetterReason
    dead_lettered_at_ms: int

    @classmethod
    def from_waiting(cls, event: WaitingEvent, settlement: DeadLettered, now_ms: int) -> "DeadEvent":
        """Return the dead letter of a waiting event. An answer means one more attempt."""
        if settlement.answer is not None:
            event.attempted(now_ms)
            event.answer = settlement.answer
        return cls(event, settlement.reason, now_ms)

    def letter(self) -> DeadLetter:
        new, event = self.event.new, self.event
        return DeadLetter(
            event.event_no,
            new.connection_id,
            new.connection_revision,
            new.wire_form,
            new.event_name,
            new.event_id,
            new.payload,
            self.reason,
            event.answer,
            event.attempts,
            event.accepted_at_ms,
            event.first_attempt_at_ms,
            self.dead_lettered_at_ms,
        )

    def matches(self, which: DeadLetterFilter) -> bool:
        return (
            which.connection_id in (None, self.event.new.connection_id)
            and which.reason in (None, self.reason)
            and (which.from_ms is None or which.from_ms <= self.dead_lettered_at_ms)
            and (which.until_ms is None or self.dead_lettered_at_ms < which.until_ms)
            and (which.event_nos is None or self.event.event_no in which.event_nos)
        )

    def replayed(self, now_ms: int) -> WaitingEvent:
        """Return the waiting event of a replay: the retry window starts over, the count of attempts continues."""
        return WaitingEvent(
            self.event.event_no,
            self.event.new,
            self.event.accepted_at_ms,
            AT_ONCE_MS,
            now_ms,
            self.event.attempts,
            answer=self.event.answer,
        )


class MemoryLane:
    """Events that are not leased.

    `is_live` returns whether one is still in the queue; others are skipped in their turn.
    """

    def __init__(self, wire_form: WireFormName, is_live: Callable[[WaitingEvent], bool]) -> None:
        self.wire_form = wire_form
        self._is_live = is_live
        self._fresh: deque[WaitingEvent] = deque()
        # A replayed event may be due together with the object it replaces: the third part orders the two.
        self._returned: list[tuple[int, int, int, WaitingEvent]] = []
        self._order = itertools.count()
        self._turn = 0
        self._last_scheduled_ms = 0

    def add(self, event: WaitingEvent) -> None:
        self._fresh.append(event)

    def give_back(self, items: Iterable[WaitingEvent]) -> None:
        for event in items:
            self._put_back(event)

    def take(self, places: int, payload_bytes: int, now_ms: int) -> list[WaitingEvent]:
        """Return the next group, in order of acceptance; at least one event if any is due, however large it is."""
        self._follow_clock(now_ms)
        shares = group_shares(places, len(self._fresh) + len(self._returned), self._turn)
        self._turn += 1
        group = _MemoryGroup(places, payload_bytes)
        group.fill(self._due(now_ms), self._put_back, shares.returned)
        group.fill(self._newest(), self._fresh.append, shares.newest)
        group.fill(self._oldest(), self._fresh.appendleft, places)
        group.fill(self._due(now_ms), self._put_back, places)
        return sorted(group.events, key=lambda event: event.event_no)

    def find_work(self, now_ms: int) -> LaneWork:
        self._follow_clock(now_ms)
        self._skip_gone()
        next_ms = self._returned[0][0] if self._returned else None
        waiting_since = [self._fresh[0].accepted_at_ms] if self._fresh else []
        if next_ms is not None and next_ms <= now_ms:
            waiting_since.append(next_ms)
        due = len(self._fresh) + sum(entry[0] <= now_ms for entry in self._returned)
        return LaneWork(self.wire_form, due, min(waiting_since, default=None), next_ms)

    def _put_back(self, event: WaitingEvent) -> None:
        self._last_scheduled_ms = max(self._last_scheduled_ms, event.scheduled_at_ms)
        heapq.heappush(self._returned, self._entry(event))

    def _entry(self, event: WaitingEvent) -> tuple[int, int, int, WaitingEvent]:
        return event.due_ms, event.event_no, next(self._order), event

    def _skip_gone(self) -> None:
        while self._fresh and not self._is_live(self._fresh[0]):
            self._fresh.popleft()
        while self._returned and not self._is_live(self._returned[0][-1]):
            heapq.heappop(self._returned)

    def _due(self, now_ms: int) -> Iterator[WaitingEvent]:
        while self._returned and self._returned[0][0] <= now_ms:
            event = heapq.heappop(self._returned)[-1]
            if self._is_live(event):
                yield event

    def _newest(self) -> Iterator[WaitingEvent]:
        while self._fresh:
            event = self._fresh.pop()
            if self._is_live(event):
                yield event

    def _oldest(self) -> Iterator[WaitingEvent]:
        while self._fresh:
            event = self._fresh.popleft()
            if self._is_live(event):
                yield event

    def _follow_clock(self, now_ms: int) -> None:
        """Make retries due that were scheduled before the clock was set back."""
        if self._last_scheduled_ms <= now_ms + CLOCK_TOLERANCE_MS:
            return
        self._last_scheduled_ms = 0
        for *_, event in self._returned:
            if event.scheduled_at_ms > now_ms + CLOCK_TOLERANCE_MS:
                event.due_ms = min(event.due_ms, AT_ONCE_MS)
            else:
                self._last_scheduled_ms = max(self._last_scheduled_ms, event.scheduled_at_ms)
        self._returned = [self._entry(event) for *_, event in self._returned]
        heapq.heapify(self._returned)


class _MemoryGroup:
    """A group that is being filled."""

    def __init__(self, places: int, payload_bytes: int) -> None:
        self.events: list[WaitingEvent] = []
        self._places = places
        self._bytes_left = payload_bytes

    def fill(self, source: Iterator[WaitingEvent], put_back: Callable[[WaitingEvent], None], at_most: int) -> None:
        """Take events from `source` while they fit; put those that do not fit back."""
        at_most = min(at_most, self._places - len(self.events))
        while at_most > 0 and (event := next(source, None)) is not None:
            size = len(event.new.payload)
            if self.events and size > self._bytes_left:
                put_back(event)
                return
            self._bytes_left -= size
            self.events.append(event)
            at_most -= 1
