"""Accepts requests: a request's bytes become stored events, durable before the answer."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final, Protocol

from msgspec import Struct

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.domain.outcome import CONNECTION_FULL, Dropped, Mapped
from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.redaction.memory import forget_texts
from tiktok_forwarder.mapping.visitor import note_request
from tiktok_forwarder.mparticle.batch import Batch, DeviceInfo, Event, NotABatch
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.store.queue import Admission, Arrivals, EventQueue, NewEvent

SUBJECT_BYTES: Final = 8


class DroppedEvent(Struct, frozen=True, gc=False):
    """An event of a request that does not go to this connection; None was not an object."""

    connection_id: str
    dropped: Dropped
    event: Event | None
    batch: Batch


class AdmittedEvent(Struct, gc=False):
    """A mapped event of a request, its original as received, and the store's decision, once there is one."""

    event: NewEvent
    mapped: Mapped
    original: Event | None
    admission: Admission = "stored"


class Acceptance(Struct, frozen=True):
    """The stored results of a request: mapped events by connection ID, and drops, counted as in `Arrivals`."""

    input_name: str
    accepted_at_ms: int
    admitted: Mapping[str, Sequence[AdmittedEvent]]
    drops: Sequence[DroppedEvent]
    drop_counts: Mapping[tuple[str, str], int]


Done = Callable[[Acceptance | None, Exception | None], None]
"""Receives the acceptance of a request, or its error. Called once; raises nothing."""


class AcceptObserver(Protocol):
    """Receives the contents of requests and what became of them. Calls are synchronous and must be quick."""

    def on_warnings(self, connection_id: str, warning: str) -> None:
        """A mapped event carries this warning."""
        ...

    def on_received(self, input_name: str, batches: int, events: int) -> None: ...

    def on_connection_full(self, connection_id: str, events: int) -> None:
        """New events of a request were dropped, because the connection's storage quota is used up."""
        ...

    def on_events_not_kept(self, input_name: str, events: int) -> None:
        """The input of a request with these events feeds no connection."""
        ...

    def on_stored(self, seconds: float) -> None:
        """The store took this long to make a request durable."""
        ...

    def on_historical(self, input_name: str, events: int) -> None:
        """Events that are accepted and by mParticle's own rule never forwarded."""
        ...

    def on_request(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        """A request was read; its contents are durable now. Must not raise, nor keep its arguments."""
        ...

    def on_accepted(self, acceptance: Acceptance) -> None:
        """The acceptance is durable now, and counted in the store's totals.

        Must not raise: the sender would repeat it.
        """
        ...


class Visitor(Struct, frozen=True):
    """The visitor of a page whose browser sends a request itself. An empty text is unknown."""

    ip: str
    user_agent: str


class SubjectHash:
    """Makes keyed 64-bit hashes of what identifies a person: an erasure finds the person's events, no one else can."""

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=SUBJECT_BYTES)

    def hash_of(self, subject: str) -> int:
        hashed = self._keyed.copy()
        hashed.update(subject.encode())
        return int.from_bytes(hashed.digest(), "big")


def _set_visitor(batch: Batch, visitor: Visitor) -> None:
    """Replace what the batch says about its sender: a page cannot know its visitor's address, but may state any."""
    batch.ip = visitor.ip or None
    if batch.device_info is None:
        batch.device_info = DeviceInfo()
    batch.device_info.http_header_user_agent = visitor.user_agent or None


def _check_for_batches(batches: Sequence[Batch]) -> None:
    """Raise `UnreadableBody` if the request has no batch, only what its sender took for one."""
    problems = [batch.problem for batch in batches if isinstance(batch, NotABatch)]
    if problems and len(problems) == len(batches):
        raise UnreadableBody(problems[0])


class _Request(Struct):
    """One request, and its outcomes so far."""

    sender: Input
    batches: list[Batch]
    at_ms: int
    done: Done
    visitor: Visitor | None
    admitted: dict[str, list[AdmittedEvent]] = {}
    drops: list[DroppedEvent] = []


