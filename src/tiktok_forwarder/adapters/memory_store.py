"""A store in memory, for trials and tests: the same promises as the durable one for as long as the process lives."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs

from tiktok_forwarder.adapters.lease_book import LeaseBook
from tiktok_forwarder.adapters.memory_documents import MemoryDocuments
from tiktok_forwarder.domain.errors import StoreFull
from tiktok_forwarder.domain.outcome import (
    CONNECTION_FULL,
    Answer,
    DeadLettered,
    DeadLetterReason,
    Delivered,
    Retry,
    Settlement,
    Settlements,
    WireForm,
)
from tiktok_forwarder.ports import (
    Admission,
    Arrivals,
    DeadLetter,
    DeadLetterFilter,
    GroupLimits,
    Lease,
    LeasedEvent,
    NewEvent,
    QueueCounts,
    TotalsRow,
)

_WINDOW_MS: Final = 48 * 3_600_000
_SHARE_PER_CONNECTION: Final = 0.5


class _Waiting(Struct):
    event_no: int
    event: NewEvent
    accepted_at_ms: int
    due_ms: int = 0
    scheduled_at_ms: int = 0
    attempts: int = 0
    first_attempt_at_ms: int | None = None
    unanswered_at_ms: int | None = None
    answer: Answer | None = None


class _Dead(Struct):
    letter: DeadLetter
    subjects: tuple[int, ...]


class MemoryStore(MemoryDocuments):
    """`EventStore` and `DocumentStore`. It holds at most `max_events`, waiting and dead."""

    remembers_duplicates: Final = True

    def __init__(self, max_events: int = 1_000_000, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._max_events = max_events
        self._numbers = itertools.count(1)
        self._queues: dict[str, dict[int, _Waiting]] = {}
        self._dead: dict[int, _Dead] = {}
        self._seen: dict[tuple[str, str, str], int] = {}
        self._totals: Counter[tuple[str, str, str]] = Counter()
        self._retries_first = True
        # A waiting event stays in its queue while it is leased, so nothing needs to be put back.
        self._leases: LeaseBook[_Waiting] = LeaseBook(monotonic, lambda _queue, _places: None)

    async def append(self, arrivals: Arrivals) -> Sequence[Admission]:
        if len(self._dead) + sum(map(len, self._queues.values())) >= self._max_events:
            raise StoreFull("the store is full")
        for (connection_id, reason), count in arrivals.drops.items():
            self._totals[connection_id, "dropped", reason] += count
            self._totals[connection_id, "accepted", ""] += count
        return [self._admit(event, arrivals.accepted_at_ms) for event in arrivals.events]

    def _admit(self, event: NewEvent, now_ms: int) -> Admission:
        queue = self._queues.setdefault(event.connection_id, {})
        if len(queue) >= self._max_events * _SHARE_PER_CONNECTION:
            self._totals[event.connection_id, "dropped", CONNECTION_FULL] += 1
            self._totals[event.connection_id, "accepted", ""] += 1
            return "connection_full"
        key = (event.connection_id, event.event_name, event.event_id)
        if self._seen.get(key, now_ms - _WINDOW_MS) > now_ms - _WINDOW_MS:
            self._totals[event.connection_id, "duplicate", ""] += 1
            return "duplicate"
        self._seen[key] = now_ms
        self._totals[event.connection_id, "accepted", ""] += 1
        event_no = next(self._numbers)
        queue[event_no] = _Waiting(event_no, event, now_ms)
        return "stored"

    async def lease(self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float) -> Lease | None:
        self._leases.expire()
        taken = self._group(self._due(connection_id, now_ms), limits)
        if not taken:
            return None
        places = {waiting.event_no: waiting for waiting in taken}
        token = self._leases.hold(connection_id, places, lease_seconds)
        return Lease(token, connection_id, taken[0].event.wire_form, tuple(_leased(each) for each in taken))

    def _due(self, connection_id: str, now_ms: int) -> Iterator[_Waiting]:
        leased = self._leases.leased(connection_id)
        free = [each for number, each in self._queues.get(connection_id, {}).items() if number not in leased]
        due = [each for each in free if each.due_ms <= now_ms or each.scheduled_at_ms > now_ms]
        retries = sorted((each for each in due if each.due_ms), key=lambda each: (each.due_ms, each.event_no))
        fresh = sorted((each for each in due if not each.due_ms), key=lambda each: each.event_no)
        # They take turns in coming first, so that neither waits for ever.
        self._retries_first = not self._retries_first
        yield from (*retries, *fresh) if self._retries_first else (*fresh, *retries)

    @staticmethod
    def _group(due: Iterable[_Waiting], limits: GroupLimits) -> list[_Waiting]:
        taken: list[_Waiting] = []
        size = 0
        for waiting in due:
            form: WireForm = waiting.event.wire_form
            most = limits.events_2_0 if form == "2.0" else limits.events_1_0
            size += len(waiting.event.payload)
            fits = len(taken) < most and size <= limits.payload_bytes
            if taken and not (fits and form == taken[0].event.wire_form):
                break
            taken.append(waiting)
        return taken

    async def renew(self, lease: Lease, lease_seconds: float) -> None:
        self._leases.renew(lease.token, lease_seconds)

    async def release(self, lease: Lease) -> None:
        self._leases.release(lease.token)

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        held = self._leases.held(lease.token).places
        for event_no, settlement in settlements.items():
            if event_no in held:
                self._settle(lease.connection_id, held[event_no], settlement, now_ms)
        self._leases.settle(lease.token, settlements)

    def _settle(self, connection_id: str, waiting: _Waiting, settlement: Settlement, now_ms: int) -> None:
        match settlement:
            case Delivered():
                del self._queues[connection_id][waiting.event_no]
                self._totals[connection_id, "delivered", ""] += 1
            case Retry():
                _schedule(waiting, settlement, now_ms)
            case DeadLettered():
                if settlement.answer is not None:
                    _count_attempt(waiting, now_ms)
                waiting.answer = settlement.answer or waiting.answer
                self._bury(connection_id, waiting, settlement.reason, now_ms)

    def _bury(self, connection_id: str, waiting: _Waiting, reason: DeadLetterReason, now_ms: int) -> None:
        del self._queues[connection_id][waiting.event_no]
        self._totals[connection_id, "dead_lettered", ""] += 1
        self._dead[waiting.event_no] = _Dead(_dead_letter(waiting, reason, now_ms), waiting.event.subjects)

    async def next_due_ms(self, connection_id: str) -> int | None:
        self._leases.expire()
        leased = self._leases.leased(connection_id)
        queue = self._queues.get(connection_id, {})
        return min((each.due_ms for number, each in queue.items() if number not in leased), default=None)

    async def counts(self) -> Mapping[str, QueueCounts]:
        dead = Counter(each.letter.connection_id for each in self._dead.values())
        names = [name for name in {**self._queues, **dead} if self._queues.get(name) or dead[name]]
        return {name: self._counted(name, dead[name]) for name in names}

    def _counted(self, connection_id: str, dead_letters: int) -> QueueCounts:
        queue = self._queues.get(connection_id, {})
        return QueueCounts(
            len(queue),
            len(self._leases.leased(connection_id)),
            dead_letters,
            min((each.accepted_at_ms for each in queue.values()), default=None),
            sum(len(each.event.payload) for each in queue.values()),
        )

    async def totals(self) -> Sequence[TotalsRow]:
        return [TotalsRow(*key, count) for key, count in self._totals.items() if count]

    async def troubles(self) -> Sequence[str]:
        held = len(self._dead) + sum(map(len, self._queues.values()))
        return ["full"] if held >= self._max_events else []

    async def dead_letters(
        self, which: DeadLetterFilter, *, limit: int, after_event_no: int = 0
    ) -> Sequence[DeadLetter]:
        found = [letter for letter in self._chosen(which) if letter.event_no > after_event_no]
        return found[:limit]

    def _chosen(self, which: DeadLetterFilter) -> list[DeadLetter]:
        letters = (each.letter for _, each in sorted(self._dead.items()))
        return [letter for letter in letters if _fulfils(letter, which)]

    async def replay(self, which: DeadLetterFilter, now_ms: int) -> int:
        letters = self._chosen(which)
        for letter in letters:
            self._totals[letter.connection_id, "dead_lettered", ""] -= 1
            self._totals[letter.connection_id, "replayed", ""] += 1
            waiting = _replayed(letter, self._dead.pop(letter.event_no).subjects)
            self._queues.setdefault(letter.connection_id, {})[letter.event_no] = waiting
        return len(letters)

    async def discard(self, which: DeadLetterFilter, now_ms: int) -> int:
        letters = self._chosen(which)
        for letter in letters:
            del self._dead[letter.event_no]
            self._totals[letter.connection_id, "discarded", ""] += 1
        return len(letters)

    async def dead_letter_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        waiting = list(self._queues.get(connection_id, {}).values())
        for each in waiting:
            self._bury(connection_id, each, reason, now_ms)
        self._leases.forget(connection_id, [each.event_no for each in waiting])
        return len(waiting)

    async def erase(self, subjects: Collection[int], now_ms: int) -> int:
        wanted = set(subjects)
        erased = 0
        for name, queue in self._queues.items():
            about = [number for number, each in queue.items() if wanted & set(each.event.subjects)]
            for number in about:
                del queue[number]
            self._leases.forget(name, about)
            self._totals[name, "erased", ""] += len(about)
            erased += len(about)
        for number in [number for number, each in self._dead.items() if wanted & set(each.subjects)]:
            connection_id = self._dead.pop(number).letter.connection_id
            self._totals[connection_id, "dead_lettered", ""] -= 1
            self._totals[connection_id, "erased", ""] += 1
            erased += 1
        return erased

    async def close(self) -> None:
        """Nothing is kept."""


def _leased(waiting: _Waiting) -> LeasedEvent:
    event = waiting.event
    return LeasedEvent(
        waiting.event_no,
        event.connection_revision,
        event.event_name,
        event.event_id,
        event.payload,
        waiting.accepted_at_ms,
        waiting.attempts,
        waiting.first_attempt_at_ms,
        waiting.unanswered_at_ms,
        event.subjects,
    )


def _schedule(waiting: _Waiting, retry: Retry, now_ms: int) -> None:
    waiting.due_ms = max(1, retry.due_ms)
    waiting.scheduled_at_ms = now_ms
    waiting.answer = retry.answer or waiting.answer
    if retry.counts:
        _count_attempt(waiting, now_ms)
    if retry.may_have_arrived and waiting.unanswered_at_ms is None:
        waiting.unanswered_at_ms = now_ms


def _count_attempt(waiting: _Waiting, now_ms: int) -> None:
    waiting.attempts += 1
    if waiting.first_attempt_at_ms is None:
        waiting.first_attempt_at_ms = now_ms


def _dead_letter(waiting: _Waiting, reason: DeadLetterReason, now_ms: int) -> DeadLetter:
    event = waiting.event
    return DeadLetter(
        event_no=waiting.event_no,
        connection_id=event.connection_id,
        connection_revision=event.connection_revision,
        wire_form=event.wire_form,
        event_name=event.event_name,
        event_id=event.event_id,
        payload=event.payload,
        reason=reason,
        answer=waiting.answer,
        attempts=waiting.attempts,
        accepted_at_ms=waiting.accepted_at_ms,
        first_attempt_at_ms=waiting.first_attempt_at_ms,
        dead_lettered_at_ms=now_ms,
    )


def _replayed(letter: DeadLetter, subjects: tuple[int, ...]) -> _Waiting:
    members = {name: value for name, value in structs.asdict(letter).items() if name in NewEvent.__struct_fields__}
    event = NewEvent(**members, subjects=subjects)
    return _Waiting(
        letter.event_no, event, letter.accepted_at_ms, due_ms=1, attempts=letter.attempts, answer=letter.answer
    )


def _fulfils(letter: DeadLetter, which: DeadLetterFilter) -> bool:
    return (
        which.connection_id in (None, letter.connection_id)
        and which.reason in (None, letter.reason)
        and (which.from_ms is None or letter.dead_lettered_at_ms >= which.from_ms)
        and (which.until_ms is None or letter.dead_lettered_at_ms < which.until_ms)
        and (which.event_nos is None or letter.event_no in which.event_nos)
    )
