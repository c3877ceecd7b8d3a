"""Leases the next events: which they are is decided in the database, where every process sees all leases."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tiktok_forwarder.domain.errors import LeaseLost
from tiktok_forwarder.domain.outcome import DeadLettered, Delivered, Retry, Settlements
from tiktok_forwarder.store.encoding import encoded_answer, unpacked_subjects
from tiktok_forwarder.store.postgres.database import Database
from tiktok_forwarder.store.postgres.node import Node
from tiktok_forwarder.store.queue import GroupLimits, Lease, LeasedEvent
from tiktok_forwarder.store.readiness import LaneWork
from tiktok_forwarder.store.rules import AT_ONCE_MS, CLOCK_TOLERANCE_MS, group_shares

Clock = Callable[[], float | None]
"""Returns seconds for the expiry of leases, or None for the clock of the database, which is the same for every node."""


class Leasing:
    """Leases and their ends. Only whose turn it is among a connection's lanes is kept in memory."""

    def __init__(self, database: Database, node: Node, clock: Clock) -> None:
        self._database = database
        self._node = node
        self._clock = clock
        self._turns: dict[int, int] = defaultdict(int)
        self._leased_last: dict[int, int] = {}
        self._order = itertools.count(1)

    async def lease(self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float) -> Lease | None:
        lanes = await self._database.rows("lanes_of_connection", connection_id, self._clock())
        for lane_no, form, unleased in sorted(lanes, key=lambda lane: self._leased_last.get(lane[0], 0)):
            most = limits.max_events[form]
            shares = group_shares(most, unleased, self._turns[lane_no])
            self._turns[lane_no] += 1
            rows = await self._database.rows(
                "lease_events",
                *(self._node.process, lane_no, most, shares.returned, shares.newest, limits.payload_bytes),
                *(now_ms, now_ms + CLOCK_TOLERANCE_MS, lease_seconds, self._clock()),
            )
            if rows:
                self._leased_last[lane_no] = next(self._order)
                events = sorted(map(_leased_event, rows), key=lambda event: event.event_no)
                return Lease(rows[0][0], connection_id, form, tuple(events))
        return None

    async def find_work(self, connection_id: str, limits: GroupLimits, now_ms: int) -> list[LaneWork]:
        """Return what is due in each lane of the connection."""
        rows = await self._database.rows(
            "find_work",
            *(connection_id, list(limits.max_events), list(limits.max_events.values())),
            *(now_ms, now_ms + CLOCK_TOLERANCE_MS, self._clock()),
        )
        return [LaneWork(*row) for row in rows]

    async def renew(self, lease: Lease, lease_seconds: float) -> None:
        if await self._database.call("renew_lease", lease.token, lease_seconds, self._clock()) is None:
            raise _lost(lease)

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        is_held = await self._database.call(
            "settle_events", lease.token, now_ms, self._node.share, self._clock(), *_columns(settlements)
        )
        if not is_held:
            raise _lost(lease)

    async def release(self, lease: Lease) -> None:
        await self._database.run("release_lease", lease.token)


def _columns(settlements: Settlements) -> tuple[list[Any], ...]:
    """Return the outcomes in the order of the parameters of `settle_events`."""
    retries = [(no, outcome) for no, outcome in settlements.items() if isinstance(outcome, Retry)]
    dead = [(no, outcome) for no, outcome in settlements.items() if isinstance(outcome, DeadLettered)]
    return (
        [no for no, outcome in settlements.items() if isinstance(outcome, Delivered)],
        [no for no, _ in retries],
        [max(retry.due_ms, AT_ONCE_MS) for _, retry in retries],
        [retry.counts for _, retry in retries],
        [retry.may_have_arrived for _, retry in retries],
        [encoded_answer(retry.answer) for _, retry in retries],
        [no for no, _ in dead],
        [outcome.reason for _, outcome in dead],
        [encoded_answer(outcome.answer) for _, outcome in dead],
    )


def _leased_event(row: Any) -> LeasedEvent:
    _, event_no, revision, name, event_id, payload, accepted_ms, attempts, first_ms, unanswered_ms, packed = row
    return LeasedEvent(
        *(
            event_no,
            revision,
            name.decode(),
            event_id.decode(),
            payload,
            accepted_ms,
            attempts,
            first_ms,
            unanswered_ms,
        ),
        subjects=unpacked_subjects(packed),
    )


def _lost(lease: Lease) -> LeaseLost:
    return LeaseLost(f"a lease of {len(lease.events)} events of {lease.connection_id} has expired or has ended")
