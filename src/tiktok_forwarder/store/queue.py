"""The queue of a store, and its types: events are appended, leased, and settled.

Times are in milliseconds since 1970 (`_ms`) unless a name says seconds. The methods raise `StoreUnavailable` when the
store cannot be used, and no error of the underlying library.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Settlements, WireFormName
from tiktok_forwarder.tiktok.wire_forms import MAX_EVENTS


class NewEvent(Struct, frozen=True, gc=False):
    """A mapped event to be stored. `subjects` are keyed 64-bit hashes, each 0 to 2**64 - 1.

    Of one that `is_recorded`, only the key is stored: it is counted as dropped, unless it is a duplicate.
    """

    connection_id: str
    connection_revision: int
    wire_form: WireFormName
    event_name: str
    event_id: str
    payload: bytes
    subjects: tuple[int, ...]
    is_recorded: bool = False


class Arrivals(Struct, frozen=True):
    """The contents of one request: its mapped events, and how many outcomes were dropped by (connection ID, reason)."""

    events: Sequence[NewEvent]
    drops: Mapping[tuple[str, str], int]
    accepted_at_ms: int


Admission = Literal["stored", "duplicate", "connection_full", "recorded"]


class LeasedEvent(Struct, frozen=True, gc=False):
    """A stored event that a deliverer has leased.

    `attempts` counts those made before this lease. `unanswered_at_ms` is the time of the first attempt that ended
    without an answer, if any. `subjects` are those of `NewEvent`.
    """

    event_no: int
    connection_revision: int
    event_name: str
    event_id: str
    payload: bytes
    accepted_at_ms: int
    attempts: int
    first_attempt_at_ms: int | None
    unanswered_at_ms: int | None
    subjects: tuple[int, ...] = ()


class Lease(Struct, frozen=True):
    """Events of one connection and wire form, reserved for one deliverer until the lease expires."""

    token: int
    connection_id: str
    wire_form: WireFormName
    events: tuple[LeasedEvent, ...]


class GroupLimits(Struct, frozen=True):
    """The limits of one request: events by wire form, and payload bytes (one event is always allowed)."""

    max_events: Mapping[WireFormName, int] = MAX_EVENTS
    payload_bytes: int = 4 * 1024 * 1024


class EventQueue(Protocol):
    """The durable queue. Backoff, rate limits and pauses are the deliverer's business, not the store's."""

    def append(self, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        """Store the events and their counts as one durable write; the future gives each event's admission, in order.

        An event is a duplicate when the store took one of the same connection, name and id within 48 hours (also one
        that was recorded, or was delivered or dead-lettered since). Every error is the future's: also `StoreFull`, and
        `ConnectionsFull` by `check_quotas` of `store/rules.py` (nothing is stored or counted). Canceling the future
        does not undo the write.
        """
        ...

    async def lease(self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float) -> Lease | None:
        """Take up to a request's worth of due events; None if none is due. Events of expired leases count as due."""
        ...

    async def renew(self, lease: Lease, lease_seconds: float) -> None:
        """Hold the lease's unsettled events for `lease_seconds` from now. Raises `LeaseLost`."""
        ...

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        """Settle some of the lease's events, by `event_no`, with their totals, in one transaction.

        Raises `LeaseLost` when the lease is no longer held: then nothing is changed.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Return unsettled events to the queue, due times unchanged. Does nothing if the lease is already lost."""
        ...

    async def ready(
        self, connection_id: str, limits: GroupLimits, *, fill_seconds: float, now_ms: int, wait_seconds: float
    ) -> bool:
        """Wait up to `wait_seconds` until a group is ready to be leased; return whether one is.

        It is ready when a full group is due, or when the first due event has waited `fill_seconds` for others: a fresh
        one since it was accepted, any other since its due time. Events accepted or scheduled by a clock that was set
        back since need not wait. The call leases nothing, since a deliverer then waits for its rate limit: a lease
        would hold the events in the meantime.
        """
        ...
