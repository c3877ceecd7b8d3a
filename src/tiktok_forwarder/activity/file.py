"""The activity's store: an SQLite file of its own, bounded in bytes, written by one thread that delays no one."""

import asyncio
import contextlib
import struct
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import apsw
import msgspec

from tiktok_forwarder.activity.database import OF_A_FULL_DISK, ActivityDatabase
from tiktok_forwarder.activity.event_figures import HOUR_MS, KEPT_HOURS, bounded_figures
from tiktok_forwarder.activity.event_names import MAX_NAMES
from tiktok_forwarder.activity.figures import add_all
from tiktok_forwarder.activity.gathering import MINUTE_MS
from tiktok_forwarder.activity.records import (
    ActivityWrite,
    Facts,
    Figures,
    HourFigures,
    KeptRecord,
    LevelChange,
    MinuteFigures,
    NameCounts,
    NameRow,
    Record,
    RecordFilter,
)
from tiktok_forwarder.activity.sampling import MAX_CHANGES
from tiktok_forwarder.activity.sums import Sums
from tiktok_forwarder.database.problem import is_corruption
from tiktok_forwarder.database.thread import Change, DatabaseThread
from tiktok_forwarder.domain.errors import StoreUnavailable

_MAX_WAITING_RECORDS: Final = 20_000
# Reads have their turn after this many writes.
_MAX_GROUP_RECORDS: Final = 1000
# Small enough that the log does not grow.
_TRIM_RECORDS: Final = 250
# Minutes take at most about a quarter of the file; their number is checked once in this many writes.
_MINUTE_BYTES: Final = 1200
_MINUTES_SHARE: Final = 0.25
# Hours take at most about an eighth: 15 days of 200 events, if all happen in every hour.
_HOUR_BYTES: Final = 450
_HOURS_SHARE: Final = 0.125
_TIDY_EVERY: Final = 300

_FACTS: Final = msgspec.json.Decoder(Facts)
_FIGURES: Final = msgspec.json.Decoder(dict[str, int])


