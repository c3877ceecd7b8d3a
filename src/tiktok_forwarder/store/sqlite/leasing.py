"""Selects the events that are leased next. Nothing is written: only memory knows which events are leased."""

from collections.abc import Mapping
from contextlib import closing
from itertools import chain, islice, takewhile
from typing import Any

import apsw

from tiktok_forwarder.store.encoding import unpacked_subjects
from tiktok_forwarder.store.queue import GroupLimits, Lease, LeasedEvent
from tiktok_forwarder.store.readiness import LaneWork
from tiktok_forwarder.store.rules import AT_ONCE_MS, CLOCK_TOLERANCE_MS, group_shares
from tiktok_forwarder.store.sqlite.statements import run
from tiktok_forwarder.store.sqlite.transaction import Lane, Place, StoreState


def lease(
    state: StoreState, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float
) -> Lease | None:
    state.leases.expire()
    for lane in state.lanes.of_connection(connection_id):
        if lane.unleased and (group := _next_group(state, lane, limits, now_ms)).events:
            state.lanes.move_to_back(lane)
            lane.leased.update(group.places)
            token = state.leases.hold(lane, group.places, lease_seconds)
            events = sorted(group.events, key=lambda event: event.event_no)
            return Lease(token, connection_id, lane.wire_form, tuple(events))
    return None


def find_work(state: StoreState, connection_id: str, limits: GroupLimits, now_ms: int) -> list[LaneWork]:
    """Return what is due in each lane of the connection."""
    state.leases.expire()
    lanes = [lane for lane in state.lanes.of_connection(connection_id) if lane.unleased]
    return [_find_work(state, lane, limits.max_events[lane.wire_form], now_ms) for lane in lanes]


def _next_group(state: StoreState, lane: Lane, limits: GroupLimits, now_ms: int) -> "_Group":
    places = limits.max_events[lane.wire_form]
    shares = group_shares(places, lane.unleased, lane.turn)
    lane.turn += 1
    group = _Group(state, lane, places, limits.payload_bytes)
    try:
        group.add_returned(shares.returned, now_ms)
        group.add_newest(shares.newest)
        group.add_oldest(places)
        group.add_returned(places, now_ms)
    except apsw.Error:
        # The marks may have passed events that are not leased now.
        lane.rewind()
        raise
    return group


def _find_work(state: StoreState, lane: Lane, most: int, now_ms: int) -> LaneWork:
    with closing(run(state.connection, "fresh_times", lane.fresh_rows(lane.fresh_from))) as fresh:
        waiting_since = [*islice((at_ms for event_no, at_ms in fresh if event_no not in lane.leased), 1)]
    with closing(run(state.connection, "due_by_clock_change", _clock_change(lane, now_ms))) as rows:
        if any(row[1] not in lane.leased for row in rows):
            waiting_since.append(AT_ONCE_MS)
    with closing(run(state.connection, "returned_keys", _returned(lane))) as keys:
        next_ms: int | None = next((due_ms for due_ms, event_no in keys if event_no not in lane.leased), None)
    if next_ms is not None and next_ms <= now_ms:
        waiting_since.append(next_ms)
    due = lane.unleased if lane.unleased < most else _count_due(state, lane, most, now_ms)
    return LaneWork(lane.wire_form, due, min(waiting_since, default=None), next_ms)


def _count_due(state: StoreState, lane: Lane, most: int, now_ms: int) -> int:
    """Count due events up to a full group. Those of a clock that was set back are left out: they need not wait."""
    with (
        closing(run(state.connection, "fresh_times", lane.fresh_rows(lane.fresh_from))) as fresh,
        closing(run(state.connection, "returned_keys", _returned(lane))) as keys,
    ):
        returned = (event_no for _, event_no in takewhile(lambda key: key[0] <= now_ms, keys))
        due = chain((event_no for event_no, _ in fresh), returned)
        return sum(1 for _ in islice((event_no for event_no in due if event_no not in lane.leased), most))


def _returned(lane: Lane) -> dict[str, int]:
    from_ms, from_no = lane.returned_from
    return {"lane_no": lane.lane_no, "from_ms": from_ms, "from_no": from_no}


def _clock_change(lane: Lane, now_ms: int) -> dict[str, int]:
    return {"lane_no": lane.lane_no, "latest_ms": now_ms + CLOCK_TOLERANCE_MS}


class _Group:
    """A group that is being filled; the lane's marks follow the inspected events."""

    def __init__(self, state: StoreState, lane: Lane, places: int, payload_bytes: int) -> None:
        self.events: list[LeasedEvent] = []
        self.places: dict[int, Place] = {}
        self._state = state
        self._lane = lane
        self._most = places
        self._bytes_left = payload_bytes

    def add_oldest(self, at_most: int) -> None:
        passed = self._add("oldest_fresh", self._lane.fresh_rows(self._lane.fresh_from), at_most)
        if passed is not None:
            self._lane.fresh_from = passed[1] + 1

    def add_newest(self, at_most: int) -> None:
        from_no = max(self._lane.newest_after + 1, self._lane.fresh_from)
        self._add("newest_fresh", self._lane.fresh_rows(from_no), at_most)
        self._lane.newest_after = max([self._lane.newest_after, *self.places])

    def add_returned(self, at_most: int, now_ms: int) -> None:
        passed = self._add("due_returned", {**_returned(self._lane), "now_ms": now_ms}, at_most)
        if passed is not None:
            self._lane.returned_from = (passed[0], passed[1] + 1)
        self._add("due_by_clock_change", _clock_change(self._lane, now_ms), at_most)

    def _add(self, statement: str, bindings: Mapping[str, int], at_most: int) -> tuple[int, int] | None:
        """Take events while they fit; return the last key that was taken, or found leased."""
        at_most = min(at_most, self._most - len(self.events))
        passed = None
        if at_most <= 0:
            return passed
        with closing(run(self._state.connection, statement, bindings)) as rows:
            for row in rows:
                due_ms, event_no = row[0], row[1]
                if event_no not in self._lane.leased and event_no not in self.places:
                    if not self._take(row):
                        break
                    at_most -= 1
                passed = (due_ms, event_no)
                if at_most == 0:
                    break
        return passed

    def _take(self, row: tuple[Any, ...]) -> bool:
        """Take a row if it fits."""
        due_ms, event_no, revision, name, event_id, payload, accepted_ms, attempts, first_ms, unanswered_ms, packed = (
            row
        )
        if self.events and len(payload) > self._bytes_left:
            return False
        self._bytes_left -= len(payload)
        subjects = unpacked_subjects(packed)
        self.events.append(
            LeasedEvent(
                event_no, revision, name, event_id, payload, accepted_ms, attempts, first_ms, unanswered_ms, subjects
            )
        )
        self.places[event_no] = Place(due_ms, event_no, len(payload))
        return True
