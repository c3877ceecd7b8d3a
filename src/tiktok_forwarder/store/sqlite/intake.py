"""Stores new events: admits, numbers and counts them; all requests of a transaction use the same statements."""

from typing import Any

from msgspec import Struct

from tiktok_forwarder.database.thread import Change
from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.store.events import Admission, Arrivals, NewEvent
from tiktok_forwarder.store.rules import check_quotas
from tiktok_forwarder.store.sqlite.known_keys import event_key
from tiktok_forwarder.store.sqlite.statements import packed_subjects
from tiktok_forwarder.store.sqlite.transaction import ROW_BYTES, Lane, Transaction


class Append(Change):
    """Adds the events of one request; has its outcome or error when the transaction's gathered items are finished."""

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__(weight=_arrivals_bytes(arrivals))
        self.arrivals = arrivals

    def work(self, transaction: Transaction) -> None:
        """Raises `StoreFull` before changing anything."""
        if self.arrivals.events and not transaction.takes(self.weight):
            raise StoreFull(f"the event store is full: {transaction.state.limits.append_bytes} bytes are in use")
        transaction.gather(_store_all, self)


class _Incoming(Struct, frozen=True, gc=False):
    event: NewEvent
    key: bytes
    accepted_at_ms: int

    @property
    def held_bytes(self) -> int:
        return len(self.event.payload) + ROW_BYTES


def _arrivals_bytes(arrivals: Arrivals) -> int:
    """Return about how much the events take up in the file."""
    return sum([len(event.payload) for event in arrivals.events]) + len(arrivals.events) * ROW_BYTES


def _store_all(transaction: Transaction, requests: list[Append]) -> None:
    incoming = [
        [_Incoming(event, event_key(event), request.arrivals.accepted_at_ms) for event in request.arrivals.events]
        for request in requests
    ]
    every = [each for of_request in incoming for each in of_request]
    if every:
        _turn_memory(transaction, every[0].accepted_at_ms)
    intake = _Intake(transaction, every)
    for request, of_request in zip(requests, incoming, strict=True):
        try:
            request.outcome = intake.admit(of_request)
        except ConnectionsFull as refusal:
            request.error = refusal
            continue
        for (connection_id, reason), number in request.arrivals.drops.items():
            _drop(transaction, connection_id, reason, number)
    intake.store()


def _turn_memory(transaction: Transaction, now_ms: int) -> None:
    seen = transaction.state.seen
    if seen.turn_is_over(now_ms):
        transaction.on_rollback(seen.begin_turn(now_ms))


class _Intake:
    """Events to be stored: admitted request by request, and written together at the end."""

    def __init__(self, transaction: Transaction, incoming: list[_Incoming]) -> None:
        self._transaction = transaction
        self._state = transaction.state
        self._seen = self._state.seen.repeats([(each.key, each.accepted_at_ms) for each in incoming])
        self._taken: list[tuple[bytes, int]] = []
        self._share_left: dict[str, int] = {}
        self._admitted: dict[Lane, list[_Incoming]] = {}

    def admit(self, incoming: list[_Incoming]) -> list[Admission]:
        """Admit the events of one request. Raises `ConnectionsFull` before changing anything."""
        needed: dict[str, int] = {}
        for key, each in {each.key: each for each in incoming}.items():
            if key not in self._seen:
                connection_id = each.event.connection_id
                needed[connection_id] = needed.get(connection_id, 0) + each.held_bytes
        for connection_id, needed_bytes in needed.items():
            if connection_id not in self._share_left:
                self._share_left[connection_id] = self._room_of(connection_id)
            if needed_bytes > self._share_left[connection_id]:
                before = self._state.limits.connection_bytes
                if self._state.grow():
                    grown = self._state.limits.connection_bytes - before
                    self._share_left = {each: left + grown for each, left in self._share_left.items()}
        check_quotas(needed, self._share_left)
        return [self._admit_one(each) for each in incoming]

    def _room_of(self, connection_id: str) -> int:
        return self._state.limits.connection_bytes - self._state.lanes.held_bytes(connection_id)

    def _admit_one(self, incoming: _Incoming) -> Admission:
        event, key = incoming.event, incoming.key
        connection_id = event.connection_id
        if key in self._seen:
            self._transaction.count(connection_id, "duplicate")
            return "duplicate"
        share_left = self._share_left[connection_id] - incoming.held_bytes
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
        if not self._taken:
            return
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
    event, accepted_at_ms = incoming.event, incoming.accepted_at_ms
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
