"""One write transaction and its state in memory: the lanes' waiting events, the leases and the known keys.

Used in the writer's thread alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import apsw

from tiktok_forwarder.database.file import end_transaction, log_files
from tiktok_forwarder.database.open_files import OpenFiles
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.store.leases import LeaseTable
from tiktok_forwarder.store.rules import ROW_BYTES
from tiktok_forwarder.store.sqlite.disk_reserve import DiskReserve
from tiktok_forwarder.store.sqlite.file import StoreLimits
from tiktok_forwarder.store.sqlite.known_keys import KnownKeys
from tiktok_forwarder.store.sqlite.statements import STATEMENTS, rows, run, run_wide
from tiktok_forwarder.store.work_signals import WorkSignals

Item = TypeVar("Item")

_START: Final = (0, 0)

# The table of fresh events has one number as its key: the lane's, and in so many bits the event's. They suffice for
# 10,000 events a second during 200 years, and leave 131,072 lanes.
_EVENT_NO_BITS: Final = 46


class Place(NamedTuple):
    """The key of a waiting event's row, and its payload's size. A fresh event, one that never came back, is not due."""

    due_ms: int | None
    event_no: int
    payload_bytes: int


class LaneFigures(NamedTuple):
    """The totals and sizes of a lane."""

    waiting: int = 0
    waiting_bytes: int = 0
    dead_letters: int = 0
    dead_letter_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """Return about how much the lane takes up in the file."""
        rows = self.waiting + self.dead_letters
        return self.waiting_bytes + self.dead_letter_bytes + rows * ROW_BYTES


class Lane:
    """The queue of one connection and wire form. `leased` contains the numbers of leased events.

    Every fresh event below `fresh_from` is leased, and every returned one whose (due time, number) is below
    `returned_from`; above `newest_after` none of the fresh was ever leased as one of the newest. Marks only save work:
    a mark too low is never wrong.
    """

    def __init__(self, lane_no: int, connection_id: str, wire_form: WireFormName, figures: LaneFigures) -> None:
        self.lane_no = lane_no
        self.connection_id = connection_id
        self.wire_form = wire_form
        self.figures = figures
        self.leased: set[int] = set()
        self.turn = 0
        self.rewind()

    def row_no(self, event_no: int) -> int:
        """Return the key of a fresh event's row."""
        return fresh_row_no(self.lane_no, event_no)

    def fresh_rows(self, from_no: int = 0, before_no: int = 1 << _EVENT_NO_BITS) -> dict[str, int]:
        """Return bindings for the rows of the lane's fresh events of these numbers."""
        return {
            "lane_row": self.row_no(0),
            "first_row": self.row_no(from_no),
            "last_row": self.row_no(before_no - 1),
            "lane_no": self.lane_no,
        }

    @property
    def unleased(self) -> int:
        return max(0, self.figures.waiting - len(self.leased))

    def rewind(self) -> None:
        self.fresh_from = 0
        self.newest_after = 0
        self.returned_from: tuple[int, int] = _START

    def mark_leasable(self, due_ms: int | None, event_no: int) -> None:
        """Make the event at this key available for leasing."""
        if due_ms is None:
            self.fresh_from = min(self.fresh_from, event_no)
        else:
            self.returned_from = min(self.returned_from, (due_ms, event_no))

    def recount(self, connection: apsw.Connection) -> None:
        """Count the lane's events again if a figure is negative.

        Only another program that changed the file can be the cause; until this is done, the figures are wrong.
        """
        if min(self.figures) < 0:
            (waiting,) = rows(connection, "recounted_waiting", self.fresh_rows())
            (dead,) = rows(connection, "recounted_dead", (self.connection_id, self.wire_form))
            self.figures = LaneFigures(*waiting, *dead)

    def give_back(self, items: Iterable[Place]) -> None:
        for place in items:
            self.leased.discard(place.event_no)
            self.mark_leasable(place.due_ms, place.event_no)

    def add_waiting(self, events: int, payload_bytes: int) -> None:
        """Add new events, or (negative) remove events that have left the queue permanently."""
        waiting, waiting_bytes, *dead = self.figures
        self.figures = LaneFigures(waiting + events, waiting_bytes + payload_bytes, *dead)

    def move_to_dead_letters(self, events: int, payload_bytes: int) -> None:
        """Count waiting events as dead letters, or (negative) dead letters as waiting."""
        self.add_waiting(-events, -payload_bytes)
        self.remove_dead_letters(-events, -payload_bytes)

    def remove_dead_letters(self, events: int, payload_bytes: int) -> None:
        """Count dead letters as permanently removed."""
        waiting, waiting_bytes, dead, dead_bytes = self.figures
        self.figures = LaneFigures(waiting, waiting_bytes, dead - events, dead_bytes - payload_bytes)


