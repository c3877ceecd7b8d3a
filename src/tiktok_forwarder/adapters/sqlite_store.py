"""The default store: one SQLite file, one writer thread, leases in memory."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import apsw
import msgspec

from tiktok_forwarder.adapters.lease_book import LeaseBook
from tiktok_forwarder.adapters.sqlite_documents import SqliteDocuments
from tiktok_forwarder.adapters.sqlite_file import open_database
from tiktok_forwarder.adapters.sqlite_queue import Place, Queue
from tiktok_forwarder.adapters.sqlite_seen import SeenKeys, key_of
from tiktok_forwarder.adapters.sqlite_writer import SqliteWriter, Transaction
from tiktok_forwarder.domain.errors import StoreFull, StoreUnavailable
from tiktok_forwarder.domain.outcome import (
    CONNECTION_FULL,
    Answer,
    DeadLettered,
    DeadLetterReason,
    Delivered,
    Retry,
    Settlement,
    Settlements,
)
from tiktok_forwarder.ports import (
    Admission,
    Arrivals,
    DeadLetter,
    DeadLetterFilter,
    GroupLimits,
    Lease,
    NewEvent,
    QueueCounts,
    TotalsRow,
)
from tiktok_forwarder.sql import STATEMENTS

# New events are refused when this share of the file is used: the rest lets deliveries be marked and dead letters kept.
_SHARE_FOR_EVENTS: Final = 0.8
_SHARE_PER_CONNECTION: Final = 0.5
# What a row takes beside its payload: keys, names, times, its place in the tree and in the table of seen keys.
_ROW_BYTES: Final = 250
_REPLAY_CHUNK: Final = 1000


class SqliteStore(SqliteDocuments):
    """`EventStore` and `DocumentStore`. A waiting event is one row; marking it delivered deletes the row."""

    remembers_duplicates: Final = True

    def __init__(self, connection: apsw.Connection, monotonic: Callable[[], float]) -> None:
        self._connection = connection
        self._queues: dict[str, Queue] = {}
        self._leases: LeaseBook[Place] = LeaseBook(monotonic, self._returned)
        self._page_bytes: int = connection.pragma("page_size")
        self._room_bytes = int(connection.pragma("max_page_count") * self._page_bytes * _SHARE_FOR_EVENTS)
        self._next_event_no: int = _one(connection, "next_number", {"name": "event_no"})
        self._seen = SeenKeys({slot: period for slot, period in connection.execute(STATEMENTS["seen_periods"])})
        self._read_queues()
        self._writer = SqliteWriter(connection)
        super().__init__(self._writer)

    @classmethod
    def open(cls, path: Path, *, max_bytes: int | None = None, monotonic: Callable[[], float] = time.monotonic) -> Self:
        """Open or create the database. Raises `ConfigurationError` in one sentence if that cannot be done."""
        return cls(open_database(path, max_bytes), monotonic)

    def _read_queues(self) -> None:
        names: dict[int, Queue] = {}
        for queue_no, connection_id in self._connection.execute(STATEMENTS["queues"]):
            names[queue_no] = self._queues[connection_id] = Queue(queue_no, connection_id)
        for queue_no, events, size in self._connection.execute(STATEMENTS["waiting_counts"]):
            names[queue_no].waiting, names[queue_no].waiting_bytes = events, size
        for queue_no, events in self._connection.execute(STATEMENTS["dead_counts"]):
            names[queue_no].dead_letters = events

    def _returned(self, connection_id: str, places: Iterable[Place]) -> None:
        self._queues[connection_id].take_back(list(places))

    # --- append ---

    async def append(self, arrivals: Arrivals) -> Sequence[Admission]:
        keys = [key_of(event) for event in arrivals.events]
        return await self._writer.write(lambda t: self._append(t, arrivals, keys), weight=len(keys) + 1)

    def _append(self, transaction: Transaction, arrivals: Arrivals, keys: list[bytes]) -> list[Admission]:
        if self._used_bytes() > self._room_bytes:
            raise StoreFull("the store is full")
        now_ms = arrivals.accepted_at_ms
        rows: list[tuple[Any, ...]] = []
        admissions: list[Admission] = []
        for event, key in zip(arrivals.events, keys, strict=True):
            admission = self._admission(transaction, event, key, now_ms)
            admissions.append(admission)
            if admission == "stored":
                rows.append(self._row(transaction, event, now_ms))
        if rows:
            transaction.execute_many("add_event", rows)
            transaction.execute("set_next_number", {"name": "event_no", "next": self._next_event_no})
        for (connection_id, reason), count in arrivals.drops.items():
            transaction.count(connection_id, "dropped", count, reason)
            transaction.count(connection_id, "accepted", count)
        return admissions

    def _admission(self, transaction: Transaction, event: NewEvent, key: bytes, now_ms: int) -> Admission:
        queue = self._queue(transaction, event.connection_id)
        held = queue.waiting_bytes + queue.waiting * _ROW_BYTES
        if held > self._room_bytes * _SHARE_PER_CONNECTION:
            # Not noted as seen: the sender's repeat is welcome when there is room again.
            transaction.count(event.connection_id, "dropped", 1, CONNECTION_FULL)
            transaction.count(event.connection_id, "accepted", 1)
            return "connection_full"
        if self._seen.is_repeat(transaction, key, now_ms):
            transaction.count(event.connection_id, "duplicate", 1)
            return "duplicate"
        transaction.count(event.connection_id, "accepted", 1)
        return "stored"

    def _row(self, transaction: Transaction, event: NewEvent, now_ms: int) -> tuple[Any, ...]:
        queue = self._queues[event.connection_id]
        size = len(event.payload)
        queue.waiting += 1
        queue.waiting_bytes += size
        transaction.after_rollback(lambda: _shrink(queue, 1, size))
        event_no = self._next_event_no
        self._next_event_no += 1
        return (
            queue.queue_no,
            event_no,
            event.connection_revision,
            event.wire_form,
            event.event_name,
            event.event_id,
            event.payload,
            struct.pack(f">{len(event.subjects)}Q", *event.subjects),
            now_ms,
        )

    def _queue(self, transaction: Transaction, connection_id: str) -> Queue:
        queue = self._queues.get(connection_id)
        if queue is None:
            (queue_no,) = transaction.execute("add_queue", {"connection_id": connection_id}).fetchone() or (0,)
            queue = self._queues[connection_id] = Queue(queue_no, connection_id)
            transaction.after_rollback(lambda: self._queues.pop(connection_id, None))
        return queue

    def _used_bytes(self) -> int:
        pages: int = self._connection.pragma("page_count")
        free: int = self._connection.pragma("freelist_count")
        return (pages - free) * self._page_bytes

    # --- lease and settle ---

    async def lease(self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float) -> Lease | None:
        queue = self._queues.get(connection_id)
        if queue is None:
            return None
        if queue.clock_was_set_back(now_ms):
            await self._writer.write(lambda t: queue.mend_schedule(t, now_ms))
        return await self._writer.read(lambda t: self._lease(t, queue, limits, now_ms, lease_seconds))

    def _lease(
        self, transaction: Transaction, queue: Queue, limits: GroupLimits, now_ms: int, lease_seconds: float
    ) -> Lease | None:
        self._leases.expire()
        group = queue.take(transaction, self._leases.leased(queue.connection_id), limits, now_ms)
        if not group.events:
            return None
        token = self._leases.hold(queue.connection_id, group.places, lease_seconds)
        return Lease(token, queue.connection_id, group.wire_form, tuple(group.events))

    async def renew(self, lease: Lease, lease_seconds: float) -> None:
        await self._writer.read(lambda _: self._leases.renew(lease.token, lease_seconds))

    async def release(self, lease: Lease) -> None:
        await self._writer.read(lambda _: self._leases.release(lease.token))

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        await self._writer.write(lambda t: self._settle(t, lease, settlements, now_ms), weight=len(settlements))

    def _settle(self, transaction: Transaction, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        held = self._leases.held(lease.token)
        queue = self._queues[lease.connection_id]
        delivered: list[Place] = []
        for event_no, settlement in settlements.items():
            place = held.places.get(event_no)
            if place is None:
                continue  # erased or dead-lettered meanwhile
            if isinstance(settlement, Delivered):
                delivered.append(place)
            else:
                self._settle_otherwise(transaction, queue, place, settlement, now_ms)
        self._settle_delivered(transaction, queue, delivered)
        transaction.after_commit(lambda: self._leases.settle(lease.token, settlements))

    def _settle_delivered(self, transaction: Transaction, queue: Queue, places: list[Place]) -> None:
        if not places:
            return
        numbers = [place.event_no for place in places]
        first, last = min(numbers), max(numbers)
        if last - first + 1 == len(numbers) and all(place.due_ms == 0 for place in places):
            run = {"queue_no": queue.queue_no, "first": first, "last": last}
            transaction.execute("delete_fresh_run", run)
        else:
            transaction.execute_many("delete_event", [_key(queue, place) for place in places])
        transaction.count(queue.connection_id, "delivered", len(places))
        size = sum(place.payload_bytes for place in places)
        transaction.after_commit(lambda: _shrink(queue, len(places), size))

    def _settle_otherwise(
        self, transaction: Transaction, queue: Queue, place: Place, settlement: Settlement, now_ms: int
    ) -> None:
        key = _key(queue, place)
        change: dict[str, Any]
        match settlement:
            case Retry():
                change = {
                    "next_due_ms": settlement.due_ms,
                    "now_ms": now_ms,
                    "counts": settlement.counts,
                    "unanswered": settlement.may_have_arrived,
                    "answer": _encoded(settlement.answer),
                }
                transaction.execute("retry_event", {**key, **change})
            case DeadLettered():
                change = {
                    "counts": settlement.answer is not None,
                    "answer": _encoded(settlement.answer),
                    "reason": settlement.reason,
                    "now_ms": now_ms,
                }
                transaction.execute("dead_letter_event", {**key, **change})
                transaction.execute("delete_event", key)
                transaction.count(queue.connection_id, "dead_lettered", 1)
                transaction.after_commit(lambda: _bury(queue, 1, place.payload_bytes))

    async def next_due_ms(self, connection_id: str) -> int | None:
        queue = self._queues.get(connection_id)
        if queue is None:
            return None

        def next_due(transaction: Transaction) -> int | None:
            self._leases.expire()
            return queue.next_due_ms(transaction, self._leases.leased(connection_id))

        return await self._writer.read(next_due)

    # --- what there is ---

    async def counts(self) -> Mapping[str, QueueCounts]:
        return await self._writer.read(
            lambda t: {
                name: self._counted(t, queue)
                for name, queue in self._queues.items()
                if queue.waiting or queue.dead_letters
            }
        )

    def _counted(self, transaction: Transaction, queue: Queue) -> QueueCounts:
        key = {"queue_no": queue.queue_no}
        ages = [transaction.execute(name, key).fetchone() for name in ("oldest_fresh", "oldest_retry")]
        oldest = min((row[0] for row in ages if row is not None and row[0] is not None), default=None)
        leased = len(self._leases.leased(queue.connection_id))
        return QueueCounts(queue.waiting, leased, queue.dead_letters, oldest, queue.waiting_bytes)

    async def totals(self) -> Sequence[TotalsRow]:
        return await self._writer.read(lambda t: [TotalsRow(*row) for row in t.execute("totals")])

    async def troubles(self) -> Sequence[str]:
        if self._writer.trouble:
            # Only a write tells whether the trouble is over.
            try:
                await self._writer.write(
                    lambda t: t.execute("set_next_number", {"name": "event_no", "next": self._next_event_no})
                )
            except (StoreFull, StoreUnavailable):
                return [self._writer.trouble]
        return await self._writer.read(lambda _: ["full"] if self._used_bytes() > self._room_bytes else [])

    # --- dead letters ---

    async def dead_letters(
        self, which: DeadLetterFilter, *, limit: int, after_event_no: int = 0
    ) -> Sequence[DeadLetter]:
        return await self._writer.read(lambda t: self._dead_letters(t, which, limit, after_event_no))

    def _dead_letters(
        self, transaction: Transaction, which: DeadLetterFilter, limit: int, after: int
    ) -> list[DeadLetter]:
        queue = self._queues.get(which.connection_id) if which.connection_id is not None else None
        if which.connection_id is not None and queue is None:
            return []
        names = {each.queue_no: each.connection_id for each in self._queues.values()}
        conditions = {
            "after": after,
            "queue_no": queue.queue_no if queue is not None else None,
            "reason": which.reason,
            "from_ms": which.from_ms,
            "until_ms": which.until_ms,
            "event_nos": json.dumps(sorted(which.event_nos)) if which.event_nos is not None else None,
            "limit": limit,
        }
        return [_dead_letter(row, names) for row in transaction.execute("dead_letters", conditions)]

    async def replay(self, which: DeadLetterFilter, now_ms: int) -> int:
        return await self._in_chunks(which, self._replay_chunk)

    def _replay_chunk(self, transaction: Transaction, letters: list[DeadLetter]) -> None:
        for letter in letters:
            transaction.execute("replay_dead_letter", {"event_no": letter.event_no})
            transaction.execute("delete_dead_letter", {"event_no": letter.event_no})
            transaction.count(letter.connection_id, "dead_lettered", -1)
            transaction.count(letter.connection_id, "replayed", 1)
            queue, size = self._queues[letter.connection_id], len(letter.payload)
            transaction.after_commit(lambda queue=queue, size=size: _bury(queue, -1, -size))  # type: ignore[misc]  # mypy does not type lambda defaults

    async def discard(self, which: DeadLetterFilter, now_ms: int) -> int:
        return await self._in_chunks(which, self._discard_chunk)

    def _discard_chunk(self, transaction: Transaction, letters: list[DeadLetter]) -> None:
        for letter in letters:
            transaction.execute("delete_dead_letter", {"event_no": letter.event_no})
            transaction.count(letter.connection_id, "discarded", 1)
            queue = self._queues[letter.connection_id]
            transaction.after_commit(lambda queue=queue: _bury(queue, -1, 0, moves=False))  # type: ignore[misc]  # as above

    async def _in_chunks(self, which: DeadLetterFilter, change: Callable[[Transaction, list[DeadLetter]], None]) -> int:
        """Some at a time, so that senders and deliverers get their turn between."""

        def one_chunk(transaction: Transaction, after: int) -> tuple[int, int]:
            letters = self._dead_letters(transaction, which, _REPLAY_CHUNK, after)
            change(transaction, letters)
            return len(letters), letters[-1].event_no if letters else after

        done = after = 0
        while True:
            count, after = await self._writer.write(lambda t, after=after: one_chunk(t, after), _REPLAY_CHUNK)  # type: ignore[misc]  # as above
            done += count
            if count < _REPLAY_CHUNK:
                return done

    async def dead_letter_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        queue = self._queues.get(connection_id)
        if queue is None:
            return 0

        def dead_letter(transaction: Transaction) -> int:
            count, size = queue.waiting, queue.waiting_bytes
            key: dict[str, Any] = {"queue_no": queue.queue_no}
            transaction.execute("dead_letter_queue", {**key, "reason": reason, "now_ms": now_ms})
            transaction.execute("delete_queue_events", key)
            transaction.count(connection_id, "dead_lettered", count)
            leased = list(self._leases.leased(connection_id))
            transaction.after_commit(lambda: _bury(queue, count, size))
            transaction.after_commit(lambda: self._leases.forget(connection_id, leased))
            return count

        return await self._writer.write(dead_letter, weight=_REPLAY_CHUNK)

    # --- erase ---

    async def erase(self, subjects: Collection[int], now_ms: int) -> int:
        wanted = {struct.pack(">Q", subject) for subject in subjects}
        erased = await self._writer.write(lambda t: self._erase(t, wanted), weight=_REPLAY_CHUNK)
        if erased:
            # What was deleted still stands in the log until it is written back and cut.
            await self._writer.read(lambda _: self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE))
        return erased

    def _erase(self, transaction: Transaction, wanted: set[bytes]) -> int:
        by_number = {queue.queue_no: queue for queue in self._queues.values()}
        waiting = [row for row in transaction.execute("waiting_subjects") if _is_about(row[4], wanted)]
        for queue_no, due_ms, event_no, size, _ in waiting:
            queue, place = by_number[queue_no], Place(due_ms, event_no, size)
            transaction.execute("delete_event", _key(queue, place))
            transaction.count(queue.connection_id, "erased", 1)
            transaction.after_commit(lambda queue=queue, place=place: self._forget(queue, place))  # type: ignore[misc]  # as above
        dead = [row for row in transaction.execute("dead_subjects") if _is_about(row[2], wanted)]
        for queue_no, event_no, _ in dead:
            queue = by_number[queue_no]
            transaction.execute("delete_dead_letter", {"event_no": event_no})
            transaction.count(queue.connection_id, "dead_lettered", -1)
            transaction.count(queue.connection_id, "erased", 1)
            transaction.after_commit(lambda queue=queue: _bury(queue, -1, 0, moves=False))  # type: ignore[misc]  # as above
        return len(waiting) + len(dead)

    def _forget(self, queue: Queue, place: Place) -> None:
        _shrink(queue, 1, place.payload_bytes)
        self._leases.forget(queue.connection_id, [place.event_no])

    async def close(self) -> None:
        await asyncio.to_thread(self._writer.close)
        self._connection.close()


def _one(connection: apsw.Connection, name: str, bindings: apsw.Bindings) -> Any:
    row = connection.execute(STATEMENTS[name], bindings).fetchone()
    return row[0] if row is not None else None


def _key(queue: Queue, place: Place) -> dict[str, int]:
    return {"queue_no": queue.queue_no, "due_ms": place.due_ms, "event_no": place.event_no}


def _shrink(queue: Queue, events: int, size: int) -> None:
    queue.waiting -= events
    queue.waiting_bytes -= size


def _bury(queue: Queue, events: int, size: int, *, moves: bool = True) -> None:
    """Events become dead letters (or, negative, come back); without `moves` only the dead change."""
    queue.dead_letters += events
    if moves:
        _shrink(queue, events, size)


def _encoded(answer: Answer | None) -> bytes | None:
    return msgspec.json.encode(answer) if answer is not None else None


def _dead_letter(row: Any, names: Mapping[int, str]) -> DeadLetter:
    event_no, queue_no, revision, wire_form, name, event_id, payload, reason, answer, *rest = row
    decoded = msgspec.json.decode(answer, type=Answer) if answer is not None else None
    return DeadLetter(event_no, names[queue_no], revision, wire_form, name, event_id, payload, reason, decoded, *rest)


def _is_about(subjects: bytes, wanted: set[bytes]) -> bool:
    return any(subjects[at : at + 8] in wanted for at in range(0, len(subjects), 8))
