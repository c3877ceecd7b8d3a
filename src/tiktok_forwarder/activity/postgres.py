"""The activity's store of many nodes: one PostgreSQL database, in which each of them writes about once a second."""

import asyncio
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, Final, Self

import msgspec

from tiktok_forwarder.activity.event_figures import HOUR_MS, KEPT_HOURS, bounded_figures
from tiktok_forwarder.activity.event_names import MAX_NAMES
from tiktok_forwarder.activity.gathering import MINUTE_MS
from tiktok_forwarder.activity.records import (
    ActivityWrite,
    Facts,
    HourFigures,
    KeptRecord,
    LevelChange,
    MinuteFigures,
    NameCounts,
    NameRow,
    Record,
    RecordFilter,
)
from tiktok_forwarder.activity.sums import Sums
from tiktok_forwarder.database.statements import load_statements
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.postgres.errors import AnswerLost
from tiktok_forwarder.store.postgres.limits import PoolLimits

STATEMENTS: Final = load_statements("tiktok_forwarder.activity", "postgres.sql")

_MAX_WAITING_RECORDS: Final = 20_000
_MAX_GROUP_RECORDS: Final = 2000
_TRIM_RECORDS: Final = 250
# Each step reads the records that are left.
_DELETED_RECORDS: Final = 2000
# What a record takes up beyond its payload and facts, indexes included.
_RECORD_BYTES: Final = 400
_FIGURE_BYTES: Final = 120
_FIGURES_SHARE: Final = 0.25
# Beyond the records and the figures by minute.
_HOURS_SHARE: Final = 0.125
_TIDY_EVERY: Final = 300
# Another node may have an erased person's record still to write: at most a minute's, if the database was away.
_ERASED_MS: Final = 10 * 60_000
_LEVELS_KEPT_SECONDS: Final = 48 * 3600
_CONNECTIONS: Final = 3
_LARGEST_NUMBER: Final = 2**63 - 1

_FACTS: Final = msgspec.json.Decoder(Facts)