class ActivityFile:
    """The `ActivityStore` in a file. Errors cost records, never the service: lost records are counted in `lost`."""

    def __init__(self, database: ActivityDatabase) -> None:
        self._database = database
        self._max_minutes = max(60, int(database.max_bytes * _MINUTES_SHARE) // _MINUTE_BYTES)
        self._waiting_records = 0
        self._writes = 0
        # The newest record may be erased: if its number were reused, a query for later records would miss the next one.
        self._last_record_no = 0
        self._max_hours = max(1000, int(database.max_bytes * _HOURS_SHARE) // _HOUR_BYTES)
        self._unwritten = Sums()
        self.lost_records = 0
        self._new_levels: Sequence[LevelChange] = self._tidy_levels()
        self._thread = DatabaseThread(
            "activity",
            commit=_commit_one_by_one,
            translate_error=_translate_error,
            close=database.close,
            max_group_weight=_MAX_GROUP_RECORDS,
        )

    @classmethod
    def open(
        cls, path: Path | None, *, max_bytes: int, on_begun_anew: Callable[[str], None] = lambda _reason: None
    ) -> Self:
        """Open, migrate or create the file; without a path nothing outlives the process.

        An unusable file is replaced by an empty one, and `on_begun_anew` receives the reason; if that fails too, the
        activity is kept in memory.
        """
        return cls(ActivityDatabase(path, max_bytes, on_begun_anew))

    @property
    def level_delay_seconds(self) -> int:
        return 0

    def new_levels(self) -> Sequence[LevelChange]:
        found, self._new_levels = self._new_levels, ()
        return found

    def write(self, write: ActivityWrite) -> bool:
        if self._waiting_records > _MAX_WAITING_RECORDS:
            return False
        records = len(write.records)
        try:
            saved = self._thread.put(Change(lambda: self._save(write), records))
        except StoreUnavailable:
            return False
        self._waiting_records += records
        saved.add_done_callback(partial(self._on_saved, records))
        return True

    async def recent(self, which: RecordFilter) -> Sequence[KeptRecord]:
        name = _search(which)
        return await self._thread.look(lambda: self._records(name, msgspec.structs.asdict(which)))

    async def newest(self) -> int:
        return await self._thread.look(lambda: int(self._database.one("last_record")))

    async def one(self, record_no: int) -> KeptRecord | None:
        found = await self._thread.look(lambda: self._records("record", {"record_no": record_no}))
        return found[0] if found else None

    async def way(self, connection_id: str, event_name: str, event_id: str) -> Sequence[KeptRecord]:
        named = {"connection_id": connection_id, "event_name": event_name, "event_id": event_id}
        return await self._thread.look(lambda: self._records("way", named))

    async def figures(
        self, from_minute: int, until_minute: int, connection_id: str | None = None
    ) -> Sequence[MinuteFigures]:
        named = {"from_minute": from_minute, "until_minute": until_minute, "connection_id": connection_id}
        return await self._thread.look(lambda: self._minutes(named))

    async def hours(self, from_hour: int, until_hour: int, connection_id: str | None = None) -> Sequence[HourFigures]:
        named = {"from_hour": from_hour, "until_hour": until_hour, "connection_id": connection_id}
        return await self._thread.look(lambda: self._hours(named))

    async def names(self, since_ms: int, connection_id: str | None = None) -> Sequence[NameRow]:
        named = {"since_ms": since_ms, "connection_id": connection_id}
        return await self._thread.look(lambda: self._names(named))

    async def delete_before(self, before_ms: int) -> None:
        records = _TRIM_RECORDS
        while records == _TRIM_RECORDS:
            # Each step is a change of its own, so that no write waits long.
            records = await self._thread.put(Change(lambda: self._delete_some_before(before_ms)))
        await self._thread.put(Change(lambda: self._delete_sums_before(before_ms)))

    async def erase(self, subjects: Collection[int]) -> int:
        wanted = {struct.pack(">Q", subject) for subject in subjects}
        erased: int = await self._thread.put(Change(lambda: self._erase(wanted)))
        return erased

    async def close(self) -> None:
        await self._thread.close()

    def _on_saved(self, records: int, saved: asyncio.Future[None]) -> None:
        """Count the records as lost if saving failed: the service continues without them."""
        self._waiting_records -= records
        if saved.exception() is not None:
            self.lost_records += records

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _save(self, write: ActivityWrite) -> None:
        # Figures add up: those that could not be written are added to the next write.
        self._unwritten.add_write(write)
        self._database.require_space()
        try:
            self._insert_or_trim(write)
        except apsw.Error as error:
            if not is_corruption(error):
                raise
            self._database.begin_anew(str(error))
            self._insert_or_trim(write)
        self._unwritten = Sums()
        while self._database.is_nearly_full and self._trim():
            pass
        self._writes += 1
        if self._writes % _TIDY_EVERY == 0:
            self._database.change(self._tidy)

    def _insert_or_trim(self, write: ActivityWrite) -> None:
        """Write; if there is no space, delete as many of the oldest records as new ones are written, or a few more."""
        for _ in range(1 + len(write.records) // _TRIM_RECORDS):
            try:
                self._database.change(lambda: self._insert(write))
            except apsw.FullError:
                self._trim()
            else:
                return
        self._database.change(lambda: self._insert(write))

    def _insert(self, write: ActivityWrite) -> None:
        first = max(self._database.one("last_record"), self._last_record_no) + 1
        rows: list[tuple[Any, ...]] = []
        payloads: list[tuple[int, bytes]] = []
        for record_no, record in enumerate(write.records, first):
            rows.append(_row(record_no, record))
            if record.payload:
                payloads.append((record_no, record.payload))
        self._last_record_no = first + len(rows) - 1
        self._database.execute_many("add_record", rows)
        self._database.execute_many("add_payload", payloads)
        self._database.execute_many(
            "add_level", [(each.connection_id, each.second, each.level) for each in write.levels]
        )
        self._add_sums(self._unwritten)

    def _add_sums(self, sums: Sums) -> None:
        for (minute, connection_id), figures in sums.minutes.items():
            key = {"minute": minute, "connection_id": connection_id}
            total = self._with_stored("minute", key, figures)
            self._database.execute("set_minute", {**key, "figures": msgspec.json.encode(total)})
        for (hour, connection_id, event_name), figures in sums.hours.items():
            key = {"hour": hour, "connection_id": connection_id, "event_name": event_name}
            total = bounded_figures(self._with_stored("hour", key, figures))
            self._database.execute("set_hour", {**key, "figures": msgspec.json.encode(total)})
        grown: set[str] = set()
        for (connection_id, event_type, event_name), counts in sums.names.items():
            key = {"connection_id": connection_id, "event_type": event_type, "event_name": event_name}
            if self._database.execute("name", key).fetchone() is None:
                grown.add(connection_id)
            self._database.execute("count_name", {**key, **msgspec.structs.asdict(counts)})
        for connection_id in grown:
            self._database.execute("delete_names", {"connection_id": connection_id, "keep": MAX_NAMES})

    def _with_stored(self, name: str, key: dict[str, Any], figures: Figures) -> Figures:
        """Return the figures added to those that the statement finds."""
        stored = self._database.execute(name, key).fetchone()
        total: Figures = _FIGURES.decode(stored[0]) if stored is not None else {}
        add_all(total, figures)
        return total

    def _trim(self) -> bool:
        """Delete the oldest records; return False if there are none."""
        last = self._database.one("oldest_records", {"count": _TRIM_RECORDS})
        if last is None:
            return False
        self._database.change(lambda: self._delete_to(last))
        return True

    def _delete_to(self, last: int) -> None:
        self._database.execute("delete_records_to", {"last": last})
        self._database.execute("delete_payloads_to", {"last": last})

    def _delete_some_before(self, before_ms: int) -> int:
        """Delete some records; return how many, fewer than `_TRIM_RECORDS` if they were the last."""
        which = {"before_ms": before_ms, "count": _TRIM_RECORDS}
        found = self._database.execute("records_before", which).fetchall()
        if found:
            self._database.change(lambda: self._delete(found))
        return len(found)

    def _delete_sums_before(self, before_ms: int) -> None:
        def delete() -> None:
            self._database.execute("delete_minutes_before", {"minute": before_ms // MINUTE_MS})
            self._database.execute("delete_hours_before", {"hour": before_ms // HOUR_MS})
            self._database.execute("delete_names_before", {"before_ms": before_ms})

        self._database.change(delete)
        with contextlib.suppress(apsw.Error):
            # On a quiet service, the log would contain the deleted data for long.
            self._database.cut_log()

    def _tidy(self) -> None:
        self._database.execute("delete_minutes", {"keep": self._max_minutes})
        self._database.execute("delete_hours", {"kept_hours": KEPT_HOURS, "keep": self._max_hours})
        self._database.execute("delete_old_names", {"kept_ms": KEPT_HOURS * HOUR_MS})
        self._database.execute("delete_levels", {"keep": MAX_CHANGES - 1})

    def _tidy_levels(self) -> Sequence[LevelChange]:
        try:
            # On a full disk that can wait.
            with contextlib.suppress(*OF_A_FULL_DISK):
                self._database.change(self._tidy)
            return [LevelChange(*row) for row in self._database.execute("levels")]
        except apsw.Error as error:
            self._database.begin_anew(str(error))
            return []

    def _records(self, name: str, named: dict[str, Any]) -> list[KeptRecord]:
        return [_kept(row) for row in self._database.execute(name, named)]

    def _minutes(self, named: dict[str, Any]) -> list[MinuteFigures]:
        rows = self._database.execute("minutes", named)
        return [MinuteFigures(minute, connection_id, _FIGURES.decode(raw)) for minute, connection_id, raw in rows]

    def _hours(self, named: dict[str, Any]) -> list[HourFigures]:
        return [
            HourFigures(hour, connection_id, event_name, _FIGURES.decode(raw))
            for hour, connection_id, event_name, raw in self._database.execute("hours", named)
        ]

    def _names(self, named: dict[str, Any]) -> list[NameRow]:
        rows = self._database.execute("names", named)
        return [
            NameRow(connection_id, event_type, event_name, NameCounts(*counts))
            for connection_id, event_type, event_name, *counts in rows
        ]

    def _erase(self, wanted: set[bytes]) -> int:
        about = [(record_no,) for record_no, packed in self._database.execute("subjects") if _is_about(packed, wanted)]
        try:
            self._database.change(lambda: self._delete_about(about))
            self._database.cut_log()
        except OF_A_FULL_DISK as error:
            # A deletion needs space, and an erasure must not wait for it: all records are deleted, which frees some.
            if about:
                self._database.begin_anew(f"{error}; a person's records had to be erased")
        return len(about)

    def _delete(self, records: Sequence[tuple[Any, ...]]) -> None:
        self._database.execute_many("delete_record", records)
        self._database.execute_many("delete_payload", records)

    def _delete_about(self, records: Sequence[tuple[int]]) -> None:
        self._delete(records)
        if records:
            self._database.execute("delete_requests")


def _search(which: RecordFilter) -> str:
    """Return the statement whose index leads to the fewest records."""
    if which.event_id is not None:
        return "recent_of_event"
    if which.order_id is not None:
        return "recent_of_order"
    if which.source_name is not None:
        return "recent_of_name"
    return "recent" if which.connection_id is None else "recent_of_connection"


def _commit_one_by_one(changes: Sequence[Change]) -> None:
    """Commit each change alone, so that a write that does not fit affects no other."""
    for change in changes:
        change.run(_translate_error)


def _translate_error(error: Exception) -> Exception:
    return StoreUnavailable(f"cannot read the activity: {error}") if isinstance(error, apsw.Error) else error


def _row(record_no: int, record: Record) -> tuple[Any, ...]:
    return (
        record_no,
        record.at_ms,
        record.connection_id,
        record.outcome,
        record.event_name,
        record.event_id,
        record.reason,
        msgspec.json.encode(record.facts),
        struct.pack(f">{len(record.subjects)}Q", *record.subjects),
        record.source_name,
        record.order_id,
    )


def _kept(row: Any) -> KeptRecord:
    record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, packed, *keys, payload = row
    subjects = struct.unpack(f">{len(packed) // 8}Q", packed)
    facts = _FACTS.decode(facts)
    record = Record(at_ms, connection_id, outcome, event_name, event_id, reason, facts, payload or b"", subjects, *keys)
    return KeptRecord(record_no, record)


def _is_about(packed: bytes, wanted: set[bytes]) -> bool:
    return any(packed[start : start + 8] in wanted for start in range(0, len(packed), 8))