def fresh_row_no(lane_no: int, event_no: int) -> int:
    """Return the key of a fresh event's row."""
    return (lane_no << _EVENT_NO_BITS) + event_no


def split_row_no(row_no: int) -> tuple[int, int]:
    """Return the numbers of lane and event of a fresh event's row."""
    return divmod(row_no, 1 << _EVENT_NO_BITS)


class Lanes:
    """All lanes. A connection's are in the order in which they may lease next."""

    def __init__(self, rows: Iterable[tuple[int, str, WireFormName, int, int, int, int]]) -> None:
        self._by_connection: dict[str, list[Lane]] = {}
        self._by_number: dict[int, Lane] = {}
        for lane_no, connection_id, wire_form, *figures in rows:
            self._add(Lane(lane_no, connection_id, wire_form, LaneFigures(*figures)))

    def __iter__(self) -> Iterator[tuple[str, Sequence[Lane]]]:
        """Yield connections and their lanes."""
        return iter(self._by_connection.items())

    def by_number(self, lane_no: int) -> Lane:
        return self._by_number[lane_no]

    def of_connection(self, connection_id: str) -> Sequence[Lane]:
        return tuple(self._by_connection.get(connection_id, ()))

    def get(self, connection_id: str, wire_form: WireFormName) -> Lane:
        """Return the lane, a new one if it is missing; a new lane is written with its first event."""
        for lane in self._by_connection.get(connection_id, ()):
            if lane.wire_form == wire_form:
                return lane
        return self._add(Lane(len(self._by_number) + 1, connection_id, wire_form, LaneFigures()))

    def move_to_back(self, lane: Lane) -> None:
        """Move the lane back: the connection's other lane, if there is one, comes first next time."""
        lanes = self._by_connection[lane.connection_id]
        lanes.remove(lane)
        lanes.append(lane)

    def held_bytes(self, connection_id: str) -> int:
        return sum(lane.figures.held_bytes for lane in self._by_connection.get(connection_id, ()))

    def _add(self, lane: Lane) -> Lane:
        self._by_connection.setdefault(lane.connection_id, []).append(lane)
        self._by_number[lane.lane_no] = lane
        return lane


_GROWTH_SECONDS: Final = 1.0
_LEAST_GROWTH: Final = 1.1


class StoreState:
    """The write connection and the state kept in memory beside it."""

    def __init__(
        self,
        connection: apsw.Connection,
        limits: StoreLimits,
        reserve: DiskReserve,
        monotonic: Callable[[], float],
        derive_limits: Callable[[], StoreLimits] | None = None,
    ) -> None:
        """`derive_limits` returns limits from the free space now, unless they are fixed; it may raise `OSError`."""
        self.connection = connection
        self.limits = limits
        self._derive_limits = derive_limits
        self._monotonic = monotonic
        self._next_growth = 0.0
        self.lanes = Lanes(rows(connection, "lanes"))
        for _, lanes in self.lanes:
            for lane in lanes:
                lane.recount(connection)
        self.leases: LeaseTable[Place] = LeaseTable(monotonic)
        self.work = WorkSignals()
        self.known_keys = KnownKeys(connection, limits.max_recent_keys)
        self.next_event_no: int = rows(connection, "next_event_no")[0][0]
        self.path = Path(connection.filename)
        # Reading the lanes has opened the log.
        self.files = OpenFiles([self.path.parent, self.path, *log_files(self.path)])
        self.disk_reserve = reserve
        self.disk_reserve.take()
        # The size of what was last refused for lack of space; 0 once something was accepted again.
        self.refused_bytes = 0
        self._page_bytes: int = connection.pragma("page_size")

    def rows(self, name: str, bindings: "apsw.Bindings | None" = None) -> list[Any]:
        return rows(self.connection, name, bindings)

    def is_full(self) -> bool:
        """Return whether what was last refused would be refused again."""
        needed_bytes = self.used_bytes() + self.refused_bytes
        if needed_bytes >= self.limits.append_bytes and not (self.grow() and needed_bytes < self.limits.append_bytes):
            return True
        return not self.disk_reserve.take()

    def grow(self) -> bool:
        """Raise the limits if the disk has more free space than at the start; return whether they were raised.

        It is looked at once a second at most.
        """
        now = self._monotonic()
        if self._derive_limits is None or now < self._next_growth:
            return False
        self._next_growth = now + _GROWTH_SECONDS
        try:
            limits = self._derive_limits()
        except OSError:
            return False
        if limits.max_pages < self.limits.max_pages * _LEAST_GROWTH:
            return False
        self.limits = limits
        self.connection.pragma("max_page_count", limits.max_pages)
        return True

    def give_up_disk_reserve(self, *, is_start_included: bool = False) -> bool:
        """Release the disk reserve, also the part for the next start if asked for; return whether that freed space.

        The log's content is written back too, so that the log need not grow.
        """
        # Others may use what is at the path of a database that was moved.
        if not self.files.is_in_place(self.path):
            return False
        if not (self.disk_reserve.give_up_all() if is_start_included else self.disk_reserve.give_up()):
            return False
        with suppress(apsw.Error):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return True

    def used_bytes(self) -> int:
        """Return the size of the pages in use; freed pages will be filled again."""
        pages: int = self.connection.pragma("page_count")
        free: int = self.connection.pragma("freelist_count")
        return (pages - free) * self._page_bytes


