"""What has happened and is not written yet: figures of everything, records of a selection."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from zlib import crc32

from msgspec import Struct
from msgspec.structs import asdict

from tiktok_forwarder.activity.event_figures import EventCounter
from tiktok_forwarder.activity.event_names import NameCounter
from tiktok_forwarder.activity.figures import (
    SERVICE,
    add,
    add_input_match_keys,
    add_latencies,
    add_match_keys,
    add_of_input,
    add_refused,
    match_keys_in,
)
from tiktok_forwarder.activity.record_making import (
    DroppedBatch,
    admitted_record,
    attempted_record,
    condition_record,
    dropped_record,
    refused_record,
    request_record,
    settled_record,
)
from tiktok_forwarder.activity.records import ActivityWrite, Figures, LevelChange, Record
from tiktok_forwarder.activity.sampling import Sampling, keeps
from tiktok_forwarder.delivery.interfaces import Attempt, DeliveryStatus, Settled, SettledAs
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.outcome import CONNECTION_FULL, RECORDED, DeadLettered, Delivered
from tiktok_forwarder.intake.accept import Acceptance, AdmittedEvent, SubjectHash
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.store.queue import Admission
from tiktok_forwarder.tiktok.events import PURCHASE_EVENTS

_SETTLED_NAMES: Final[Mapping[SettledAs, str]] = {
    "delivered": "delivered",
    "retry": "retried",
    "dead_letter": "dead_lettered",
}
MINUTE_MS: Final = 60_000
# All drops and failures are kept, up to what the file can take while the service does its own work.
_MAX_KEPT_PER_SECOND: Final = 5000
# Sampled records leave this much of it to the others: a backlog accepted slowly may be delivered all at the same time.
_ROOM_FOR_FAILURES: Final = 2500
# Longer than a request takes, including retries of refused halves.
_ERASED_SECONDS: Final = 600.0


class _Sampled(Struct, frozen=True, gc=False):
    """A record that is kept if its event is in the sample, once that is known.

    It has the second of acceptance: until that second is over its level may rise, and then fewer are kept. A mapped
    event, which may be a duplicate, comes with its input and payload.
    """

    second: int
    record: Record
    input_name: str = ""
    payload: bytes = b""


class _InputCounts(Struct, gc=False):
    """What one input brought one connection in one minute, or the service as a whole.

    Numbers until they are written: every request passes here, and the names of figures take longer than adding.
    """

    received: int = 0
    mapped: int = 0
    duplicate: int = 0
    dropped: int = 0
    purchases: int = 0
    purchases_not_allowed: int = 0


class Gathering:
    """Collects observed events; `take` returns them for writing.

    Drops, dead letters and failed requests are all kept. Of a connection's other events, beyond `most_per_second`
    accepted in one second, a fair sample is kept: all records of an event, or none.
    """

    def __init__(
        self, clock: Clock, subject_hash: SubjectHash, most_per_second: int, level_delay_seconds: int = 0
    ) -> None:
        self._clock = clock
        self._subject_hash = subject_hash
        self._sampling = Sampling(most_per_second)
        self._level_delay_seconds = level_delay_seconds
        self._figures: dict[tuple[int, str], Figures] = {}
        self._input_counts: dict[tuple[int, str, str], _InputCounts] = {}
        self._events = EventCounter()
        self._names = NameCounter()
        self._kept: list[Record] = []
        self._sampled: list[_Sampled] = []
        self._levels: list[LevelChange] = []
        # Until this monotonic time in seconds, nothing is kept about these subjects.
        self._erased: dict[int, float] = {}
        self._room_second, self._room = 0, _MAX_KEPT_PER_SECOND
        self.lost_records = 0

    @property
    def records(self) -> int:
        """Return how many records could be written now."""
        return len(self._kept)

    @property
    def is_empty(self) -> bool:
        counted = self._figures or self._input_counts or not (self._events.is_empty and self._names.is_empty)
        return not (counted or self._kept or self._sampled or self._levels)

    # --- observing ---

    def on_accepted(self, acceptance: Acceptance) -> None:
        at_ms = acceptance.accepted_at_ms
        for connection_id, admitted in acceptance.admitted.items():
            self._admitted(acceptance.input_name, connection_id, admitted, at_ms)
            self._events.count_admitted(connection_id, admitted, at_ms)
            self._names.count_admitted(connection_id, admitted, at_ms)
        if acceptance.drops:
            self._dropped(acceptance, at_ms)
            self._names.count_dropped(acceptance.drops, at_ms)

    def on_request(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        counts = self._counts_of(input_name, SERVICE, at_ms)
        for batch in batches:
            if batch.events:
                counts.received += len(batch.events)

    def on_refused(self, input_name: str, reason: str) -> None:
        add_refused(self._figures_of(SERVICE, self._clock.now_ms()), input_name, reason)

    def on_kafka_refused(self, input_name: str, reason: str, place: str) -> None:
        # A refusal over HTTP has only its count: its sender knows what it sent.
        self._keep(refused_record(input_name, reason, place, self._clock.now_ms()))

    def on_attempted(self, attempt: Attempt) -> None:
        at_ms = self._clock.now_ms()
        verdict = attempt.verdict
        add(self._figures_of(attempt.connection_id, at_ms), f"attempt.{verdict}")
        # TikTok's text can quote any event of the request.
        quotes_erased = self._erased and any(self._is_erased(event.subjects) for event in attempt.events)
        if (verdict != "accepted" or attempt.note) and not quotes_erased:
            self._keep(request_record(attempt, at_ms))
        # A settlement reports the attempt that led to it.
        if verdict in ("throttled", "misconfigured") or (
            verdict in ("bad_event", "too_large") and len(attempt.events) > 1
        ):
            for event in attempt.events:
                second = event.accepted_at_ms // 1000
                level = self._sampling.level(attempt.connection_id, second)
                if keeps(level, event.event_id) and self._take_room(left=_ROOM_FOR_FAILURES):
                    self._sample(_Sampled(second, attempted_record(attempt, event, at_ms)))

    def on_settled(self, settled: Settled) -> None:
        at_ms = self._clock.now_ms()
        connection_id = settled.connection_id
        figures = self._figures_of(connection_id, at_ms)
        for outcome, count in settled.counts.items():
            add(figures, _SETTLED_NAMES[outcome], count)
        if settled.counts.get("delivered"):
            delivered = [event.accepted_at_ms for event, outcome in settled.outcomes if type(outcome) is Delivered]
            add_latencies(figures, delivered, at_ms)
            self._events.count_settled(settled)
        second, level = -1, 0
        delivered_together = settled.counts.get("delivered", 0)
        for event, settlement in settled.outcomes:
            if isinstance(settlement, DeadLettered):
                add(figures, f"dead_letter.{settlement.reason}")
                self._keep(settled_record(connection_id, event, settlement, settled.verdict, at_ms))
                continue
            if event.accepted_at_ms // 1000 != second:
                second = event.accepted_at_ms // 1000
                level = self._sampling.level(connection_id, second)
            if (not level or keeps(level, event.event_id)) and self._take_room(left=_ROOM_FOR_FAILURES):
                record = settled_record(connection_id, event, settlement, settled.verdict, at_ms, delivered_together)
                self._sample(_Sampled(second, record))

    def on_replayed(self, connection_id: str, count: int) -> None:
        add(self._figures_of(connection_id, self._clock.now_ms()), "replayed", count)

    def on_state_changed(self, status: DeliveryStatus) -> None:
        self._keep(condition_record(status, self._clock.now_ms()))

    # --- handing over ---

    def learn_levels(self, changes: Iterable[LevelChange]) -> None:
        """Take over levels of other nodes, or of this one before its last stop."""
        self._sampling.learn(changes)

    def take(self, *, is_last: bool = False) -> ActivityWrite:
        """Return everything to be written now, unless it `is_last` without the events whose level may still change."""
        records = self._ready(is_last=is_last)
        for (minute, connection_id, input_name), counts in self._input_counts.items():
            figures = self._figures.setdefault((minute, connection_id), {})
            for name, count in asdict(counts).items():
                if count:
                    add_of_input(figures, name, input_name, count)
        self._input_counts = {}
        write = ActivityWrite(records, self._figures, self._levels, self._events.take(), self._names.take())
        self._figures, self._levels = {}, []
        return write

    def give_back(self, write: ActivityWrite) -> None:
        """Take back what could not be written. Figures add up and can wait; records would fill the memory."""
        self.lost_records += len(write.records)
        self._figures, self._levels = dict(write.figures), list(write.levels)
        self._events.give_back(write.hours)
        self._names.give_back(write.names)

    def forget(self, subjects: Collection[int]) -> int:
        """Drop the records of these keyed hashes; return how many there were.

        An event may be on its way to TikTok at that time: for ten minutes nothing new is kept about these hashes
        either.
        """
        self._erased |= dict.fromkeys(subjects, self._clock.monotonic_seconds() + _ERASED_SECONDS)
        waiting = len(self._kept) + len(self._sampled)
        self._kept = [record for record in self._kept if not self._is_erased(record.subjects)]
        self._sampled = [each for each in self._sampled if not self._is_erased(each.record.subjects)]
        return waiting - len(self._kept) - len(self._sampled)

    def _ready(self, *, is_last: bool) -> list[Record]:
        """Return the records to be written now, in the order in which things happened."""
        now_second = self._clock.now_ms() // 1000
        self._levels += self._sampling.close_before(now_second + is_last)
        records, waiting = self._kept, []
        for each in self._sampled:
            record = each.record
            if each.second >= now_second - self._level_delay_seconds and not is_last:
                waiting.append(each)
            elif keeps(self._sampling.level(record.connection_id, each.second), record.event_id):
                records.append(record)
                if each.payload:
                    self._count_match_keys(each)
        self._kept, self._sampled = [], waiting
        if self._erased:
            now = self._clock.monotonic_seconds()
            self._erased = {subject: until for subject, until in self._erased.items() if until > now}
        records.sort(key=lambda record: record.at_ms)
        return records

    def _count_match_keys(self, sampled: _Sampled) -> None:
        record = sampled.record
        figures = self._figures_of(record.connection_id, record.at_ms)
        keys = match_keys_in(sampled.payload)
        if record.outcome != "duplicate":
            add_match_keys(figures, keys)
            self._events.count_match_keys(record, keys)
        add_input_match_keys(figures, sampled.input_name, keys)

    # --- keeping ---

    def _admitted(self, input_name: str, connection_id: str, admitted: Sequence[AdmittedEvent], at_ms: int) -> None:
        """Keep records of one connection's mapped events."""
        figures = self._figures_of(connection_id, at_ms)
        counts = self._counts_of(input_name, connection_id, at_ms)
        admissions = [each.admission for each in admitted]
        _count_kept(figures, counts, admissions)
        for reason in (CONNECTION_FULL, RECORDED):
            if dropped := admissions.count(reason):
                self._count_dropped(connection_id, input_name, reason, dropped, at_ms)
        second = at_ms // 1000
        mask = (1 << self._sampling.accepted(connection_id, second, len(admitted))) - 1
        sample: list[AdmittedEvent] = []
        for each in admitted:
            if each.event.event_name in PURCHASE_EVENTS:
                counts.purchases += 1
            if each.mapped.warnings and each.admission in ("stored", "recorded"):
                for warning in each.mapped.warnings:
                    add(figures, f"warning.{warning}")
            if each.admission == CONNECTION_FULL:
                self._keep(admitted_record(each, at_ms))
            elif not mask or not crc32(each.event.event_id.encode()) & mask:
                sample.append(each)
        if sample:
            for each in sample[: self._take_room(len(sample), _ROOM_FOR_FAILURES)]:
                self._sample(_Sampled(second, admitted_record(each, at_ms), input_name, each.event.payload))

    def _dropped(self, acceptance: Acceptance, at_ms: int) -> None:
        for (connection_id, reason), count in acceptance.drop_counts.items():
            self._count_dropped(connection_id, acceptance.input_name, reason, count, at_ms)
        raw: tuple[str, ...] = ()
        subjects: tuple[int, ...] = ()
        sender = DroppedBatch(Batch())
        for drop in acceptance.drops[: self._take_room(len(acceptance.drops))]:
            if drop.dropped.identifiers is not raw:
                raw = drop.dropped.identifiers
                subjects = tuple(map(self._subject_hash.hash_of, raw))
            if drop.batch is not sender.batch:
                sender = DroppedBatch(drop.batch)
            if not self._is_erased(subjects):
                self._kept.append(dropped_record(drop, subjects, at_ms, sender))

    def _count_dropped(self, connection_id: str, input_name: str, reason: str, count: int, at_ms: int) -> None:
        figures = self._figures_of(connection_id, at_ms)
        add(figures, "accepted", count)
        add(figures, f"dropped.{reason}", count)
        counts = self._counts_of(input_name, connection_id, at_ms)
        counts.dropped += count
        if reason == "purchase_not_allowed":
            counts.purchases_not_allowed += count

    def _counts_of(self, input_name: str, connection_id: str, at_ms: int) -> _InputCounts:
        key = (at_ms // MINUTE_MS, connection_id, input_name)
        counts = self._input_counts.get(key)
        if counts is None:
            counts = self._input_counts[key] = _InputCounts()
        return counts

    def _figures_of(self, connection_id: str, at_ms: int) -> Figures:
        key = (at_ms // MINUTE_MS, connection_id)
        figures = self._figures.get(key)
        if figures is None:
            figures = self._figures[key] = {}
        return figures

    def _keep(self, record: Record) -> None:
        if self._take_room() and not self._is_erased(record.subjects):
            self._kept.append(record)

    def _sample(self, sampled: _Sampled) -> None:
        if not self._is_erased(sampled.record.subjects):
            self._sampled.append(sampled)

    def _is_erased(self, subjects: tuple[int, ...]) -> bool:
        return bool(self._erased) and not self._erased.keys().isdisjoint(subjects)

    def _take_room(self, wanted: int = 1, left: int = 0) -> int:
        """Return how many more records of these may be kept in this second, with `left` to follow.

        The others are lost.
        """
        second = self._clock.now_ms() // 1000
        if second != self._room_second:
            self._room_second, self._room = second, _MAX_KEPT_PER_SECOND
        taken = max(0, min(wanted, self._room - left))
        self._room -= taken
        self.lost_records += wanted - taken
        return taken


def _count_kept(figures: Figures, counts: _InputCounts, admissions: Sequence[Admission]) -> None:
    """Count the stored events of a request, and the repeats."""
    if stored := admissions.count("stored"):
        figures["accepted"] = figures.get("accepted", 0) + stored
        figures["mapped"] = figures.get("mapped", 0) + stored
        counts.mapped += stored
    if duplicates := admissions.count("duplicate"):
        add(figures, "duplicate", duplicates)
        counts.duplicate += duplicates
