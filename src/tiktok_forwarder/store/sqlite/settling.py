"""Changes stored events: settles leases, replays, discards or expires dead letters, erases a person's events."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

import apsw

from tiktok_forwarder.database.file import truncate_log
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.domain.outcome import DeadLettered, DeadLetterReason, Delivered, Retry, Settlements, WireFormName
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterCount, DeadLetterFilter, EventStateCounts
from tiktok_forwarder.store.encoding import decoded_answer, encoded_answer, packed_subjects
from tiktok_forwarder.store.leases import LeaseEntry
from tiktok_forwarder.store.queue import Lease
from tiktok_forwarder.store.rules import AT_ONCE_MS
from tiktok_forwarder.store.sqlite.statements import rows
from tiktok_forwarder.store.sqlite.transaction import Lane, Place, StoreState, Transaction, split_row_no

# Long changes run in steps of this many events, so that senders and deliverers get their turn in between.
STEP_EVENTS: Final = 1000
# So many numbers of expired dead letters are found at a time, since each search may read the whole index.
_MAX_FOUND: Final = 100_000
# The statement's columns are the members of `DeadLetter`.
_ANSWER_COLUMN: Final = DeadLetter.__struct_fields__.index("answer")


class FoundDeadLetter(NamedTuple):
    """The members of a dead letter that a change needs."""

    event_no: int
    connection_id: str
    wire_form: WireFormName
    payload_bytes: int


class Step(NamedTuple):
    """How many events a step has changed, and up to which number; fewer than `STEP_EVENTS` if it was the last."""

    events: int
    event_no: int


class AboutPerson(NamedTuple):
    """Where events about a person were at the time of the search; an event never changes its lane."""

    waiting: list[tuple[int, int]]
    dead: list[tuple[str, WireFormName, int]]


# --- settling a lease -------------------------------------------------------------------------------------------------


def settle(transaction: Transaction, lease: Lease, settlements: Settlements, now_ms: int) -> None:
    """Settle a lease's events. Raises `LeaseLost` before changing anything."""
    held = transaction.state.leases.held(lease)
    lane = transaction.lane_for_update(transaction.state.lanes.get(lease.connection_id, lease.wire_form))
    places = _take_from_lease(transaction, held, lane, settlements)
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
    """Remove events from the queue permanently, counted under `counter`."""
    _delete(transaction, lane, places)
    transaction.lane_for_update(lane).add_waiting(-len(places), -sum(place.payload_bytes for place in places))
    transaction.count(lane.connection_id, counter, len(places))


def dead_letter(
    transaction: Transaction, lane: Lane, places: Sequence[Place], settlement: DeadLettered, now_ms: int
) -> None:
    """Move the events to the dead letters."""
    common = {
        "connection_id": lane.connection_id,
        "wire_form": lane.wire_form,
        "reason": settlement.reason,
        "now_ms": now_ms,
        "is_attempt": settlement.answer is not None,
        "answer": encoded_answer(settlement.answer),
    }
    for statement, some in (("bury_fresh", _fresh(places)), ("bury_returned", _returned(places))):
        transaction.run_many(statement, [{**common, **_named_key(lane, place)} for place in some])
    _delete(transaction, lane, places)
    transaction.lane_for_update(lane).move_to_dead_letters(len(places), sum(place.payload_bytes for place in places))
    transaction.count(lane.connection_id, "dead_lettered", len(places))


def _delete(transaction: Transaction, lane: Lane, places: Sequence[Place]) -> None:
    row_nos = sorted([lane.row_no(place.event_no) for place in _fresh(places)])
    # Most groups are a run of fresh events.
    is_run = row_nos and row_nos[-1] - row_nos[0] < len(row_nos)
    runs = [(row_nos[0], row_nos[-1])] if is_run else [(row_no, row_no) for row_no in row_nos]
    transaction.run_many("delete_fresh", runs)
    keys = [(lane.lane_no, place.due_ms, place.event_no) for place in _returned(places)]
    transaction.run_many("delete_returned", keys)


def _fresh(places: Sequence[Place]) -> list[Place]:
    return [place for place in places if place.due_ms is None]


def _returned(places: Sequence[Place]) -> list[Place]:
    return [place for place in places if place.due_ms is not None]


def drop_lease_on(transaction: Transaction, lane: Lane, event_no: int) -> None:
    """Drop the event from any lease: it is about to leave the queue."""
    if event_no in lane.leased:
        lane.leased.discard(event_no)
        transaction.on_rollback(lambda: lane.leased.add(event_no))
        transaction.on_rollback(transaction.state.leases.forget(lane, event_no))


def _take_from_lease(
    transaction: Transaction, held: LeaseEntry[Place], lane: Lane, event_nos: Iterable[int]
) -> dict[int, Place]:
    """Remove events from the lease and return their places.

    Omits events that the lease does not hold or that left the queue.
    """
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
        dead_letter(transaction, lane, [place], settlement, now_ms)
    else:
        _requeue(transaction, lane, place, settlement, now_ms)