class Transaction:
    """The operations of a change.

    Memory changes immediately, visible to following changes, and is restored on rollback.
    """

    def __init__(self, state: StoreState) -> None:
        self.state = state
        self._totals: Counter[tuple[str, str, str]] = Counter()
        self._added: Counter[str] = Counter()
        self._lanes_before: dict[Lane, LaneFigures] = {}
        self._event_no_before = state.next_event_no
        self._undo: list[Callable[[], object]] = []
        self._room_bytes: int | None = None
        self._gathered: dict[Callable[[Transaction, list[Any]], None], list[Any]] = {}
        state.connection.execute("BEGIN IMMEDIATE")

    def run(self, name: str, bindings: "apsw.Bindings | None" = None) -> None:
        run(self.state.connection, name, bindings)

    def run_many(self, name: str, bindings: Iterable[Any]) -> None:
        self.state.connection.executemany(STATEMENTS[name], bindings)

    def run_wide(self, name: str, values: Sequence[tuple[Any, ...]]) -> None:
        run_wide(self.state.connection, name, values)

    def gather(self, work: Callable[["Transaction", list[Item]], None], item: Item) -> None:
        """Have `work` do all its items together: before a change that does not gather, or before the commit."""
        self._gathered.setdefault(work, []).append(item)

    def finish_gathered(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for work, items in gathered.items():
            work(self, items)

    def count(self, connection_id: str, counter: str, number: int = 1, reason: str = "") -> None:
        self._totals[connection_id, counter, reason] += number

    def add_work(self, connection_id: str, events: int) -> None:
        """Wake those who wait for events of the connection, once the transaction is committed."""
        self._added[connection_id] += events

    def lane_for_update(self, lane: Lane) -> Lane:
        """Return the lane, whose figures may now be changed."""
        self._lanes_before.setdefault(lane, lane.figures)
        return lane

    def on_rollback(self, undo: Callable[[], object]) -> None:
        self._undo.append(undo)

    def takes(self, size_bytes: int) -> bool:
        """Use the space if it is available without using either reserve; return whether it is."""
        if self._room_bytes is None:
            self._room_bytes = self.state.limits.append_bytes - self.state.used_bytes()
        if size_bytes > self._room_bytes:
            append_bytes = self.state.limits.append_bytes
            if self.state.grow():
                self._room_bytes += self.state.limits.append_bytes - append_bytes
        has_room = size_bytes <= self._room_bytes and self.state.disk_reserve.take()
        self.state.refused_bytes = 0 if has_room else size_bytes
        if has_room:
            self._room_bytes -= size_bytes
        return has_room

    def commit(self) -> None:
        """Write the totals, and make the whole transaction durable."""
        self.finish_gathered()
        self.run_many("add_to_total", [(*key, number, number) for key, number in self._totals.items() if number])
        for lane in self._lanes_before:
            lane.recount(self.state.connection)
        self.run_many(
            "put_lane",
            [(lane.lane_no, lane.connection_id, lane.wire_form, *lane.figures) for lane in self._lanes_before],
        )
        if self.state.next_event_no != self._event_no_before:
            self.run("set_next_event_no", (self.state.next_event_no,))
        self.state.connection.execute("COMMIT")
        for connection_id, events in self._added.items():
            self.state.work.add(connection_id, events)

    def roll_back(self) -> None:
        """Restore the state before the transaction.

        Raises nothing: a connection that is still in a transaction cannot begin another.
        """
        for lane, figures in self._lanes_before.items():
            lane.figures = figures
        for undo in reversed(self._undo):
            undo()
        self.state.next_event_no = self._event_no_before
        end_transaction(self.state.connection)
