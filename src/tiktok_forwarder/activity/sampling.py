"""Which events the activity keeps when there are too many to view: all records of an event, or none."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final
from zlib import crc32

from tiktok_forwarder.activity.records import LevelChange

MAX_CHANGES: Final = 2000
# A level lasts until it changes. It is repeated, so that other nodes notice when a node is gone.
_REPEATED_SECONDS: Final = 60
_VALID_SECONDS: Final = 2 * _REPEATED_SECONDS


def keeps(level: int, event_id: str) -> bool:
    """Return whether a level keeps the event: one in 2 to the power of `level` event IDs, evenly spread.

    What a level keeps, every lower level keeps too.
    """
    return not crc32(event_id.encode()) & ((1 << level) - 1)


class Sampling:
    """The levels of all connections, by the second in which events were accepted.

    A level depends only on how many events were accepted in that second, so it can be queried again when the event is
    settled, hours later. While the second lasts, the level only rises. The level of several nodes is the highest of
    them: one node accepts an event, and another settles it.
    """

    def __init__(self, most_per_second: int) -> None:
        self._connections = defaultdict[str, _ConnectionLevels](lambda: _ConnectionLevels(most_per_second))
        self._of_others = defaultdict[str, dict[str, _ConnectionLevels]](dict)
        self._most_per_second = most_per_second

    def learn(self, changes: Iterable[LevelChange]) -> None:
        """Take over changes, in order: this node's before its last stop, or other nodes'."""
        for change in changes:
            if not change.node:
                self._connections[change.connection_id].change(change.second, change.level)
                continue
            nodes = self._of_others[change.connection_id]
            if change.node not in nodes:
                nodes[change.node] = _ConnectionLevels(self._most_per_second)
            nodes[change.node].change(change.second, change.level)

    def accepted(self, connection_id: str, second: int, events: int) -> int:
        """Count events of a second and return its level from now on. A second that is closed keeps its level."""
        level = self._connections[connection_id].accepted(second, events)
        return max(level, self._level_of_others(connection_id, second))

    def level(self, connection_id: str, second: int) -> int:
        levels = self._connections.get(connection_id)
        level = levels.level(second) if levels is not None else 0
        return max(level, self._level_of_others(connection_id, second))

    def _level_of_others(self, connection_id: str, second: int) -> int:
        nodes = self._of_others.get(connection_id) if self._of_others else None
        return max((each.level_if_repeated(second) for each in nodes.values()), default=0) if nodes else 0

    def close_before(self, second: int) -> Sequence[LevelChange]:
        """Close earlier seconds and return the level changes in them, to be stored over a restart."""
        return [
            LevelChange(connection_id, *change)
            for connection_id, levels in self._connections.items()
            for change in levels.close_before(second)
        ]


class _ConnectionLevels:
    def __init__(self, most_per_second: int) -> None:
        self._most_per_second = most_per_second
        self._open: dict[int, int] = {}
        self._closed_until = 0
        # Changes in order of time. The first applies to all time before it, until there are too many to keep.
        self._seconds = [0]
        self._levels = [0]

    def accepted(self, second: int, events: int) -> int:
        if second < self._closed_until:
            return self.level(second)
        self._open[second] = seen = self._open.get(second, 0) + events
        return self._level_for(seen)

    def level(self, second: int) -> int:
        if second in self._open:
            return self._level_for(self._open[second])
        return self._levels[max(0, bisect_right(self._seconds, second) - 1)]

    def level_if_repeated(self, second: int) -> int:
        """Return the level of another node, which is over if the node has not repeated it for long."""
        return self.level(second) if second <= self._seconds[-1] + _VALID_SECONDS else 0

    def change(self, second: int, level: int) -> None:
        self._seconds.append(second)
        self._levels.append(level)
        if len(self._seconds) > MAX_CHANGES:
            del self._seconds[0], self._levels[0]

    def close_before(self, second: int) -> list[tuple[int, int]]:
        closing = sorted(each for each in self._open if each < second)
        changes: list[tuple[int, int]] = []
        for each in closing:
            level = self._level_for(self._open.pop(each))
            if level != self._levels[-1] or (level and each >= self._seconds[-1] + _REPEATED_SECONDS):
                self.change(each, level)
                changes.append((each, level))
        if closing:
            self._closed_until = closing[-1] + 1
        return changes

    def _level_for(self, seen: int) -> int:
        """Return the smallest level that keeps no more than the rate allows."""
        return max(0, (seen - 1) // self._most_per_second).bit_length()
