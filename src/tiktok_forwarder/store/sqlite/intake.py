"""Stores new events: admits, numbers and counts them; all requests of a transaction use the same statements."""

from collections.abc import Iterable, Sequence
from itertools import chain

from tiktok_forwarder.database.thread import Change
from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull
from tiktok_forwarder.domain.outcome import CONNECTION_FULL, RECORDED, WireFormName
from tiktok_forwarder.store.encoding import event_key, packed_subjects
from tiktok_forwarder.store.queue import Admission, Arrivals, NewEvent
from tiktok_forwarder.store.rules import check_quotas, is_repeat, stored_bytes
from tiktok_forwarder.store.sqlite.transaction import Transaction


class Append(Change):
    """Adds the events of one request; has its outcome or error when the transaction's gathered items are finished."""

    __slots__ = ("arrivals",)

    def __init__(self, arrivals: Arrivals) -> None:
        super().__init__(weight=_arrivals_bytes(arrivals))
        self.arrivals = arrivals

    def work(self, transaction: Transaction) -> None:
        """Raises `StoreFull` before changing anything."""
        if self.weight and not transaction.takes(self.weight):
            raise StoreFull(f"the event store is full: {transaction.state.limits.append_bytes} bytes are in use")
        transaction.gather(_store_all, self)


def _arrivals_bytes(arrivals: Arrivals) -> int:
    """Return about how much the events take up in the file."""
    return sum([stored_bytes(event) for event in arrivals.events])


def _store_all(transaction: Transaction, appends: list[Append]) -> None:
    keys = [[event_key(event) for event in append.arrivals.events] for append in appends]
    if any(keys):
        _turn_tables(transaction, appends[0].arrivals.accepted_at_ms)
    intake = _Intake(transaction, [append.arrivals for append in appends], keys)
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

    def __init__(self, transaction: Transaction, requests: Iterable[Arrivals], keys: Iterable[Sequence[bytes]]) -> None:
        self._transaction = transaction
        self._state = transaction.state
        self._known = self._state.known_keys.latest(dict.fromkeys(chain.from_iterable(keys)))
        self._accepted: dict[bytes, int] = {}
        self._admitted: dict[tuple[str, WireFormName], list[tuple[NewEvent, int]]] = {}
        self._recorded = 0
        # What is left of the quotas, by connection; empty if all events have room, as nearly always.
        self._share_left: dict[str, int] = {}
        self._find_shares(chain.from_iterable([request.events for request in requests]))

    def _find_shares(self, events: Iterable[NewEvent]) -> None:
        needed: dict[str, int] = {}
        for event in events:
            needed[event.connection_id] = needed.get(event.connection_id, 0) + stored_bytes(event)
        left = {each: self._state.limits.connection_bytes - self._state.lanes.held_bytes(each) for each in needed}
        if any([left[each] < needed[each] for each in needed]):
            self._share_left = left

    def admit(self, arrivals: Arrivals, keys: Sequence[bytes]) -> list[Admission]:
        """Admit the events of one request. Raises `ConnectionsFull` before changing anything."""
        now_ms = arrivals.accepted_at_ms
        if self._share_left:
            self._check_quotas(arrivals, keys)
        return [self._admit_one(event, key, now_ms) for event, key in zip(arrivals.events, keys, strict=True)]

    def _check_quotas(self, arrivals: Arrivals, keys: Sequence[bytes]) -> None:
        new: set[bytes] = set()
        needed: dict[str, int] = {}
        for event, key in zip(arrivals.events, keys, strict=True):
            is_new = key not in new and not is_repeat(self._known.get(key), arrivals.accepted_at_ms)
            if is_new and not event.is_recorded:
                new.add(key)
                needed[event.connection_id] = needed.get(event.connection_id, 0) + stored_bytes(event)
        for connection_id, needed_bytes in needed.items():
            if needed_bytes > self._share_left[connection_id]:
                self._grow_shares()
        check_quotas(needed, self._share_left)

    def _grow_shares(self) -> None:
        """Raise the store's limits, if the disk has more space by now."""
        before = self._state.limits.connection_bytes
        if self._state.grow():
            grown = self._state.limits.connection_bytes - before
            self._share_left = {each: left + grown for each, left in self._share_left.items()}

    def _admit_one(self, event: NewEvent, key: bytes, now_ms: int) -> Admission:
        """Admit an event if its key is new; another event of the key is a duplicate then."""
        connection_id = event.connection_id
        if is_repeat(self._known.get(key), now_ms):
            self._transaction.count(connection_id, "duplicate")
            return "duplicate"
        if event.is_recorded:
            self._recorded += 1
            self._known[key] = self._accepted[key] = now_ms
            _drop(self._transaction, connection_id, RECORDED, 1)
            return RECORDED
        if self._share_left:
            share_left = self._share_left[connection_id] - stored_bytes(event)
            if share_left < 0:
                _drop(self._transaction, connection_id, CONNECTION_FULL, 1)
                return CONNECTION_FULL
            self._share_left[connection_id] = share_left
        self._known[key] = self._accepted[key] = now_ms
        self._admitted.setdefault((connection_id, event.wire_form), []).append((event, now_ms))
        return "stored"

    def store(self) -> None:
        if not self._accepted:
            return
        state = self._state
        self._transaction.on_rollback(state.known_keys.add(self._accepted, state.next_event_no))
        # The log of keys needs a number of its own for each commit, whether an event has it or not.
        state.next_event_no += self._recorded
        for of_lane, admitted in self._admitted.items():
            lane = state.lanes.get(*of_lane)
            first_no = state.next_event_no
            state.next_event_no += len(admitted)
            rows = [
                (
                    row_no,
                    event.connection_revision,
                    event.event_name,
                    event.event_id,
                    accepted_at_ms,
                    packed_subjects(event.subjects),
                    event.payload,
                )
                for row_no, (event, accepted_at_ms) in enumerate(admitted, lane.row_no(first_no))
            ]
            self._transaction.run_wide("add_event", rows)
            payload_bytes = sum([len(event.payload) for event, _ in admitted])
            self._transaction.lane_for_update(lane).add_waiting(len(admitted), payload_bytes)
            self._transaction.count(lane.connection_id, "accepted", len(admitted))
            self._transaction.add_work(lane.connection_id, len(admitted))


def _drop(transaction: Transaction, connection_id: str, reason: str, number: int) -> None:
    transaction.count(connection_id, "accepted", number)
    transaction.count(connection_id, "dropped", number, reason)
