"""One connection's queue in the database: what waits, in which order it is leased, and how much there is."""

import heapq
import struct
from typing import Any, Final, NamedTuple

from tiktok_forwarder.adapters.sqlite_writer import Transaction
from tiktok_forwarder.domain.outcome import WireForm
from tiktok_forwarder.ports import GroupLimits, LeasedEvent

# Of every four leases one takes the newest events when there are many: after an outage the old backlog must not make
# new events wait for hours.
_NEWEST_EVERY: Final = 4
_BACKLOG_GROUPS: Final = 4


class Place(NamedTuple):
    """Where an event's row is, and how much it holds."""

    due_ms: int
    event_no: int
    payload_bytes: int


class Queue:
    """Counts and cursors of one queue. Used in the writer's thread only; counts are read anywhere."""

    def __init__(self, queue_no: int, connection_id: str) -> None:
        self.queue_no = queue_no
        self.connection_id = connection_id
        self.waiting = 0
        self.waiting_bytes = 0
        self.dead_letters = 0
        # Events never tried are leased in the order of their numbers: all up to here have been.
        self._fresh_cursor = 0
        # ... but for those that came back.
        self._returned: list[int] = []
        self._leases_made = 0
        self._last_now_ms: int | None = None

    def take_back(self, places: list[Place]) -> None:
        for place in places:
            if place.due_ms == 0:
                heapq.heappush(self._returned, place.event_no)

    def clock_was_set_back(self, now_ms: int) -> bool:
        """Whether `mend_schedule` is needed: also once after the start, since nobody knows what was before."""
        last, self._last_now_ms = self._last_now_ms, now_ms
        return last is None or now_ms < last

    def mend_schedule(self, transaction: Transaction, now_ms: int) -> None:
        """What a clock had scheduled that has since been set back must not wait for it to catch up."""
        transaction.execute("mend_schedule", {"queue_no": self.queue_no, "now_ms": now_ms})

    def take(self, transaction: Transaction, leased: set[int], limits: GroupLimits, now_ms: int) -> "Group":
        """A request's worth of due events; retries and events never tried take turns in coming first."""
        self._leases_made += 1
        group = Group(limits)
        if self._leases_made % _NEWEST_EVERY == 0 and self.waiting > _BACKLOG_GROUPS * limits.events_2_0:
            self._add_newest(transaction, leased, group)
        if self._leases_made % 2:
            self._add_fresh(transaction, leased, group)
            self._add_retries(transaction, leased, group, now_ms)
        else:
            self._add_retries(transaction, leased, group, now_ms)
            self._add_fresh(transaction, leased, group)
        return group

    def next_due_ms(self, transaction: Transaction, leased: set[int]) -> int | None:
        """0 if an event never tried can be leased, else when the next retry is due; None if there is nothing."""
        if any(event_no not in leased for event_no in self._returned):
            return 0
        keys = transaction.execute("fresh_keys", {"queue_no": self.queue_no, "after": self._fresh_cursor})
        if any(event_no not in leased for (event_no,) in keys):
            return 0
        retries = transaction.execute("retry_keys", {"queue_no": self.queue_no})
        return next((due_ms for due_ms, event_no in retries if event_no not in leased), None)

    def _add_fresh(self, transaction: Transaction, leased: set[int], group: "Group") -> None:
        while self._returned:
            event_no = self._returned[0]
            key = {"queue_no": self.queue_no, "due_ms": 0, "event_no": event_no}
            row = transaction.execute("one_event", key).fetchone() if event_no not in leased else None
            if row is not None and not group.add(row):
                return
            heapq.heappop(self._returned)
        for row in transaction.execute("fresh_events", {"queue_no": self.queue_no, "after": self._fresh_cursor}):
            if row[1] not in leased and not group.add(row):
                return
            self._fresh_cursor = row[1]

    def _add_newest(self, transaction: Transaction, leased: set[int], group: "Group") -> None:
        for row in transaction.execute("newest_events", {"queue_no": self.queue_no}):
            if row[1] not in leased and not group.add(row):
                return

    def _add_retries(self, transaction: Transaction, leased: set[int], group: "Group", now_ms: int) -> None:
        for row in transaction.execute("due_retries", {"queue_no": self.queue_no, "now_ms": now_ms}):
            if row[1] not in leased and not group.add(row):
                return


class Group:
    """Events on their way into one request: of one wire form, within its limits."""

    def __init__(self, limits: GroupLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self.wire_form: WireForm = "2.0"
        self.events: list[LeasedEvent] = []
        self.places: dict[int, Place] = {}

    def add(self, row: Any) -> bool:
        """Whether the event is in the group now; False if it must wait for another."""
        due_ms, event_no, revision, wire_form, *_, payload, _, _, _, _, packed = row
        if event_no in self.places:
            return True
        if not self.events:
            self.wire_form = wire_form
        most = self._limits.events_2_0 if wire_form == "2.0" else self._limits.events_1_0
        fits = not self.events or self._bytes + len(payload) <= self._limits.payload_bytes
        if wire_form != self.wire_form or len(self.events) >= most or not fits:
            return False
        self._bytes += len(payload)
        subjects = struct.unpack(f">{len(packed) // 8}Q", packed)
        self.events.append(LeasedEvent(event_no, revision, *(*row[4:-1], subjects)))
        self.places[event_no] = Place(due_ms, event_no, len(payload))
        return True
