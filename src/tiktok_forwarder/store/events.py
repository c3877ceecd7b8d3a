"""The interface of an event store, and its types.

Times are in milliseconds since 1970 (`_ms`) unless a name says seconds. The methods raise `StoreUnavailable` when the
store cannot be used, and no error of the underlying library.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Answer, DeadLetterReason, Settlements, WireFormName
from tiktok_forwarder.tiktok.wire_forms import MAX_EVENTS


class NewEvent(Struct, frozen=True, gc=False):
    """A mapped event to be stored. `subjects` are keyed 64-bit hashes, each 0 to 2**64 - 1."""

    connection_id: str
    connection_revision: int
    wire_form: WireFormName
    event_name: str
    event_id: str
    payload: bytes
    subjects: tuple[int, ...]


class Arrivals(Struct, frozen=True):
    """The contents of one request: its mapped events, and how many outcomes were dropped by (connection ID, reason)."""

    events: Sequence[NewEvent]
    drops: Mapping[tuple[str, str], int]
    accepted_at_ms: int


Admission = Literal["stored", "duplicate", "connection_full"]


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


class QueueCounts(Struct, frozen=True):
    """How many events of a connection wait (leased ones included), are leased, and are dead letters.

    `quota_used` is the part of its storage quota that they use, from 0 to 1.
    """

    waiting: int
    leased: int
    dead_letters: int
    oldest_accepted_at_ms: int | None
    waiting_bytes: int
    quota_used: float = 0.0


class DeadLetter(Struct, frozen=True):
    """An event that is not tried again, with all that explains the reason."""

    event_no: int
    connection_id: str
    connection_revision: int
    wire_form: WireFormName
    event_name: str
    event_id: str
    payload: bytes
    reason: DeadLetterReason
    answer: Answer | None
    attempts: int
    accepted_at_ms: int
    first_attempt_at_ms: int | None
    dead_lettered_at_ms: int


class DeadLetterFilter(Struct, frozen=True):
    """Which dead letters: every condition given must be met; times are those of dead-lettering, the end excluded."""

    connection_id: str | None = None
    reason: str | None = None
    from_ms: int | None = None
    until_ms: int | None = None
    event_nos: Collection[int] | None = None


class DeadLetterCount(Struct, frozen=True):
    """The dead letters of one connection and one reason; the times are those of dead-lettering."""

    connection_id: str
    reason: DeadLetterReason
    count: int
    oldest_ms: int
    newest_ms: int


class EventStateCounts(Struct, frozen=True):
    """How many of these replayed events are waiting and how many are dead letters again.

    The others have left the store.
    """

    waiting: int
    dead_letters: int


class TotalsRow(Struct, frozen=True):
    """One line of the totals. Per connection: accepted = waiting + delivered + dead_lettered + dropped + erased.

    `counter` is one of accepted, dropped, duplicate, delivered, dead_lettered, discarded, replayed, erased; `reason` is
    given for dropped. A replayed event leaves dead_lettered; a discarded one stays in it.
    """

    connection_id: str
    counter: str
    reason: str
    count: int


class StoreSnapshot(Struct, frozen=True):
    """The totals and the contents of the store at one moment: they add up."""

    totals: Sequence[TotalsRow]
    counts: Mapping[str, QueueCounts]


class EventStore(Protocol):
    """The durable queue. Backoff, rate limits and pauses are the deliverer's business, not the store's."""

    def append(self, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        """Store the events and their counts as one durable write; the future gives each event's admission, in order.

        An event is a duplicate when the store took one of the same connection, name and id within 48 hours (also one
        that was delivered or dead-lettered since). Every error is the future's: also `StoreFull`, and `ConnectionsFull`
        by `check_quotas` of `store/rules.py` (nothing is stored or counted). Canceling the future does not undo the
        write.
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

    async def next_due_ms(self, connection_id: str, now_ms: int) -> int | None:
        """Return when the connection's first unleased event is due (0: now); None if it has none.

        Events scheduled by a clock that was set back since are due now.
        """
        ...

    async def counts(self) -> Mapping[str, QueueCounts]:
        """Return queue counts by connection ID, for connections that have waiting events or dead letters."""
        ...

    async def totals(self) -> Sequence[TotalsRow]: ...

    async def snapshot(self) -> StoreSnapshot:
        """Return `totals` and `counts` of one moment between two changes."""
        ...

    async def dead_letters(
        self, which: DeadLetterFilter, *, limit: int, after_event_no: int = 0
    ) -> Sequence[DeadLetter]:
        """Return dead letters above `after_event_no`, sorted by `event_no`."""
        ...

    async def dead_letter_counts(self) -> Sequence[DeadLetterCount]:
        """Return dead-letter counts by connection and reason, sorted by both.

        Pairs without dead letters are omitted.
        """
        ...

    async def replay(self, which: DeadLetterFilter, now_ms: int) -> int:
        """Make dead letters due again, payload and attempts kept; return how many. Doing it twice changes nothing."""
        ...

    async def count_by_state(self, connection_id: str, event_nos: Collection[int]) -> EventStateCounts:
        """Count how many of these replayed events are waiting and how many are dead letters again.

        The others have left the store.
        """
        ...

    async def discard(self, which: DeadLetterFilter, now_ms: int) -> int:
        """Delete dead letters permanently; return how many."""
        ...

    async def dead_letter_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        """Move every waiting event of a connection to the dead letters, leased ones included; return how many."""
        ...

    async def problems(self) -> Sequence[str]:
        """Return short names of the problems that prevent accepting events, such as `full`; empty if there are none.

        Never raises.
        """
        ...

    async def erase(self, subjects: Collection[int], now_ms: int) -> int:
        """Delete every event, waiting or dead, of these keyed hashes, for every reader; return how many."""
        ...

    @property
    def remains_after_erasure(self) -> str:
        """Return where the deleted bytes are kept for a time; empty if they are overwritten."""
        ...

    async def close(self) -> None: ...
