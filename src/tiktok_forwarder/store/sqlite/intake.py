"""Stores new events: admits, numbers and counts them; all requests of a transaction use the same statements."""

from typing import Any, NamedTuple

from tiktok_forwarder.domain.errors import StoreFull
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.store.events import Admission, Arrivals, NewEvent
from tiktok_forwarder.store.sqlite.statements import packed_subjects
from tiktok_forwarder.store.sqlite.transaction import ROW_BYTES, Lane, Transaction, event_key


class _Request(NamedTuple):
    """One request. `admissions` is empty until the transaction's requests are stored."""

    arrivals: Arrivals
    admissions: list[Admission]


class _Incoming(NamedTuple):
    event: NewEvent
    key: bytes
    accepted_at_ms: int


def append(transaction: Transaction, arrivals: Arrivals) -> list[Admission]:
    """Add a request's events. Raises `StoreFull` before changing anything.

    The returned list is filled when the gathered items are finished.
    """
    if arrivals.events and not transaction.takes(arrivals_bytes(arrivals)):
        raise StoreFull(f"the event store is full: {transaction.state.limits.append_bytes} bytes are in use")
    for (connection_id, reason), number in arrivals.drops.items():
        _drop(transaction, connection_id, reason, number)
    request = _Request(arrivals, [])
    transaction.gather(_store_all, request)
    return request.admissions


def arrivals_bytes(arrivals: Arrivals) -> int:
    """Return about how much the events take up in the file."""
    return sum([len(event.payload) for event in arrivals.events]) + len(arrivals.events) * ROW_BYTES


def _store_all(transaction: Transaction, requests: list[_Request]) -> None:
    incoming = [
        _Incoming(event, event_key(event), arrivals.accepted_at_ms)
        for arrivals, _ in requests
        for event in arrivals.events
    ]
    if not incoming:
        return
    _turn_memory(transaction, incoming[0].accepted_at_ms)
    intake = _Intake(transaction, incoming)
    for arrivals, admissions in requests:
        admissions += [intake.admit_next() for _ in arrivals.events]
    intake.store()


def _turn_memory(transaction: Transaction, now_ms: int) -> None:
    seen = transaction.state.seen
    if seen.turn_is_over(now_ms):
        transaction.on_rollback(seen.begin_turn(now_ms))


class _Intake:
    """Events to be stored: admitted in order, and written together at the end."""

    def __init__(self, transaction: Transaction, incoming: list[_Incoming]) -> None:
        self._transaction = transaction
        self._state = transaction.state
        self._incoming = iter(incoming)
        self._seen = self._state.seen.repeats([(each.key, each.accepted_at_ms) for each in incoming])
        self._taken: list[tuple[bytes, int]] = []
        self._share_left: dict[str, int] = {}
        self._admitted: dict[Lane, list[_Incoming]] = {}

    def admit_next(self) -> Admission:
        incoming = next(self._incoming)
        event, key = incoming.event, incoming.key
        connection_id = event.connection_id
        if key in self._seen:
            self._transaction.count(connection_id, "duplicate")
            return "duplicate"
        share_left = self._share_left.get(connection_id)
        if share_left is None:
            share_left = self._state.limits.connection_bytes - self._state.lanes.held_bytes(connection_id)
        share_left -= len(event.payload) + ROW_BYTES
        if share_left < 0:
            _drop(self._transaction, connection_id, CONNECTION_FULL, 1)
            return CONNECTION_FULL
        self._share_left[connection_id] = share_left
        self._seen.add(key)
        self._taken.append((key, incoming.accepted_at_ms))
        lane = self._state.lanes.get(connection_id, event.wire_form)
        self._admitted.setdefault(lane, []).append(incoming)
        return "stored"

    def store(self) -> None:
        self._state.seen.remember(self._taken)
        for lane, admitted in self._admitted.items():
            first_no = self._state.next_event_no
            self._state.next_event_no += len(admitted)
            rows = [_row(lane, event_no, each) for event_no, each in enumerate(admitted, first_no)]
            self._transaction.run_wide("add_event", rows)
            payload_bytes = sum([len(each.event.payload) for each in admitted])
            self._transaction.lane_for_update(lane).add_waiting(len(admitted), payload_bytes)
            self._transaction.count(lane.connection_id, "accepted", len(admitted))


def _row(lane: Lane, event_no: int, incoming: _Incoming) -> tuple[Any, ...]:
    event, _, accepted_at_ms = incoming
    return (
        lane.lane_no,
        event_no,
        event.connection_revision,
        event.event_name,
        event.event_id,
        accepted_at_ms,
        packed_subjects(event.subjects),
        event.payload,
    )


def _drop(transaction: Transaction, connection_id: str, reason: str, number: int) -> None:
    transaction.count(connection_id, "accepted", number)
    transaction.count(connection_id, "dropped", number, reason)
