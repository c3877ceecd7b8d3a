"""The totals of a store and the counts of its contents.

Times are in milliseconds since 1970 (`_ms`) unless a name says seconds. The methods raise `StoreUnavailable` when the
store cannot be used, and no error of the underlying library.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct


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


class TotalsRow(Struct, frozen=True):
    """One line of the totals. Per connection: accepted = waiting + delivered + dead_lettered + dropped + erased.

    `counter` is one of accepted, dropped, duplicate, delivered, dead_lettered, discarded, expired, replayed, erased;
    `reason` is given for dropped. A replayed event leaves dead_lettered; a discarded or expired one stays in it.
    """

    connection_id: str
    counter: str
    reason: str
    count: int


class StoreSnapshot(Struct, frozen=True):
    """The totals and the contents of the store at one moment: they add up."""

    totals: Sequence[TotalsRow]
    counts: Mapping[str, QueueCounts]


class StoreTotals(Protocol):
    """What a store has counted. Every count is written in the transaction of the events that it counts."""

    async def counts(self) -> Mapping[str, QueueCounts]:
        """Return queue counts by connection ID, for connections that have waiting events or dead letters."""
        ...

    async def totals(self) -> Sequence[TotalsRow]: ...

    async def snapshot(self) -> StoreSnapshot:
        """Return `totals` and `counts` of one moment between two changes."""
        ...
