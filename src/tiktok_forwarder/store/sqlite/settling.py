"""What has become of leased events, written down."""

from collections.abc import Iterable, Sequence
from typing import Any

from tiktok_forwarder.domain.outcome import DeadLettered, Delivered, Retry, Settlements
from tiktok_forwarder.store.events import Lease
from tiktok_forwarder.store.leases import HeldLease
from tiktok_forwarder.store.rules import AT_ONCE_MS
from tiktok_forwarder.store.sqlite.rows import encoded_answer
from tiktok_forwarder.store.sqlite.transaction import Lane, Place, Transaction


def settle(transaction: Transaction, lease: Lease, settlements: Settlements, now_ms: int) -> None:
    """Raises `LeaseLost` before anything is changed."""
    held = transaction.state.leases.held(lease)
    lane = transaction.books_of(transaction.state.lanes.of(lease.connection_id, lease.wire_form))
    places = _let_go(transaction, held, lane, settlements)
    delivered: list[Place] = []
    for event_no, place in places.items():
        settlement = settlements[event_no]
        if isinstance(settlement, Delivered):
            delivered.append(place)
        else:
            _settle_undelivered(transaction, lane, place, settlement, now_ms)
    remove_events(transaction, lane, delivered, "delivered")
    transaction.on_rollback(transaction.state.leases.end_if_settled(lease))


def remove_events(transaction: Transaction, lane: Lane, places: Sequence[Place], counter: str) -> None:
    """The events leave the queue for good, counted as what `counter` says."""
    _delete(transaction, lane, places)
    transaction.books_of(lane).stored(-len(places), -sum(place.payload_bytes for place in places))
    transaction.count(lane.connection_id, counter, len(places))


def bury(transaction: Transaction, lane: Lane, places: Sequence[Place], settlement: DeadLettered, now_ms: int) -> None:
    """The events become dead letters."""
    common = {
        "connection_id": lane.connection_id,
        "wire_form": lane.wire_form,
        "reason": settlement.reason,
        "now_ms": now_ms,
        "is_attempt": settlement.answer is not None,
        "answer": encoded_answer(settlement.answer),
    }
    transaction.run_many("add_dead_letter", [{**common, **_named_key(lane, place)} for place in places])
    _delete(transaction, lane, places)
    transaction.books_of(lane).buried(len(places), sum(place.payload_bytes for place in places))
    transaction.count(lane.connection_id, "dead_lettered", len(places))


def _delete(transaction: Transaction, lane: Lane, places: Sequence[Place]) -> None:
    event_nos = [place.event_no for place in places]
    # Most groups are a run of fresh events.
    if event_nos and max(event_nos) - min(event_nos) < len(event_nos) and not any(place.due_ms for place in places):
        transaction.run("delete_fresh_run", (lane.lane_no, min(event_nos), max(event_nos)))
    else:
        transaction.run_many("delete_event", [_row_key(lane, place) for place in places])


def forget_lease(transaction: Transaction, lane: Lane, event_no: int) -> None:
    """The event is about to leave the queue, whoever holds it."""
    if event_no in lane.leased:
        lane.leased.discard(event_no)
        transaction.on_rollback(lambda: lane.leased.add(event_no))
        transaction.on_rollback(transaction.state.leases.forget(lane, event_no))


def _let_go(transaction: Transaction, held: HeldLease[Place], lane: Lane, event_nos: Iterable[int]) -> dict[int, Place]:
    """Without those that are not (or no longer) the lease's, or gone from the queue."""
    popped = {event_no: held.items.pop(event_no, None) for event_no in event_nos}
    places = {event_no: place for event_no, place in popped.items() if place is not None}

    def hold_again() -> None:
        held.items.update(places)
        lane.leased.update(places)

    lane.leased.difference_update(places)
    transaction.on_rollback(hold_again)
    return places


def _settle_undelivered(
    transaction: Transaction, lane: Lane, place: Place, settlement: Retry | DeadLettered, now_ms: int
) -> None:
    if isinstance(settlement, DeadLettered):
        bury(transaction, lane, [place], settlement, now_ms)
    else:
        _bring_back(transaction, lane, place, settlement, now_ms)


def _bring_back(transaction: Transaction, lane: Lane, place: Place, retry: Retry, now_ms: int) -> None:
    due_ms = max(retry.due_ms, AT_ONCE_MS)
    change: dict[str, Any] = {
        "next_due_ms": due_ms,
        "now_ms": now_ms,
        "is_attempt": retry.counts,
        "is_unanswered": retry.may_have_arrived,
        "answer": encoded_answer(retry.answer),
    }
    transaction.run("retry_event", {**change, **_named_key(lane, place)})
    lane.came_back(due_ms, place.event_no)


def _row_key(lane: Lane, place: Place) -> tuple[int, int, int]:
    return lane.lane_no, place.due_ms, place.event_no


def _named_key(lane: Lane, place: Place) -> dict[str, int]:
    return {"lane_no": lane.lane_no, "due_ms": place.due_ms, "event_no": place.event_no}
