"""How far replays have come: which events each one sent on its way again, remembered while the process lives."""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

from msgspec import Struct

from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.store.events import EventStore

# Eight bytes each.
_MOST_EVENTS: Final = 1_000_000


class ReplayProgress(Struct, frozen=True):
    """Of so many events, how many still wait and how many are dead letters again.

    The rest is `delivered`, but for what was erased or discarded meanwhile.
    """

    replay_no: int
    at_ms: int
    events: int
    delivered: int
    waiting: int
    dead_letters: int


class _Replay(Struct, frozen=True):
    at_ms: int
    event_nos: Mapping[str, Sequence[int]]

    @property
    def size(self) -> int:
        return sum(map(len, self.event_nos.values()))


class Replays:
    """The newest replays, by number; older ones are forgotten once they hold too many events together."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._replays: dict[int, _Replay] = {}

    def add(self, event_nos: Mapping[str, Sequence[int]], now_ms: int) -> int:
        """Remember these events by connection; the number to ask with is returned."""
        number = next(self._numbers)
        self._replays[number] = _Replay(now_ms, event_nos)
        while len(self._replays) > 1 and sum(each.size for each in self._replays.values()) > _MOST_EVENTS:
            del self._replays[min(self._replays)]
        return number

    async def progress(self, replay_no: int, store: EventStore) -> ReplayProgress:
        """Raises `UnknownName`."""
        replay = self._replays.get(replay_no)
        if replay is None:
            raise UnknownName(f"there is no replay {replay_no}: it is too long ago, or was before the service's start")
        waiting = dead = 0
        for connection_id, event_nos in replay.event_nos.items():
            found = await store.whereabouts(connection_id, event_nos)
            waiting, dead = waiting + found.waiting, dead + found.dead_letters
        delivered = replay.size - waiting - dead
        return ReplayProgress(replay_no, replay.at_ms, replay.size, delivered, waiting, dead)
