"""An SQLite file as one side of a move. Its process has the lock of the data directory, so no other uses the file."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import apsw

from tiktok_forwarder.database.file import transaction
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.moving import (
    MAX_BATCH_BYTES,
    MAX_BATCH_ROWS,
    PARTS,
    Batch,
    Contents,
    Move,
    Part,
    Place,
    key_of,
    position_of,
)
from tiktok_forwarder.store.sqlite.file import derived_max_bytes, open_writer, store_limits
from tiktok_forwarder.store.sqlite.known_keys import ENTRY_BYTES, logged_keys
from tiktok_forwarder.store.sqlite.restore import finish_restore
from tiktok_forwarder.store.sqlite.statements import SEEN_SLOTS, STATEMENTS, rows, run
from tiktok_forwarder.store.sqlite.transaction import fresh_row_no
from tiktok_forwarder.store.totals import TotalsRow

_Row = tuple[Any, ...]
_WHOLE_LANE: Final = fresh_row_no(1, 0)


class _Reading(NamedTuple):
    """A statement that reads rows of a part, and the key before the first of them."""

    statement: str
    start: tuple[Any, ...]


_KEY_LOG: Final = _Reading("read_key_log", (0,))
# The statements of a part are read one after the other.
_READINGS: Final[Mapping[Part, Sequence[_Reading]]] = {
    "documents": (_Reading("read_documents", (0,)),),
    "document_history": (_Reading("read_history", ("", "", 0)),),
    "known_keys": (*(_Reading(f"read_seen_{slot}", (b"",)) for slot in range(SEEN_SLOTS)), _KEY_LOG),
    "dead_letters": (_Reading("read_dead_letters", (0,)),),
    "returned": (_Reading("read_returned", (0, 0)),),
    "fresh": (_Reading("read_fresh", (0,)), _Reading("read_early_fresh", (0, 0))),
}


def find_move(connection: apsw.Connection) -> Move | None:
    found = rows(connection, "find_move")
    if not found:
        return None
    move_id, state, other_store, part, position = found[0]
    return Move(move_id, state, other_store, Place(part, position))


def check_move(connection: apsw.Connection, path: Path) -> None:
    """Raise `ConfigurationError` if the contents of the file were moved, or are being moved."""
    move = find_move(connection)
    if move is not None and move.refusal:
        raise ConfigurationError([f"{path}: {move.refusal}"])


class MovableFile:
    """A `MovableStore`."""

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self.name = str(path.parent.absolute())
        self._path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path, max_bytes: int | None) -> Self:
        """Open or create the file. Raises `ConfigurationError`."""
        finish_restore(path)
        return cls(path, open_writer(path, store_limits(max_bytes or derived_max_bytes(path), 0)))

    async def find_move(self) -> Move | None:
        with self._translated():
            return find_move(self._connection)

    async def contents(self) -> Contents:
        with self._translated():
            (counts,) = rows(self._connection, "count_parts", {"entry_bytes": ENTRY_BYTES})
            totals = [TotalsRow(*row) for row in rows(self._connection, "totals")]
            ((next_event_no,),) = rows(self._connection, "next_event_no")
        return Contents(dict(zip(PARTS, counts, strict=True)), totals, next_event_no)

    async def require_unused(self) -> None:
        """Do nothing: the process has the lock of the data directory."""

    async def record(self, move: Move) -> None:
        with self._change():
            run(self._connection, "record_move", (move.move_id, move.state, move.other_store, *move.place))

    async def stay(self) -> None:
        with self._change():
            run(self._connection, "forget_move")
            run(self._connection, "delete_all_expiring")

    async def read(self, place: Place) -> Batch:
        readings = _READINGS[place.part]
        number, *key = key_of(place.position) if place.position else (0, *readings[0].start)
        with self._translated():
            while not (found := self._rows_after(readings[number], key)) and number + 1 < len(readings):
                number += 1
                key = list(readings[number].start)
        if not found:
            return Batch((), place)
        width = len(key)
        last = position_of((number, *found[-1][:width]))
        if readings[number] is _KEY_LOG:
            moved = [(accepted_at_ms, key) for _, logged in found for key, accepted_at_ms in logged_keys(logged)]
        else:
            moved = [row[width:] for row in found]
        return Batch(moved, Place(place.part, last))

    async def write(self, batch: Batch, after: Place) -> None:
        with self._change():
            self._run("advance_move", (*batch.place, *after))
            if not self._connection.changes():
                raise ConfigurationError([f"{self.name}: another process is filling it at the same time"])
            _WRITERS[batch.place.part](self._connection, batch.rows)

    async def finish(self, contents: Contents) -> None:
        with self._change():
            for row in contents.totals:
                self._run("add_to_total", (row.connection_id, row.counter, row.reason, row.count, row.count))
            self._run("set_next_event_no", (contents.next_event_no,))
            # All keys are in the table of a turn that is over: it is emptied 48 hours after the next turn began.
            self._run("forget_generations")
            self._run("begin_generation", (0, 0))
            self._run("finish_move")

    async def close(self) -> None:
        self._connection.close()

    def _run(self, name: str, bindings: "apsw.Bindings | None" = None) -> None:
        run(self._connection, name, bindings)

    def _rows_after(self, reading: _Reading, key: Sequence[Any]) -> list[_Row]:
        bindings = {"most": MAX_BATCH_ROWS, "lane_rows": _WHOLE_LANE}
        bindings |= {f"key_{number}": value for number, value in enumerate(key)}
        found: list[_Row] = []
        size = 0
        with contextlib.closing(run(self._connection, reading.statement, bindings)) as cursor:
            for row in cursor:
                found.append(row)
                size += len(row[-1])
                if size >= MAX_BATCH_BYTES:
                    break
        return found

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with self._translated(), transaction(self._connection):
            yield

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.FullError:
            remedy = "free space on the disk or raise max_store_bytes, and repeat the command"
            raise ConfigurationError([f"{self._path}: has no space for the contents; {remedy}"]) from None
        except apsw.Error as error:
            raise ConfigurationError([f"{self._path}: cannot use the database: {error}"]) from None


# --- writing the rows of a part ---------------------------------------------------------------------------------------


def _write_plainly(statement: str) -> Callable[[apsw.Connection, Sequence[_Row]], None]:
    return lambda connection, moved: run_many(connection, statement, moved)


def run_many(connection: apsw.Connection, name: str, values: Sequence[_Row]) -> None:
    connection.executemany(STATEMENTS[name], values)


def _write_dead_letters(connection: apsw.Connection, moved: Sequence[_Row]) -> None:
    run_many(connection, "write_dead_letter", moved)
    _add_to_lanes(connection, moved, are_dead=True)


def _write_returned(connection: apsw.Connection, moved: Sequence[_Row]) -> None:
    lanes = _add_to_lanes(connection, moved, are_dead=False)
    run_many(connection, "write_returned", [(lanes[row[:2]], *row[2:]) for row in moved])


def _write_fresh(connection: apsw.Connection, moved: Sequence[_Row]) -> None:
    lanes = _add_to_lanes(connection, moved, are_dead=False)
    run_many(connection, "write_fresh", [(fresh_row_no(lanes[row[:2]], row[2]), *row[3:]) for row in moved])


_WRITERS: Final[Mapping[Part, Callable[[apsw.Connection, Sequence[_Row]], None]]] = {
    "documents": _write_plainly("write_documents"),
    "document_history": _write_plainly("write_history"),
    "known_keys": _write_plainly("write_key"),
    "dead_letters": _write_dead_letters,
    "returned": _write_returned,
    "fresh": _write_fresh,
}


def _add_to_lanes(connection: apsw.Connection, moved: Sequence[_Row], *, are_dead: bool) -> dict[_Row, int]:
    """Count events under their lanes, creating those that are missing; return the lanes' numbers."""
    events = Counter(row[:2] for row in moved)
    sizes: Counter[_Row] = Counter()
    for row in moved:
        sizes[row[:2]] += len(row[-1])
    run_many(connection, "add_lane", list(events))
    figures = [(events[lane], sizes[lane]) for lane in events]
    run_many(
        connection,
        "add_to_lane",
        [((0, 0, *each) if are_dead else (*each, 0, 0)) + lane for each, lane in zip(figures, events, strict=True)],
    )
    return {tuple(lane): lane_no for lane_no, *lane, _, _, _, _ in rows(connection, "lanes")}
