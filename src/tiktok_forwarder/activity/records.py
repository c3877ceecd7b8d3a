"""The activity's types: records of what happened to recent events, figures by time, names, and their store."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.domain.sources import FieldSources

# `attempted`: a request failed or had a note (no event ID), or it left this event without an outcome. `condition`: the
# connection's delivery was paused, slowed down or is healthy again. `refused`: a message of Kafka can never be
# accepted; its record is of no connection.
RecordOutcome = Literal[
    "accepted", "duplicate", "dropped", "attempted", "delivered", "retry", "dead_letter", "condition", "refused"
]

Figures = dict[str, int]
"""Counts by name; a name with parts contains a dot, such as `dropped.missing_ip`."""

HourKey = tuple[int, str, str]
"""Hour since 1970, connection ID, and an event's name at TikTok."""

NameKey = tuple[str, str, str]
"""Connection ID, and an event's type and name in mParticle's words."""


class NameCounts(Struct, gc=False):
    """What became of the events of one name: mapped, dropped for want of a mapping, or dropped for `last_reason`."""

    first_ms: int
    last_ms: int
    mapped: int = 0
    unmapped: int = 0
    dropped: int = 0
    last_reason: str = ""

    def add(self, later: "NameCounts") -> None:
        """Add what was counted later, or at the same time on another node."""
        self.first_ms = min(self.first_ms, later.first_ms)
        self.last_ms = max(self.last_ms, later.last_ms)
        self.mapped += later.mapped
        self.unmapped += later.unmapped
        self.dropped += later.dropped
        self.last_reason = later.last_reason or self.last_reason


class ReceivedEvent(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is known of an event that was not sent, without any value of its user.

    `identities` are the kinds of identity that its batch had.
    """

    event_type: str
    event_name: str = ""
    platform: str = ""
    identities: tuple[str, ...] = ()


class Facts(Struct, frozen=True, gc=False, omit_defaults=True):
    """The contents of a record that it cannot be found by.

    `verdict` and `answer` are from the request that led to the outcome, `group_events` is how many events the request
    held, `seconds` how long TikTok took. `due_ms` is the time of the next attempt. `source` names an accepted or
    dropped event in mParticle's words; `connection_revision` is the revision that mapped an accepted event,
    `field_sources` are the sources that the mapping chose. `received` is known of dropped events.
    """

    detail: str = ""
    source: str = ""
    warnings: tuple[str, ...] = ()
    verdict: str = ""
    answer: Answer | None = None
    group_events: int = 0
    seconds: float = 0.0
    attempts: int = 0
    accepted_at_ms: int | None = None
    due_ms: int | None = None
    connection_revision: int = 0
    field_sources: FieldSources | None = None
    received: ReceivedEvent | None = None


class Record(Struct, frozen=True, gc=False):
    """One thing that happened. `payload` (accepted and recorded events, dead letters) has digests, IP and user agent.

    `subjects` are keyed hashes of the event's identities, for erasure; records of whole requests have none.
    `source_name` is mParticle's name of an accepted or dropped event in lower case, `order_id` the order number in the
    payload.
    """

    at_ms: int
    connection_id: str
    outcome: RecordOutcome
    event_name: str = ""
    event_id: str = ""
    reason: str = ""
    facts: Facts = Facts()
    payload: bytes = b""
    subjects: tuple[int, ...] = ()
    source_name: str = ""
    order_id: str = ""


class KeptRecord(Struct, frozen=True):
    """A stored record. Numbers grow; a gap means nothing."""

    record_no: int
    record: Record


class RecordFilter(Struct, frozen=True):
    """Which records: every condition given must be met. Newest first, between the two numbers, both excluded.

    `source_name` is in lower case. `order_id` is an order number in the payload, or an event ID.
    """

    connection_id: str | None = None
    event_name: str | None = None
    outcome: RecordOutcome | None = None
    reason: str | None = None
    since_ms: int | None = None
    before_record_no: int | None = None
    limit: int = 100
    event_id: str | None = None
    after_record_no: int | None = None
    source_name: str | None = None
    order_id: str | None = None


class MinuteFigures(Struct, frozen=True):
    """The figures of one connection's minute. `minute` counts from 1970."""

    minute: int
    connection_id: str
    figures: Figures


class HourFigures(Struct, frozen=True):
    """The figures of one TikTok event of a connection in one hour. `hour` counts from 1970."""

    hour: int
    connection_id: str
    event_name: str
    figures: Figures


class NameRow(Struct, frozen=True):
    """The counts of one name of a connection."""

    connection_id: str
    event_type: str
    event_name: str
    counts: NameCounts


class LevelChange(Struct, frozen=True):
    """A level from this second (since 1970) on: one in 2 to the power of `level` events of the connection is kept.

    `node` is empty for this process's own.
    """

    connection_id: str
    second: int
    level: int
    node: str = ""


class ActivityWrite(Struct, frozen=True):
    """About one second of activity. Figures are by (minute, connection ID).

    All figures and counts are added to the stored ones.
    """

    records: Sequence[Record]
    figures: Mapping[tuple[int, str], Figures]
    levels: Sequence[LevelChange]
    hours: Mapping[HourKey, Figures] = {}
    names: Mapping[NameKey, NameCounts] = {}


class ActivityStore(Protocol):
    """Keeps the newest activity within a bound.

    It guarantees nothing: records that it cannot keep are counted as lost.
    """

    @property
    def lost_records(self) -> int:
        """Return how many records could not be written since the start."""
        ...

    @property
    def level_delay_seconds(self) -> int:
        """Return for how many seconds the levels of a second may still change: until all nodes have stored theirs."""
        ...

    def new_levels(self) -> Sequence[LevelChange]:
        """Return changes that were not returned before, oldest first.

        At first those until the last stop, later those of other nodes.
        """
        ...

    def write(self, write: ActivityWrite) -> bool:
        """Queue a write; never blocks, never raises. Return False if too much is queued already: nothing was taken."""
        ...

    async def recent(self, which: RecordFilter) -> Sequence[KeptRecord]: ...

    async def newest(self) -> int:
        """Return the highest record number; 0 if there are no records."""
        ...

    async def one(self, record_no: int) -> KeptRecord | None: ...

    async def way(self, connection_id: str, event_name: str, event_id: str) -> Sequence[KeptRecord]:
        """Return all records of one event, oldest first."""
        ...

    async def figures(
        self, from_minute: int, until_minute: int, connection_id: str | None = None
    ) -> Sequence[MinuteFigures]:
        """Return figures by minute; the end is excluded."""
        ...

    async def hours(self, from_hour: int, until_hour: int, connection_id: str | None = None) -> Sequence[HourFigures]:
        """Return figures by hour and event; the end is excluded. Hours are kept for 15 days."""
        ...

    async def names(self, since_ms: int, connection_id: str | None = None) -> Sequence[NameRow]:
        """Return the names that were seen since, of at most 15 days and at most `MAX_NAMES` of each connection."""
        ...

    async def delete_before(self, before_ms: int) -> None:
        """Delete records, figures and names of before this time."""
        ...

    async def erase(self, subjects: Collection[int]) -> int:
        """Delete the records of these keyed hashes beyond recovery, queued writes included; return how many records.

        Records of whole requests are deleted too, uncounted: TikTok's texts in them may quote any person.
        """
        ...

    async def close(self) -> None:
        """Write what is queued, then close."""
        ...
