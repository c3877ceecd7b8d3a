"""The events of one connection and wire form: their books and the marks from which the next ones are looked for.

Used in the writer's thread alone.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tiktok_forwarder.domain.outcome import WireForm

# What a row takes beside its payload: keys, names, times, its share of half-empty pages, its key among those seen.
ROW_BYTES: Final = 400

_START: Final = (0, 0)


class Place(NamedTuple):
    """Where a waiting event's row is, and how much it holds."""

    due_ms: int
    event_no: int
    payload_bytes: int


class LaneFigures(NamedTuple):
    """A lane's line in the books."""

    waiting: int = 0
    waiting_bytes: int = 0
    dead_letters: int = 0
    dead_letter_bytes: int = 0

    @property
    def held_bytes(self) -> int:
        """About what the lane takes up in the file."""
        rows = self.waiting + self.dead_letters
        return self.waiting_bytes + self.dead_letter_bytes + rows * ROW_BYTES


class Lane:
    """`leased` holds the numbers of events in somebody's hands.

    Every fresh event below `fresh_from` is leased, and every returned one whose (due time, number) is below
    `returned_from`; above `newest_after` none of the fresh was ever leased as one of the newest. Marks only save work:
    a mark too low is never wrong.
    """

    def __init__(self, lane_no: int, connection_id: str, wire_form: WireForm, figures: LaneFigures) -> None:
        self.lane_no = lane_no
        self.connection_id = connection_id
        self.wire_form = wire_form
        self.figures = figures
        self.leased: set[int] = set()
        self.turn = 0
        self.rewind()

    @property
    def unleased(self) -> int:
        return self.figures.waiting - len(self.leased)

    def rewind(self) -> None:
        self.fresh_from = 0
        self.newest_after = 0
        self.returned_from: tuple[int, int] = _START

    def came_back(self, due_ms: int, event_no: int) -> None:
        """An event can be leased (again) under this key."""
        if due_ms == 0:
            self.fresh_from = min(self.fresh_from, event_no)
        else:
            self.returned_from = min(self.returned_from, (due_ms, event_no))

    def give_back(self, items: Iterable[Place]) -> None:
        for place in items:
            self.leased.discard(place.event_no)
            self.came_back(place.due_ms, place.event_no)

    def stored(self, events: int, payload_bytes: int) -> None:
        """New events, or (negative) events that have left the queue for good."""
        waiting, waiting_bytes, *dead = self.figures
        self.figures = LaneFigures(waiting + events, waiting_bytes + payload_bytes, *dead)

    def buried(self, events: int, payload_bytes: int) -> None:
        """Waiting events that are dead letters now, or (negative) the other way."""
        self.stored(-events, -payload_bytes)
        self.unearthed(-events, -payload_bytes)

    def unearthed(self, events: int, payload_bytes: int) -> None:
        """Dead letters that are gone for good."""
        waiting, waiting_bytes, dead, dead_bytes = self.figures
        self.figures = LaneFigures(waiting, waiting_bytes, dead - events, dead_bytes - payload_bytes)


class Lanes:
    """All lanes. A connection's are in the order in which they may lease next."""

    def __init__(self, rows: Iterable[tuple[int, str, WireForm, int, int, int, int]]) -> None:
        self._by_connection: dict[str, list[Lane]] = {}
        self._by_number: dict[int, Lane] = {}
        for lane_no, connection_id, wire_form, *figures in rows:
            self._add(Lane(lane_no, connection_id, wire_form, LaneFigures(*figures)))

    def __iter__(self) -> Iterator[tuple[str, Sequence[Lane]]]:
        """Connections and their lanes."""
        return iter(self._by_connection.items())

    def numbered(self, lane_no: int) -> Lane:
        return self._by_number[lane_no]

    def of_connection(self, connection_id: str) -> Sequence[Lane]:
        return tuple(self._by_connection.get(connection_id, ()))

    def of(self, connection_id: str, wire_form: WireForm) -> Lane:
        """A lane that was not there is new, and written with its first event."""
        for lane in self._by_connection.get(connection_id, ()):
            if lane.wire_form == wire_form:
                return lane
        return self._add(Lane(len(self._by_number) + 1, connection_id, wire_form, LaneFigures()))

    def had_turn(self, lane: Lane) -> None:
        """The connection's other lane, if there is one, comes first next time."""
        lanes = self._by_connection[lane.connection_id]
        lanes.remove(lane)
        lanes.append(lane)

    def held_bytes(self, connection_id: str) -> int:
        return sum(lane.figures.held_bytes for lane in self._by_connection.get(connection_id, ()))

    def _add(self, lane: Lane) -> Lane:
        self._by_connection.setdefault(lane.connection_id, []).append(lane)
        self._by_number[lane.lane_no] = lane
        return lane
