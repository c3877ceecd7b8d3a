"""Everything about a person out of the database: found beside the writer, deleted in one transaction."""

from collections.abc import Collection
from typing import NamedTuple

import apsw

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.domain.outcome import WireForm
from tiktok_forwarder.store.sqlite.dead_letters import FoundDeadLetter, remove_dead_letter
from tiktok_forwarder.store.sqlite.rows import packed_subjects
from tiktok_forwarder.store.sqlite.settling import forget_lease, remove_events
from tiktok_forwarder.store.sqlite.statements import rows
from tiktok_forwarder.store.sqlite.transaction import Lane, Place, StoreState, Transaction


class AboutPerson(NamedTuple):
    """Where events about a person were when they were looked for; an event keeps its lane wherever it moves."""

    waiting: list[tuple[int, int]]
    dead: list[tuple[str, WireForm, int]]


def find_about(connection: apsw.Connection, subjects: Collection[int]) -> AboutPerson:
    """Reads every row: no index is kept for what is asked so rarely. Other threads go on meanwhile."""
    if not subjects:
        return AboutPerson([], [])
    wanted = apsw.carray(tuple(packed_subjects([subject]) for subject in subjects))
    return AboutPerson(
        rows(connection, "waiting_about", {"subjects": wanted}),
        rows(connection, "dead_letters_about", {"subjects": wanted}),
    )


def erase_found(transaction: Transaction, found: AboutPerson) -> int:
    lanes = transaction.state.lanes
    events = {event_no: lanes.numbered(lane_no) for lane_no, event_no in found.waiting}
    events |= {event_no: lanes.of(connection_id, form) for connection_id, form, event_no in found.dead}
    return sum(_erase_one(transaction, lane, event_no) for event_no, lane in events.items())


def cut_log(state: StoreState) -> None:
    """What was deleted still stands in the write-ahead log until that is written back and cut."""
    ((is_busy, *_),) = state.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    if is_busy:
        raise StoreUnavailable("the events are deleted, but their log is in use by a long look: erase once more")


def _erase_one(transaction: Transaction, lane: Lane, event_no: int) -> int:
    """Wherever it is by now; 0 if it was delivered meanwhile."""
    for row in transaction.state.rows("place_of_event", {"lane_no": lane.lane_no, "event_no": event_no}):
        forget_lease(transaction, lane, event_no)
        remove_events(transaction, lane, [Place(*row)], "erased")
        return 1
    for row in transaction.state.rows("found_dead_letter", (event_no,)):
        remove_dead_letter(transaction, FoundDeadLetter(*row))
        transaction.count(lane.connection_id, "dead_lettered", -1)
        transaction.count(lane.connection_id, "erased")
        return 1
    return 0