def _requeue(transaction: Transaction, lane: Lane, place: Place, retry: Retry, now_ms: int) -> None:
    due_ms = max(retry.due_ms, AT_ONCE_MS)
    change: dict[str, Any] = {
        "next_due_ms": due_ms,
        "now_ms": now_ms,
        "is_attempt": retry.counts,
        "is_unanswered": retry.may_have_arrived,
        "answer": encoded_answer(retry.answer),
    }
    statement = "retry_fresh" if place.due_ms is None else "retry_returned"
    transaction.run(statement, {**change, **_named_key(lane, place)})
    if place.due_ms is None:
        _delete(transaction, lane, [place])
    lane.mark_leasable(due_ms, place.event_no)


def _named_key(lane: Lane, place: Place) -> dict[str, int | None]:
    return {
        "lane_no": lane.lane_no,
        "due_ms": place.due_ms,
        "event_no": place.event_no,
        "row_no": lane.row_no(place.event_no),
    }


# --- dead letters -----------------------------------------------------------------------------------------------------


def read_dead_letters(
    connection: apsw.Connection, which: DeadLetterFilter, limit: int, after_no: int
) -> list[DeadLetter]:
    found = _find(connection, which, limit, after_no)
    return [_dead_letter(row) for letter in found for row in rows(connection, "dead_letter", (letter.event_no,))]


def count_dead_letters(connection: apsw.Connection) -> list[DeadLetterCount]:
    return [DeadLetterCount(*row) for row in rows(connection, "dead_letter_counts")]


def find_replayed(connection: apsw.Connection, connection_id: str, event_nos: Collection[int]) -> EventStateCounts:
    numbers = json.dumps(list(event_nos))
    ((waiting,),) = rows(connection, "replayed_waiting", {"connection_id": connection_id, "event_nos": numbers})
    ((dead,),) = rows(connection, "replayed_dead", {"event_nos": numbers})
    return EventStateCounts(waiting, dead)


def replay_some(transaction: Transaction, which: DeadLetterFilter, after_no: int, now_ms: int) -> Step:
    found = _find(transaction.state.connection, which, STEP_EVENTS, after_no)
    for letter in found:
        lane = transaction.state.lanes.get(letter.connection_id, letter.wire_form)
        key = {"lane_no": lane.lane_no, "due_ms": AT_ONCE_MS, "event_no": letter.event_no, "now_ms": now_ms}
        transaction.run("replay_dead_letter", key)
        transaction.run("delete_dead_letter", (letter.event_no,))
        transaction.lane_for_update(lane).move_to_dead_letters(-1, -letter.payload_bytes)
        transaction.count(letter.connection_id, "dead_lettered", -1)
        transaction.count(letter.connection_id, "replayed")
        transaction.add_work(letter.connection_id, 1)
        lane.mark_leasable(AT_ONCE_MS, letter.event_no)
    return _step(found, after_no)


def discard_some(transaction: Transaction, which: DeadLetterFilter, after_no: int) -> Step:
    """Discard dead letters in one step; they stay counted as dead-lettered, so that the totals still add up."""
    found = _find(transaction.state.connection, which, STEP_EVENTS, after_no)
    for letter in found:
        remove_dead_letter(transaction, letter)
        transaction.count(letter.connection_id, "discarded")
    return _step(found, after_no)


def find_dead_letters_before(connection: apsw.Connection, before_ms: int) -> list[int]:
    found = rows(connection, "dead_letters_before", {"before_ms": before_ms, "limit": _MAX_FOUND})
    return [event_no for (event_no,) in found]


def expire_some(transaction: Transaction, event_nos: Sequence[int], before_ms: int) -> Counter[str]:
    """Delete those that are still dead letters of before that time; they stay counted as dead-lettered too."""
    which = DeadLetterFilter(until_ms=before_ms, event_nos=event_nos)
    found = _find(transaction.state.connection, which, len(event_nos), 0)
    for letter in found:
        remove_dead_letter(transaction, letter)
    expired = Counter(letter.connection_id for letter in found)
    for connection_id, count in expired.items():
        transaction.count(connection_id, "expired", count)
    return expired


def remove_dead_letter(transaction: Transaction, letter: FoundDeadLetter) -> None:
    """Remove the dead letter, without counting it yet."""
    transaction.run("delete_dead_letter", (letter.event_no,))
    lane = transaction.lane_for_update(transaction.state.lanes.get(letter.connection_id, letter.wire_form))
    lane.remove_dead_letters(1, letter.payload_bytes)


