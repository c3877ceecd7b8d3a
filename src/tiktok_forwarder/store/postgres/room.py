"""The room of the store: what events take up is counted by lane, and all of them together are bounded."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tiktok_forwarder.domain.errors import ConnectionsFull
from tiktok_forwarder.domain.outcome import CONNECTION_FULL, RECORDED
from tiktok_forwarder.store.postgres.requests import (
    DUPLICATE,
    FULL,
    ONLY_RECORDED,
    REFUSED_BY_QUOTAS,
    REFUSED_BY_STORE,
    STORED,
    Counts,
    Group,
    Request,
)
from tiktok_forwarder.store.rules import check_quotas, storage_quota, stored_bytes

# As long as so large a part is free, processes need not wait for each other to know that their groups fit: together
# these are smaller, if so many processes store groups at the same time.
_AMPLE_PART: Final = 16
_MAX_PROCESSES: Final = 16


class Admitted(NamedTuple):
    """What becomes of a group: a letter and, if it is stored, the place (from 1) of each event; keys to forget."""

    admissions: str
    places: list[int]
    unused_keys: set[bytes]
    counts: Counts


class Room:
    """The bounds of the store. `refused_bytes` is the size of what was last refused; 0 once events are stored again."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.connection_bytes = storage_quota(max_bytes)
        self.refused_bytes = 0

    @property
    def ample_bytes(self) -> int:
        return self.max_bytes - self.max_bytes // _AMPLE_PART

    @property
    def ample_connection_bytes(self) -> int:
        return self.connection_bytes - self.connection_bytes // _AMPLE_PART

    def is_small(self, size: int) -> bool:
        """Return whether a group is so small that the groups of all processes fit in the part that is kept free."""
        return size * _MAX_PROCESSES <= self.connection_bytes // _AMPLE_PART

    def is_full(self, used_bytes: int) -> bool:
        """Return whether what was last refused would be refused again."""
        return used_bytes + self.refused_bytes > self.max_bytes

    def admit(self, group: Group, new_keys: set[bytes], held: Mapping[str | None, int]) -> Admitted:
        """Admit the events of each request in order. `held` is by connection, and under None that of all together."""
        return _Admission(self, group, new_keys, held).admit_all()


class _Admission:
    def __init__(self, room: Room, group: Group, new_keys: set[bytes], held: Mapping[str | None, int]) -> None:
        self._room = room
        self._group = group
        self._unused = set(new_keys)
        self._left_of_all = room.max_bytes - held[None]
        self._left = {key: room.connection_bytes - size for key, size in held.items() if key is not None}
        self._counts = Counts()

    def admit_all(self) -> Admitted:
        admissions = "".join([self._admit(request) for request in self._group.requests])
        places = [place for place, admission in enumerate(admissions, 1) if admission == STORED]
        return Admitted(admissions, places, self._unused, self._counts)

    def _admit(self, request: Request) -> str:
        if request.size and request.size > self._left_of_all:
            self._room.refused_bytes = request.size
            return REFUSED_BY_STORE * len(request.keys)
        try:
            check_quotas(self._needed(request), self._left)
        except ConnectionsFull:
            return REFUSED_BY_QUOTAS * len(request.keys)
        if request.size:
            self._room.refused_bytes = 0
        request.count_drops(self._counts)
        return "".join([self._admit_one(request, place) for place in range(len(request.keys))])

    def _needed(self, request: Request) -> dict[str, int]:
        needed: dict[str, int] = {}
        counted: set[bytes] = set()
        for event, key in zip(request.arrivals.events, request.keys, strict=True):
            if key in self._unused and key not in counted and not event.is_recorded:
                counted.add(key)
                needed[event.connection_id] = needed.get(event.connection_id, 0) + stored_bytes(event)
        return needed

    def _admit_one(self, request: Request, place: int) -> str:
        event, key = request.arrivals.events[place], request.keys[place]
        if key not in self._unused:
            self._counts.add(event.connection_id, "duplicate")
            return DUPLICATE
        if event.is_recorded:
            self._counts.drop(event.connection_id, RECORDED)
            self._unused.remove(key)
            return ONLY_RECORDED
        size = stored_bytes(event)
        if size > self._left[event.connection_id]:
            self._counts.drop(event.connection_id, CONNECTION_FULL)
            return FULL
        self._unused.remove(key)
        self._left[event.connection_id] -= size
        self._left_of_all -= size
        return STORED
