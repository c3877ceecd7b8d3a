"""One write transaction and the memory that goes with it: what waits in which lane, who leased what, what was seen."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw

from tiktok_forwarder.database.disk_reserve import DiskReserve
from tiktok_forwarder.store.leases import LeaseBook
from tiktok_forwarder.store.sqlite.lanes import Lane, LaneFigures, Lanes, Place
from tiktok_forwarder.store.sqlite.limits import StoreLimits
from tiktok_forwarder.store.sqlite.seen import SeenEvents
from tiktok_forwarder.store.sqlite.statements import STATEMENTS, rows, run, run_wide

Item = TypeVar("Item")


class StoreState:
    """The write connection and what is kept in memory beside it. Used in the writer's thread alone."""

    def __init__(self, connection: apsw.Connection, limits: StoreLimits, monotonic: Callable[[], float]) -> None:
        self.connection = connection
        self.limits = limits
        self.lanes = Lanes(rows(connection, "lanes"))
        self.leases: LeaseBook[Place] = LeaseBook(monotonic)
        self.seen = SeenEvents(connection)
        self.next_event_no: int = rows(connection, "next_event_no")[0][0]
        self.disk_reserve = DiskReserve(Path(connection.filename).with_suffix(".reserve"), limits.disk_reserve_bytes)
        self.disk_reserve.take()
        # The size of what was last refused for want of room; 0 once something was taken again.
        self.refused_bytes = 0
        self._page_bytes: int = connection.pragma("page_size")

    def rows(self, name: str, bindings: "apsw.Bindings | None" = None) -> list[Any]:
        return rows(self.connection, name, bindings)

    def is_full(self) -> bool:
        """Whether what was last refused would be refused again."""
        return self.used_bytes() + self.refused_bytes >= self.limits.append_bytes or not self.disk_reserve.take()

    def give_up_disk_reserve(self) -> bool:
        """Whether that made room on the disk. What the log holds is written back with it, so that it need not grow."""
        if not self.disk_reserve.give_up():
            return False
        with suppress(apsw.Error):
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return True

    def used_bytes(self) -> int:
        """Pages in use; those that were freed will be filled again."""
        pages: int = self.connection.pragma("page_count")
        free: int = self.connection.pragma("freelist_count")
        return (pages - free) * self._page_bytes


class Transaction:
    """What a change may do. Memory changes at once, for the changes that follow to see, and is put back if need be."""

    def __init__(self, state: StoreState) -> None:
        self.state = state
        self._totals: Counter[tuple[str, str, str]] = Counter()
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
        """Have `work` do all its items together: before a change that does not gather, or the commit."""
        self._gathered.setdefault(work, []).append(item)

    def finish_gathered(self) -> None:
        gathered, self._gathered = self._gathered, {}
        for work, items in gathered.items():
            work(self, items)

    def count(self, connection_id: str, counter: str, number: int = 1, reason: str = "") -> None:
        self._totals[connection_id, counter, reason] += number

    def books_of(self, lane: Lane) -> Lane:
        """The lane, whose figures may now be changed."""
        self._lanes_before.setdefault(lane, lane.figures)
        return lane

    def on_rollback(self, undo: Callable[[], object]) -> None:
        self._undo.append(undo)

    def takes(self, size_bytes: int) -> bool:
        """Whether there is room for so much more without using either reserve; if so, it is taken."""
        if self._room_bytes is None:
            self._room_bytes = self.state.limits.append_bytes - self.state.used_bytes()
        has_room = size_bytes <= self._room_bytes and self.state.disk_reserve.take()
        self.state.refused_bytes = 0 if has_room else size_bytes
        if has_room:
            self._room_bytes -= size_bytes
        return has_room

    def commit(self) -> None:
        """Write the books, and make all of it durable."""
        self.finish_gathered()
        self.run_many("add_to_total", [(*key, number) for key, number in self._totals.items() if number])
        self.run_many(
            "put_lane",
            [(lane.lane_no, lane.connection_id, lane.wire_form, *lane.figures) for lane in self._lanes_before],
        )
        if self.state.next_event_no != self._event_no_before:
            self.run("set_next_event_no", (self.state.next_event_no,))
        self.state.connection.execute("COMMIT")

    def roll_back(self) -> None:
        """As if nothing had been done. Raises nothing: a connection that is still in a transaction begins no other."""
        for lane, figures in self._lanes_before.items():
            lane.figures = figures
        for undo in reversed(self._undo):
            undo()
        self.state.next_event_no = self._event_no_before
        end_transaction(self.state.connection)


def end_transaction(connection: apsw.Connection) -> None:
    """Some errors have ended the transaction by themselves."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
