"""Stores new events: admits, numbers and counts them; all requests of a transaction use the same statements."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from tiktok_forwarder.database.thread import Change
from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.store.events import Admission, Arrivals, NewEvent
from tiktok_forwarder.store.rules import check_quotas, is_repeat
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


def _arrivals_bytes(arrivals: Arrivals) -> int:
    """Return about how much the events take up in the file."""
    return sum([len(event.payload) for event in arrivals.events]) + len(arrivals.events) * ROW_BYTES


def _store_all(transaction: Transaction, appends: list[Append]) -> None:
    keys = [[event_key(event) for event in append.arrivals.events] for append in appends]
    if any(keys):
        _turn_tables(transaction, appends[0].arrivals.accepted_at_ms)
    intake = _Intake(transaction, keys)
    for append, keys_of_append in zip(appends, keys, strict=True):
        try:
            append.outcome = intake.admit(append.arrivals, keys_of_append)
        except ConnectionsFull as refusal:
            append.error = refusal
            continue
        for (connection_id, reason), number in append.arrivals.drops.items():
            _drop(transaction, connection_id, reason, number)
    intake.store()


def _turn_tables(transaction: Transaction, now_ms: int) -> None:
    tables = transaction.state.known_keys.tables
    if tables.turn_is_over(now_ms):
        transaction.on_rollback(tables.begin_turn(now_ms))


class _Intake:
    """Events to be stored: admitted request by request, and written together at the end."""

    def __init__(self, transaction: Transaction, keys: Iterable[Sequence[bytes]]) -> None:
        self._transaction = transaction
        self._state = transaction.state
        self._known = self._state.known_keys.latest(dict.fromkeys(chain.from_iterable(keys)))
        self._accepted: dict[bytes, int] = {}
        self._share_left: dict[str, int] = {}
        self._admitted: dict[Lane, list[tuple[NewEvent, int]]] = {}

    def admit(self, arrivals: Arrivals, keys: Sequence[bytes]) -> list[Admission]:
        """Admit the events of one request. Raises `ConnectionsFull` before changing anything."""
        now_ms = arrivals.accepted_at_ms
        new: set[bytes] = set()
        needed: dict[str, int] = {}
        for event, key in zip(arrivals.events, keys, strict=True):
            if key not in new and not is_repeat(self._known.get(key), now_ms):
                new.add(key)
                needed[event.connection_id] = needed.get(event.connection_id, 0) + _row_bytes(event)
        for connection_id, needed_bytes in needed.items():
            self._find_share(connection_id, needed_bytes)
        check_quotas(needed, self._share_left)
        return [self._admit_one(event, key, now_ms, new) for event, key in zip(arrivals.events, keys, strict=True)]

    def _find_share(self, connection_id: str, needed_bytes: int) -> None:
        """Find what is left of the connection's quota; raise the store's limits if that is too little."""
        if connection_id not in self._share_left:
            held_bytes = self._state.lanes.held_bytes(connection_id)
            self._share_left[connection_id] = self._state.limits.connection_bytes - held_bytes
        if needed_bytes > self._share_left[connection_id]:
            before = self._state.limits.connection_bytes
            if self._state.grow():
                grown = self._state.limits.connection_bytes - before
                self._share_left = {each: left + grown for each, left in self._share_left.items()}

    def _admit_one(self, event: NewEvent, key: bytes, now_ms: int, new: set[bytes]) -> Admission:
        """Admit an event if its key is new, and remove that from `new`: another event of it is a duplicate."""
        connection_id = event.connection_id
        if key not in new:
            self._transaction.count(connection_id, "duplicate")
            return "duplicate"
        share_left = self._share_left[connection_id] - _row_bytes(event)
        if share_left < 0:
            _drop(self._transaction, connection_id, CONNECTION_FULL, 1)
            return CONNECTION_FULL
        self._share_left[connection_id] = share_left
        new.remove(key)
        self._known[key] = self._accepted[key] = now_ms
        lane = self._state.lanes.get(connection_id, event.wire_form)
        self._admitted.setdefault(lane, []).append((event, now_ms))
        return "stored"

    def store(self) -> None:
        if not self._accepted:
            return
        state = self._state
        self._transaction.on_rollback(state.known_keys.add(self._accepted, state.next_event_no))
        for lane, admitted in self._admitted.items():
            first_no = state.next_event_no
            state.next_event_no += len(admitted)
            rows = [_row(lane, event_no, *each) for event_no, each in enumerate(admitted, first_no)]
            self._transaction.run_wide("add_event", rows)
            payload_bytes = sum([len(event.payload) for event, _ in admitted])
            self._transaction.lane_for_update(lane).add_waiting(len(admitted), payload_bytes)
            self._transaction.count(lane.connection_id, "accepted", len(admitted))


def _row_bytes(event: NewEvent) -> int:
    return len(event.payload) + ROW_BYTES


def _row(lane: Lane, event_no: int, event: NewEvent, accepted_at_ms: int) -> tuple[Any, ...]:
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
