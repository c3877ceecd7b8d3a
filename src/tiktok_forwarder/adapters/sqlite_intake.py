"""New events into the database: admitted, numbered, counted."""

from typing import Any

from tiktok_forwarder.adapters.sqlite_lanes import ROW_BYTES, Lane
from tiktok_forwarder.adapters.sqlite_rows import packed_subjects
from tiktok_forwarder.adapters.sqlite_seen import event_key
from tiktok_forwarder.adapters.sqlite_transaction import Transaction
from tiktok_forwarder.domain.errors import StoreFull
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.ports import Admission, Arrivals, NewEvent


def append(transaction: Transaction, arrivals: Arrivals) -> list[Admission]:
    """Raises `StoreFull` before anything is changed."""
    if arrivals.events and not transaction.takes(arrivals_bytes(arrivals)):
        raise StoreFull(f"the store is full: {transaction.state.limits.append_bytes} bytes are in use")
    for (connection_id, reason), number in arrivals.drops.items():
        _drop(transaction, connection_id, reason, number)
    if transaction.state.seen.turn_is_over(arrivals.accepted_at_ms):
        transaction.on_rollback(transaction.state.seen.reload)
        transaction.state.seen.begin_turn(arrivals.accepted_at_ms)
    intake = _Intake(transaction, arrivals.accepted_at_ms)
    admissions = [intake.admit(event) for event in arrivals.events]
    intake.store()
    return admissions


def arrivals_bytes(arrivals: Arrivals) -> int:
    """About what the events take up in the file."""
    return sum(len(event.payload) + ROW_BYTES for event in arrivals.events)


class _Intake:
    """The events of one request on their way in, written at once at the end."""

    def __init__(self, transaction: Transaction, now_ms: int) -> None:
        self._transaction = transaction
        self._state = transaction.state
        self._now_ms = now_ms
        self._share_left: dict[str, int] = {}
        self._admitted: dict[Lane, list[NewEvent]] = {}

    def admit(self, event: NewEvent) -> Admission:
        key, seen = event_key(event), self._state.seen
        size_bytes = len(event.payload) + ROW_BYTES
        is_full = size_bytes > self._share_of(event.connection_id)
        if seen.contains(key, self._now_ms) if is_full else not seen.is_new(key, self._now_ms):
            self._transaction.count(event.connection_id, "duplicate")
            return "duplicate"
        if is_full:
            _drop(self._transaction, event.connection_id, CONNECTION_FULL, 1)
            return CONNECTION_FULL
        self._share_left[event.connection_id] -= size_bytes
        lane = self._state.lanes.of(event.connection_id, event.wire_form)
        self._admitted.setdefault(lane, []).append(event)
        return "stored"

    def store(self) -> None:
        for lane, events in self._admitted.items():
            first_no = self._state.next_event_no
            self._state.next_event_no += len(events)
            self._transaction.run_many(
                "add_event", [self._row(lane, event_no, event) for event_no, event in enumerate(events, first_no)]
            )
            self._transaction.books_of(lane).stored(len(events), sum(len(event.payload) for event in events))
            self._transaction.count(lane.connection_id, "accepted", len(events))

    def _share_of(self, connection_id: str) -> int:
        """What the connection may still take up."""
        left = self._share_left.get(connection_id)
        if left is None:
            left = self._state.limits.connection_bytes - self._state.lanes.held_bytes(connection_id)
            self._share_left[connection_id] = left
        return left

    def _row(self, lane: Lane, event_no: int, event: NewEvent) -> tuple[Any, ...]:
        return (
            lane.lane_no,
            event_no,
            event.connection_revision,
            event.event_name,
            event.event_id,
            self._now_ms,
            packed_subjects(event.subjects),
            event.payload,
        )


def _drop(transaction: Transaction, connection_id: str, reason: str, number: int) -> None:
    transaction.count(connection_id, "accepted", number)
    transaction.count(connection_id, "dropped", number, reason)
