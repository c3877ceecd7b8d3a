"""The dead letters of a store, and their types.

Times are in milliseconds since 1970 (`_ms`) unless a name says seconds. The methods raise `StoreUnavailable` when the
store cannot be used, and no error of the underlying library.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Answer, DeadLetterReason, WireFormName


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


class DeadLetterStore(Protocol):
    """The events that are not tried again, until a person replays or discards them, or they expire."""

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

    async def expire(self, before_ms: int) -> Mapping[str, int]:
        """Delete what became a dead letter before this time; return how many there were by connection ID.

        Runs in steps, each of which is counted as `expired` in its transaction; of several callers, one deletes a
        letter. One that is replayed in the meantime stays.
        """
        ...

    async def dead_letter_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        """Move every waiting event of a connection to the dead letters, leased ones included; return how many."""
        ...