class Acceptor:
    """Accepts requests from known inputs. Events are stored, or counted if dropped, when a method returns."""

    def __init__(
        self,
        queue: EventQueue,
        connections: Connections,
        clock: Clock,
        subject_hash: SubjectHash,
        bounds: Bounds,
        *,
        observer: AcceptObserver,
    ) -> None:
        self._queue = queue
        self._connections = connections
        self._clock = clock
        self._subject_hash = subject_hash
        self._bounds = bounds
        self._observer = observer

    async def accept(self, body: bytes, sender: Input, only: str | None = None) -> Acceptance | None:
        """Accept a request; return what was stored and dropped, durable now, or None if there was nothing to do.

        With the ID of a connection in `only`, the other connections that the input feeds are skipped.

        Raises `UnreadableBody` if nothing can be read or nothing of it is a batch (which is counted all the same),
        `StoreFull` (also as `ConnectionsFull`) and `StoreUnavailable` if nothing was stored.
        """
        accepted: asyncio.Future[Acceptance | None] = asyncio.get_running_loop().create_future()

        def done(acceptance: Acceptance | None, error: Exception | None) -> None:
            if accepted.done():
                return
            if error is not None:
                accepted.set_exception(error)
            else:
                accepted.set_result(acceptance)

        self.accept_soon(body, sender, done, only)
        return await accepted

    def accept_soon(
        self, body: bytes, sender: Input, done: Done, only: str | None = None, visitor: Visitor | None = None
    ) -> None:
        """Accept a request as `accept` does, without a task: call `done` with its result or its error.

        All its batches are of `visitor`, if one is given, whatever they say.

        Raises errors that are known before anything is stored.
        """
        at_ms = self._clock.now_ms()
        batches = parse_body(body, self._bounds)
        self._observer.on_received(sender.name, len(batches), _count_events(batches))
        if visitor is not None:
            for batch in batches:
                _set_visitor(batch, visitor)
        request = _Request(sender, batches, at_ms, done, visitor)
        try:
            for mapper in self._connections.mappers_of(sender.name):
                if only is not None and mapper.connection.id != only:
                    continue
                for batch in batches:
                    self._map(mapper, batch, request)
        finally:
            forget_texts()
        if request.admitted or request.drops:
            self._store_all(request)
        else:
            self._report_idle_input(request)
            self._finish(request, None)

    def accept_historical(self, body: bytes, input_name: str) -> None:
        """Read and count a request only: mParticle does not forward historical events either.

        Raises `UnreadableBody` if nothing can be read or nothing of it is a batch (which is counted all the same).
        """
        batches = parse_body(body, self._bounds)
        self._observer.on_historical(input_name, _count_events(batches))
        _check_for_batches(batches)

    def _map(self, mapper: Mapper, batch: Batch, request: _Request) -> None:
        connection = mapper.connection
        subjects: tuple[int, ...] | None = None
        outcomes = mapper.map_batch(batch, request.at_ms, allows_purchases=request.sender.allows_purchases)
        for outcome in outcomes:
            event = batch.events[outcome.event_index] if batch.events else None
            if not isinstance(outcome, Mapped):
                request.drops.append(DroppedEvent(connection.id, outcome, event, batch))
                continue
            if request.visitor is not None:
                note_request(connection, outcome.sources)
            if subjects is None:
                # A batch is one user's, so its events have the same subjects.
                subjects = tuple([self._subject_hash.hash_of(subject) for subject in outcome.identifiers])
            for warning in outcome.warnings:
                self._observer.on_warnings(connection.id, warning)
            admitted = request.admitted.setdefault(connection.id, [])
            admitted.append(AdmittedEvent(_new_event(connection, outcome, subjects), outcome, event))

    def _store_all(self, request: _Request) -> None:
        drops: dict[tuple[str, str], int] = {}
        for each in request.drops:
            key = (each.connection_id, each.dropped.reason)
            drops[key] = drops.get(key, 0) + 1
        started = self._clock.monotonic_seconds()
        events = [each.event for admitted in request.admitted.values() for each in admitted]
        storing = self._queue.append(Arrivals(events, drops, request.at_ms))
        storing.add_done_callback(partial(self._stored, request, drops, started))

    def _stored(
        self,
        request: _Request,
        drops: Mapping[tuple[str, str], int],
        started: float,
        storing: asyncio.Future[Sequence[Admission]],
    ) -> None:
        try:
            admissions = iter(storing.result())
            self._observer.on_stored(self._clock.monotonic_seconds() - started)
            for admitted in request.admitted.values():
                for each in admitted:
                    each.admission = next(admissions)
            acceptance = Acceptance(request.sender.name, request.at_ms, request.admitted, request.drops, drops)
            self._observer.on_accepted(acceptance)
            self._report_full_connections(acceptance)
            self._finish(request, acceptance)
        except Exception as error:
            request.done(None, error)

    def _finish(self, request: _Request, acceptance: Acceptance | None) -> None:
        self._observer.on_request(request.sender.name, request.batches, request.at_ms)
        _check_for_batches(request.batches)
        request.done(acceptance, None)

    def _report_idle_input(self, request: _Request) -> None:
        if not self._connections.mappers_of(request.sender.name) and (events := _count_events(request.batches)):
            self._observer.on_events_not_kept(request.sender.name, events)

    def _report_full_connections(self, acceptance: Acceptance) -> None:
        for connection_id, admitted in acceptance.admitted.items():
            if refused := [each.admission for each in admitted].count(CONNECTION_FULL):
                self._observer.on_connection_full(connection_id, refused)


def _new_event(connection: Connection, mapped: Mapped, subjects: tuple[int, ...]) -> NewEvent:
    return NewEvent(
        connection.id,
        connection.revision,
        connection.events_api,
        mapped.event,
        mapped.event_id,
        mapped.payload,
        subjects,
        connection.is_recording,
    )


def _count_events(batches: list[Batch]) -> int:
    return sum([len(batch.events) for batch in batches if batch.events])
