"""Requests on their way into the database: encoded one by one, stored as a group."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from tiktok_forwarder.domain.errors import StoreFull
from tiktok_forwarder.store.encoding import event_key, packed_subjects
from tiktok_forwarder.store.postgres.node import LaneName, Node
from tiktok_forwarder.store.queue import Admission, Arrivals
from tiktok_forwarder.store.rules import quotas_used_up, stored_bytes

STORED: Final = "s"
DUPLICATE: Final = "d"
FULL: Final = "f"
ONLY_RECORDED: Final = "r"
REFUSED_BY_STORE: Final = "x"
REFUSED_BY_QUOTAS: Final = "q"
_ADMISSION_OF: Final[dict[str, Admission]] = {
    STORED: "stored",
    DUPLICATE: "duplicate",
    FULL: "connection_full",
    ONLY_RECORDED: "recorded",
}
_REFUSAL_OF: Final[dict[str, Callable[[], StoreFull]]] = {
    REFUSED_BY_STORE: lambda: StoreFull("the event store is full: max_store_bytes are in use"),
    REFUSED_BY_QUOTAS: quotas_used_up,
}


class Request:
    """One call of `append`. Encoding it may raise, for which it alone is at fault."""

    def __init__(self, arrivals: Arrivals, done: "asyncio.Future[Sequence[Admission]]") -> None:
        events = arrivals.events
        self.arrivals = arrivals
        self.done = done
        self.keys = [event_key(event) for event in events]
        self.lanes: list[LaneName] = [(event.connection_id, event.wire_form) for event in events]
        self.names = [event.event_name.encode() for event in events]
        self.ids = [event.event_id.encode() for event in events]
        self.subjects = [packed_subjects(event.subjects) for event in events]
        self.payloads = [b"" if event.is_recorded else event.payload for event in events]
        self.size = sum([stored_bytes(event) for event in events])

    def count_drops(self, counts: "Counts") -> None:
        for (connection_id, reason), number in self.arrivals.drops.items():
            counts.drop(connection_id, reason, number)

    def answer(self, admissions: str) -> None:
        """Give the caller what became of each event; a refused request has one letter for each event."""
        if admissions[:1] in _REFUSAL_OF:
            self.fail(_REFUSAL_OF[admissions[0]]())
        elif not self.done.done():
            self.done.set_result([_ADMISSION_OF[admission] for admission in admissions])

    def fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Counts:
    """Counts of a transaction, as columns."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, str], int] = {}

    def add(self, connection_id: str, counter: str, number: int = 1, reason: str = "") -> None:
        key = (connection_id, counter, reason)
        self._numbers[key] = self._numbers.get(key, 0) + number

    def drop(self, connection_id: str, reason: str, number: int = 1) -> None:
        self.add(connection_id, "accepted", number)
        self.add(connection_id, "dropped", number, reason)

    def columns(self) -> tuple[list[str], list[str], list[str], list[int]]:
        keys = list(self._numbers)
        return [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys], [*self._numbers.values()]


class Group:
    """The requests of one transaction, with the columns of their events.

    The number distinguishes the group from the others of its process, so that it is stored once though it may be asked
    for again.
    """

    def __init__(self, number: int, requests: Sequence[Request]) -> None:
        self.number = number
        self.requests = requests
        self.keys = [key for request in requests for key in request.keys]
        self.events = [event for request in requests for event in request.arrivals.events]
        self.times_ms = [
            request.arrivals.accepted_at_ms for request in requests for _ in range(len(request.arrivals.events))
        ]
        self._names = [name for request in requests for name in request.names]
        self._ids = [event_id for request in requests for event_id in request.ids]
        self._subjects = [subjects for request in requests for subjects in request.subjects]
        self._payloads = [payload for request in requests for payload in request.payloads]
        self._revisions = [event.connection_revision for event in self.events]
        self.lane_nos: list[int] = []

    @property
    def size(self) -> int:
        return sum([request.size for request in self.requests])

    @property
    def now_ms(self) -> int:
        return self.requests[0].arrivals.accepted_at_ms

    @property
    def columns(self) -> tuple[list[Any], ...]:
        """Return the columns of the events, in the order of the parameters of `add_events`."""
        return (
            self.lane_nos,
            self._revisions,
            self._names,
            self._ids,
            self.times_ms,
            self._subjects,
            self._payloads,
        )

    @property
    def needed_bytes(self) -> dict[str, int]:
        """Return what the events of each connection take up, if all of them are new."""
        needed: dict[str, int] = {}
        for event in self.events:
            if not event.is_recorded:
                needed[event.connection_id] = needed.get(event.connection_id, 0) + stored_bytes(event)
        return needed

    @property
    def recorded_places(self) -> list[int]:
        """Return the places, from 1, of the events that are only recorded."""
        return [place for place, event in enumerate(self.events, 1) if event.is_recorded]

    async def find_lanes(self, node: Node) -> None:
        names = [name for request in self.requests for name in request.lanes]
        numbers = await node.lane_numbers(names) if names else {}
        self.lane_nos = [numbers[name] for name in names]

    def answer(self, admissions: str) -> None:
        """Give each request its part of the admissions."""
        start = 0
        for request in self.requests:
            end = start + len(request.keys)
            request.answer(admissions[start:end])
            start = end
