"""Dead letters in the database: found, brought back, given up, and made of all that a connection has."""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import apsw

from tiktok_forwarder.domain.outcome import DeadLettered, DeadLetterReason, WireForm
from tiktok_forwarder.store.events import DeadLetter, DeadLetterCount, DeadLetterFilter, Whereabouts
from tiktok_forwarder.store.rules import AT_ONCE_MS
from tiktok_forwarder.store.sqlite.rows import decoded_answer
from tiktok_forwarder.store.sqlite.settling import bury, forget_lease
from tiktok_forwarder.store.sqlite.statements import rows
from tiktok_forwarder.store.sqlite.transaction import Lane, Place, Transaction

# Long changes are made in steps of so many events, so that senders and deliverers get their turn between.
STEP_EVENTS: Final = 1000
# The statement's columns are the members of `DeadLetter`.
_ANSWER_COLUMN: Final = DeadLetter.__struct_fields__.index("answer")


class FoundDeadLetter(NamedTuple):
    """What a change needs to know of a dead letter."""

    event_no: int
    connection_id: str
    wire_form: WireForm
    payload_bytes: int


class Step(NamedTuple):
    """How many events a step has changed, and up to which number; fewer than `STEP_EVENTS` if it was the last."""

    events: int
    event_no: int


def read_dead_letters(
    connection: apsw.Connection, which: DeadLetterFilter, limit: int, after_no: int
) -> list[DeadLetter]:
    found = _find(connection, which, limit, after_no)
    return [_dead_letter(row) for letter in found for row in rows(connection, "dead_letter", (letter.event_no,))]


def count_dead_letters(connection: apsw.Connection) -> list[DeadLetterCount]:
    return [DeadLetterCount(*row) for row in rows(connection, "dead_letter_counts")]


def find_replayed(connection: apsw.Connection, connection_id: str, event_nos: Collection[int]) -> Whereabouts:
    numbers = json.dumps(list(event_nos))
    ((waiting,),) = rows(connection, "replayed_waiting", {"connection_id": connection_id, "event_nos": numbers})
    ((dead,),) = rows(connection, "replayed_dead", {"event_nos": numbers})
    return Whereabouts(waiting, dead)


def replay_some(transaction: Transaction, which: DeadLetterFilter, after_no: int, now_ms: int) -> Step:
    found = _find(transaction.state.connection, which, STEP_EVENTS, after_no)
    for letter in found:
        lane = transaction.state.lanes.of(letter.connection_id, letter.wire_form)
        key = {"lane_no": lane.lane_no, "due_ms": AT_ONCE_MS, "event_no": letter.event_no, "now_ms": now_ms}
        transaction.run("replay_dead_letter", key)
        transaction.run("delete_dead_letter", (letter.event_no,))
        transaction.books_of(lane).buried(-1, -letter.payload_bytes)
        transaction.count(letter.connection_id, "dead_lettered", -1)
        transaction.count(letter.connection_id, "replayed")
        lane.came_back(AT_ONCE_MS, letter.event_no)
    return _step(found, after_no)


def discard_some(transaction: Transaction, which: DeadLetterFilter, after_no: int) -> Step:
    """A discarded letter stays counted as dead-lettered, so that the books still balance."""
    found = _find(transaction.state.connection, which, STEP_EVENTS, after_no)
    for letter in found:
        remove_dead_letter(transaction, letter)
        transaction.count(letter.connection_id, "discarded")
    return _step(found, after_no)


def remove_dead_letter(transaction: Transaction, letter: FoundDeadLetter) -> None:
    """Gone, and not yet counted as anything."""
    transaction.run("delete_dead_letter", (letter.event_no,))
    lane = transaction.books_of(transaction.state.lanes.of(letter.connection_id, letter.wire_form))
    lane.unearthed(1, letter.payload_bytes)


def bury_some(
    transaction: Transaction, connection_id: str, reason: DeadLetterReason, before_no: int, now_ms: int
) -> int:
    """Some of the events below a number; 0 when there are none left."""
    for lane in transaction.state.lanes.of_connection(connection_id):
        bindings = {"lane_no": lane.lane_no, "before_no": before_no, "limit": STEP_EVENTS}
        places = [Place(*row) for row in transaction.state.rows("places_of_lane", bindings)]
        if places:
            _bury_leased(transaction, lane, places, DeadLettered(reason), now_ms)
            return len(places)
    return 0


def _bury_leased(
    transaction: Transaction, lane: Lane, places: Sequence[Place], settlement: DeadLettered, now_ms: int
) -> None:
    for place in places:
        forget_lease(transaction, lane, place.event_no)
    bury(transaction, lane, places, settlement, now_ms)


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