class PostgresActivity:
    """The `ActivityStore` in a database. Its pool is its own, so that no search delays an event.

    The bytes of the records are those of their contents, with an allowance for each: what is deleted takes up space
    until the server's vacuum.
    """

    def __init__(self, database: Database, clock: Clock, max_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._node = uuid.uuid4()
        self._max_record_bytes = int(max_bytes * (1 - _FIGURES_SHARE))
        self._max_figures = max(1000, int(max_bytes * _FIGURES_SHARE) // _FIGURE_BYTES)
        self._waiting: list[ActivityWrite] = []
        self._waiting_records = 0
        self._has_waiting = asyncio.Event()
        # Held while there is anything that is neither waiting nor written.
        self._writing = asyncio.Lock()
        self._max_hours = max(10_000, int(max_bytes * _HOURS_SHARE) // _FIGURE_BYTES)
        self._unwritten = Sums()
        # Those of a write whose answer was lost: the next one finds out whether they were stored.
        self._in_doubt = Sums()
        self._in_doubt_no = 0
        self._write_no = 0
        self._last_level_no = 0
        self._new_levels: list[LevelChange] = []
        self._writes = 0
        self._is_closed = False
        self.lost_records = 0
        self._writer = asyncio.create_task(self._run(), name="activity")

    @classmethod
    async def open(cls, address: str, limits: PoolLimits, clock: Clock, *, max_bytes: int) -> Self:
        """Connect to a database whose schema is up to date. Raises `ConfigurationError` in one sentence."""
        limits = msgspec.structs.replace(limits, connections=_CONNECTIONS)
        activity = cls(await Database.connect(address, limits, STATEMENTS), clock, max_bytes)
        with suppress(StoreUnavailable):
            await activity._database.change(activity._read_levels)
        return activity

    # --- the nodes' samples ------------------------------------------------------------------------------------------

    @property
    def level_delay_seconds(self) -> int:
        return 2

    def new_levels(self) -> Sequence[LevelChange]:
        found, self._new_levels = self._new_levels, []
        return found

    # --- writing -----------------------------------------------------------------------------------------------------

    def write(self, write: ActivityWrite) -> bool:
        if self._is_closed or self._waiting_records > _MAX_WAITING_RECORDS:
            return False
        self._waiting.append(write)
        self._waiting_records += len(write.records)
        self._has_waiting.set()
        return True

    async def _run(self) -> None:
        while not self._is_closed or self._waiting:
            await self._has_waiting.wait()
            await self._write_group()

    async def _write_group(self) -> None:
        async with self._writing:
            records: list[Record] = []
            levels: list[LevelChange] = []
            while self._waiting and len(records) < _MAX_GROUP_RECORDS:
                write = self._waiting.pop(0)
                records += write.records
                levels += write.levels
                self._unwritten.add_write(write)
            if not self._waiting:
                self._has_waiting.clear()
            self._waiting_records -= len(records)
            self._write_no += 1
            try:
                await self._database.change(lambda session: self._save(session, records, levels))
            except AnswerLost:
                self.lost_records += len(records)
                # Those in doubt are cleared before anything is stored.
                if not self._in_doubt:
                    self._in_doubt, self._unwritten = self._unwritten, Sums()
                    self._in_doubt_no = self._write_no
            except Exception:  # whatever happens, the next records are written; figures add up and can wait
                self.lost_records += len(records)
            else:
                self._in_doubt, self._unwritten = Sums(), Sums()

    async def _save(self, session: Session, records: Sequence[Record], levels: Sequence[LevelChange]) -> None:
        now_ms = self._clock.now_ms()
        await session.run("begin_write")
        if self._in_doubt:
            if await session.value("last_write", self._node) != self._in_doubt_no:
                self._unwritten.add(self._in_doubt)
            self._in_doubt = Sums()
        await session.run("begin_write_of_node", self._node, self._write_no)
        erased = {subject for (subject,) in await session.rows("erased_subjects", now_ms)}
        rows = [_row(each) for each in records if not erased.intersection(map(_signed, each.subjects))]
        if rows:
            await session.run("add_records", *map(list, zip(*rows, strict=True)))
            used_bytes = await session.value("grow", sum(row[1] for row in rows))
            while used_bytes > self._max_record_bytes:
                deleted_bytes = await session.value("delete_oldest", _TRIM_RECORDS)
                used_bytes = await session.value("grow", -deleted_bytes)
        await _add_sums(session, self._unwritten)
        if levels:
            await session.run(
                "add_levels",
                self._node,
                [each.connection_id.encode() for each in levels],
                [each.second for each in levels],
                [each.level for each in levels],
            )
        self._writes += 1
        if self._writes % _TIDY_EVERY == 0:
            await session.run("delete_figures", self._max_figures)
            await session.run("delete_hours", KEPT_HOURS, self._max_hours)
            await session.run("delete_old_names", KEPT_HOURS * HOUR_MS)
            await session.run("delete_levels", now_ms // 1000 - _LEVELS_KEPT_SECONDS)
            await session.run("delete_erasures", now_ms)
        await self._read_levels(session)

    async def _read_levels(self, session: Session) -> None:
        own = str(self._node)
        for level_no, node, connection_id, second, level in await session.rows("levels", self._last_level_no):
            self._last_level_no = level_no
            if node != own:
                self._new_levels.append(LevelChange(connection_id.decode(), second, level, node))

    # --- reading -----------------------------------------------------------------------------------------------------

    async def recent(self, which: RecordFilter) -> Sequence[KeptRecord]:
        """Return records, after what was written before."""
        values = (
            which.after_record_no if which.after_record_no is not None else -1,
            which.before_record_no if which.before_record_no is not None else _LARGEST_NUMBER,
            _encoded(which.connection_id),
            _encoded(which.event_name),
            _encoded(which.outcome),
            _encoded(which.reason),
            which.since_ms,
            which.limit,
        )
        name, order_id = _encoded(which.source_name), _encoded(which.order_id)
        if which.event_id is not None:
            return await self._records("recent_of_event", *values, name, which.event_id.encode(), order_id)
        if order_id is not None:
            return await self._records("recent_of_order", *values, name, order_id)
        if name is not None:
            return await self._records("recent_of_name", *values, name)
        return await self._records("recent", *values)

    async def newest(self) -> int:
        return int(await self._database.value("newest"))

    async def one(self, record_no: int) -> KeptRecord | None:
        if record_no > _LARGEST_NUMBER:
            return None
        found = await self._records("record", record_no)
        return found[0] if found else None

    async def way(self, connection_id: str, event_name: str, event_id: str) -> Sequence[KeptRecord]:
        return await self._records("way", connection_id.encode(), event_name.encode(), event_id.encode())

    async def figures(
        self, from_minute: int, until_minute: int, connection_id: str | None = None
    ) -> Sequence[MinuteFigures]:
        await self._written()
        rows = await self._database.rows("figures", from_minute, until_minute, _encoded(connection_id))
        return [
            MinuteFigures(minute, owner.decode(), dict(zip((name.decode() for name in names), counts, strict=True)))
            for minute, owner, names, counts in rows
        ]

    async def hours(self, from_hour: int, until_hour: int, connection_id: str | None = None) -> Sequence[HourFigures]:
        await self._written()
        rows = await self._database.rows("hours", from_hour, until_hour, _encoded(connection_id))
        return [
            HourFigures(
                hour, owner.decode(), event.decode(), {name.decode(): each for name, each in zip(*found, strict=True)}
            )
            for hour, owner, event, *found in rows
        ]

    async def names(self, since_ms: int, connection_id: str | None = None) -> Sequence[NameRow]:
        await self._written()
        rows = await self._database.rows("names", since_ms, _encoded(connection_id))
        return [
            NameRow(
                owner.decode(),
                kind.decode(),
                name.decode(),
                NameCounts(first_ms, last_ms, mapped, unmapped, dropped, reason.decode()),
            )
            for owner, kind, name, first_ms, last_ms, mapped, unmapped, dropped, reason in rows
        ]

    async def _records(self, statement: str, *values: Any) -> list[KeptRecord]:
        await self._written()
        return [_kept(row) for row in await self._database.rows(statement, *values)]

    async def _written(self) -> None:
        """Wait until what was given to `write` before is stored, or lost."""
        while self._waiting:
            await self._write_group()
        async with self._writing:
            pass

    # --- erasure -----------------------------------------------------------------------------------------------------

    async def delete_before(self, before_ms: int) -> None:
        records = _DELETED_RECORDS
        while records == _DELETED_RECORDS:
            # Each step is a transaction of its own, so that no node's write waits long.
            records = await self._database.change(lambda session: self._delete_some_before(session, before_ms))
        await self._database.run("delete_figures_before", before_ms // MINUTE_MS)
        await self._database.run("delete_hours_before", before_ms // HOUR_MS)
        await self._database.run("delete_names_before", before_ms)

    async def _delete_some_before(self, session: Session, before_ms: int) -> int:
        await session.run("begin_write")
        ((count, freed_bytes),) = await session.rows("delete_before", before_ms, _DELETED_RECORDS)
        await session.value("grow", -freed_bytes)
        return int(count)

    async def erase(self, subjects: Collection[int]) -> int:
        await self._written()
        wanted = [_signed(subject) for subject in subjects]
        erased: int = await self._database.change(lambda session: self._erase(session, wanted))
        # Without this the space becomes free only after the server's own vacuum.
        with suppress(StoreUnavailable):
            await self._database.run("vacuum_records")
        return erased

    async def _erase(self, session: Session, wanted: Sequence[int]) -> int:
        await session.run("begin_write")
        await session.run("add_erasures", wanted, self._clock.now_ms() + _ERASED_MS)
        ((count, freed_bytes),) = await session.rows("erase", wanted)
        if count:
            freed_bytes += await session.value("erase_requests")
        await session.value("grow", -freed_bytes)
        return int(count)

    async def close(self) -> None:
        """Write what is waiting, then close."""
        self._is_closed = True
        self._has_waiting.set()
        await asyncio.wait([self._writer])
        await self._database.close()


async def _add_sums(session: Session, sums: Sums) -> None:
    minutes = [
        (minute, connection_id.encode(), name.encode(), count)
        for (minute, connection_id), figures in sums.minutes.items()
        for name, count in figures.items()
    ]
    hours = [
        (hour, connection_id.encode(), event_name.encode(), name.encode(), amount)
        for (hour, connection_id, event_name), figures in sums.hours.items()
        for name, amount in bounded_figures(figures).items()
    ]
    names = [
        (
            *(part.encode() for part in key),
            each.first_ms,
            each.last_ms,
            each.mapped,
            each.unmapped,
            each.dropped,
            each.last_reason.encode(),
        )
        for key, each in sums.names.items()
    ]
    if minutes:
        await session.run("add_figures", *map(list, zip(*minutes, strict=True)))
    if hours:
        await session.run("add_hours", *map(list, zip(*hours, strict=True)))
    # A name that is new may be one too many.
    if names and await session.value("count_names", *map(list, zip(*names, strict=True))):
        await session.run("delete_names", MAX_NAMES)


def _row(record: Record) -> tuple[Any, ...]:
    facts = msgspec.json.encode(record.facts)
    subjects = ",".join(str(_signed(subject)) for subject in record.subjects)
    return (
        record.at_ms,
        _RECORD_BYTES + len(facts) + len(record.payload),
        record.connection_id.encode(),
        record.outcome.encode(),
        record.event_name.encode(),
        record.event_id.encode(),
        record.reason.encode(),
        facts,
        f"{{{subjects}}}",
        record.source_name.encode(),
        record.order_id.encode(),
        record.payload,
    )


def _kept(row: Any) -> KeptRecord:
    record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, *keys, payload = row
    record = Record(
        at_ms,
        connection_id.decode(),
        outcome.decode(),
        event_name.decode(),
        event_id.decode(),
        reason.decode(),
        _FACTS.decode(facts),
        payload,
        tuple(subject % 2**64 for subject in subjects),
        *(key.decode() for key in keys),
    )
    return KeptRecord(record_no, record)


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _signed(subject: int) -> int:
    """Return a keyed hash as PostgreSQL stores it: it has no unsigned numbers."""
    return subject - 2**64 if subject >= 2**63 else subject