def dead_letter_some(
    transaction: Transaction, connection_id: str, reason: DeadLetterReason, before_no: int, now_ms: int
) -> int:
    """Dead-letter some of the events below a number; return how many, 0 when there are none left."""
    for lane in transaction.state.lanes.of_connection(connection_id):
        bindings = {**lane.fresh_rows(before_no=before_no), "before_no": before_no, "limit": STEP_EVENTS}
        keys = transaction.state.rows("keys_of_fresh", bindings)
        bindings["limit"] -= len(keys)
        keys += transaction.state.rows("keys_of_returned", bindings)
        places = _of_one_step(transaction, [Place(*key) for key in keys])
        if places:
            _bury_leased(transaction, lane, places, DeadLettered(reason), now_ms)
            return len(places)
    return 0


def _of_one_step(transaction: Transaction, places: Sequence[Place]) -> Sequence[Place]:
    """Return the first ones, whose copies a small store has space for until the originals are deleted."""
    bytes_left = transaction.state.limits.transaction_bytes
    for number, place in enumerate(places):
        bytes_left -= place.payload_bytes
        if bytes_left < 0:
            return places[: max(1, number)]
    return places


def _bury_leased(
    transaction: Transaction, lane: Lane, places: Sequence[Place], settlement: DeadLettered, now_ms: int
) -> None:
    for place in places:
        drop_lease_on(transaction, lane, place.event_no)
    dead_letter(transaction, lane, places, settlement, now_ms)


def _find(connection: apsw.Connection, which: DeadLetterFilter, limit: int, after_no: int) -> list[FoundDeadLetter]:
    conditions: dict[str, Any] = {
        "after_no": after_no,
        "connection_id": which.connection_id,
        "reason": which.reason,
        "from_ms": which.from_ms,
        "until_ms": which.until_ms,
        "event_nos": None if which.event_nos is None else json.dumps(sorted(which.event_nos)),
        "limit": limit,
    }
    if which.event_nos is not None:
        statement = "found_dead_letters_by_number"
    elif which.connection_id is not None:
        statement = "found_dead_letters_of_connection"
    else:
        statement = "found_dead_letters"
    return [FoundDeadLetter(*row) for row in rows(connection, statement, conditions)]


def _step(found: Sequence[FoundDeadLetter], after_no: int) -> Step:
    return Step(len(found), found[-1].event_no if found else after_no)


def _dead_letter(row: tuple[Any, ...]) -> DeadLetter:
    answer = decoded_answer(row[_ANSWER_COLUMN])
    return DeadLetter(*[*row[:_ANSWER_COLUMN], answer, *row[_ANSWER_COLUMN + 1 :]])


# --- erasing a person -------------------------------------------------------------------------------------------------


def find_about(connection: apsw.Connection, subjects: Collection[int]) -> AboutPerson:
    """Find the person's events. Reads every row: an index is not worth it for rare searches.

    Other threads continue in the meantime.
    """
    if not subjects:
        return AboutPerson([], [])
    wanted = apsw.carray(tuple(packed_subjects([subject]) for subject in subjects))
    fresh = [split_row_no(row_no) for (row_no,) in rows(connection, "fresh_about", {"subjects": wanted})]
    return AboutPerson(
        fresh + rows(connection, "returned_about", {"subjects": wanted}),
        rows(connection, "dead_letters_about", {"subjects": wanted}),
    )


def erase_found(transaction: Transaction, found: AboutPerson) -> int:
    lanes = transaction.state.lanes
    events = {event_no: lanes.by_number(lane_no) for lane_no, event_no in found.waiting}
    events |= {event_no: lanes.get(connection_id, form) for connection_id, form, event_no in found.dead}
    return sum(_erase_one(transaction, lane, event_no) for event_no, lane in events.items())


def cut_log(state: StoreState) -> None:
    """Truncate the write-ahead log: until it is written back and truncated, it still contains deleted data."""
    try:
        is_cut = truncate_log(state.connection)
    except (apsw.FullError, apsw.IOError):
        # Writing it back may make the database larger.
        if not state.give_up_disk_reserve(is_start_included=True):
            raise
        is_cut = truncate_log(state.connection)
    if not is_cut:
        raise StoreUnavailable("the events are deleted, but a long read still uses their log: erase again")


def _erase_one(transaction: Transaction, lane: Lane, event_no: int) -> int:
    """Erase one event wherever it is by now; return 0 if it was delivered in the meantime."""
    for row in transaction.state.rows("key_of_event", {**lane.fresh_rows(event_no), "event_no": event_no}):
        drop_lease_on(transaction, lane, event_no)
        remove_events(transaction, lane, [Place(*row)], "erased")
        return 1
    for row in transaction.state.rows("found_dead_letter", (event_no,)):
        remove_dead_letter(transaction, FoundDeadLetter(*row))
        transaction.count(lane.connection_id, "dead_lettered", -1)
        transaction.count(lane.connection_id, "erased")
        return 1
    return 0
