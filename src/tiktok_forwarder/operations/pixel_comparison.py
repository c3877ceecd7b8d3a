"""Compares events that a site's pixel sent with those of this service: the same name and ID, or what differs.

TikTok takes both for one event only if pixel, name and event ID are the same, letter by letter.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.records import KeptRecord, RecordFilter, RecordOutcome
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.tiktok.events import PURCHASE_EVENTS

HOUR_MS: Final = 3_600_000
# A sender or mParticle may hold an event for some minutes before the service receives it.
_NEAR_MS: Final = 15 * 60 * 1000
_MAX_RECORDS: Final = 1000
# The pixel sends it for every page, by itself.
_PAGE_VIEW: Final = "pageview"

PixelVerdict = Literal[
    "agrees", "dropped", "name_differs", "id_differs", "no_event_id", "only_pixel", "page_view", "unknown_pixel"
]
"""What the comparison found. `dropped`: it has the same ID here, and was not sent. `only_pixel`: nothing like it is
here. `page_view`: the pixel's own, for which no server event is expected."""


class PixelEvent(Struct, frozen=True, forbid_unknown_fields=True):
    """An event that a page's pixel sent. `event_id` is empty, and `at_ms` None, if the pixel's request has none."""

    pixel_id: str
    event: str
    event_id: str = ""
    at_ms: int | None = None


class OwnEvent(Struct, frozen=True):
    """An event of this service that may be the same. `event` is empty if it was dropped before it had a name."""

    record_no: int
    connection_id: str
    connection: str
    event: str
    event_id: str
    at_ms: int
    outcome: RecordOutcome
    reason: str


class ComparedEvent(Struct, frozen=True):
    """An event of the pixel, the verdict, and the event of this service that it was compared with, if any."""

    pixel: PixelEvent
    verdict: PixelVerdict
    own: OwnEvent | None = None


async def compare_with_pixel(
    events: Sequence[PixelEvent], connections: Connections, activity: Activity, since_ms: int
) -> list[ComparedEvent]:
    """Compare each event with the activity since then, of the connections that have its pixel."""
    records = _Records(activity, since_ms)
    by_pixel: dict[str, list[Connection]] = {}
    for connection in connections.all():
        by_pixel.setdefault(connection.pixel_id, []).append(connection)
    known = {(event.pixel_id, event.event, event.event_id) for event in events}
    return [await _compared(event, by_pixel.get(event.pixel_id, ()), records, known) for event in events]


async def _compared(
    event: PixelEvent,
    connections: Sequence[Connection],
    records: "_Records",
    known: set[tuple[str, str, str]],
) -> ComparedEvent:
    if not connections:
        return ComparedEvent(event, "unknown_pixel")
    if event.event.lower() == _PAGE_VIEW:
        return ComparedEvent(event, "page_view")
    if event.event_id:
        same_id = [each for one in connections for each in await records.with_id(one, event.event_id)]
        if same_id:
            return ComparedEvent(event, *_best_of(event, same_id))
    # An event that the pixel has too is no counterpart of this one.
    near = [
        each
        for one in connections
        for each in await records.accepted(one)
        if _is_alike(event, each) and (event.pixel_id, each.event, each.event_id) not in known
    ]
    own = min(near, key=lambda each: abs(each.at_ms - (event.at_ms or 0)), default=None)
    if not event.event_id:
        return ComparedEvent(event, "no_event_id", own)
    return ComparedEvent(event, "id_differs" if own is not None else "only_pixel", own)


def _best_of(event: PixelEvent, same_id: Sequence[OwnEvent]) -> tuple[PixelVerdict, OwnEvent]:
    """Return what agrees most: a custom mapping may have made several events of one."""
    sent = [each for each in same_id if each.outcome != "dropped"]
    for each in sent:
        if each.event == event.event:
            return "agrees", each
    return ("name_differs", sent[0]) if sent else ("dropped", same_id[0])


def _is_alike(event: PixelEvent, own: OwnEvent) -> bool:
    """Return whether both may be of one action: near in time, with one name, or two names for a purchase."""
    names = {event.event, own.event}
    is_near = event.at_ms is not None and abs(own.at_ms - event.at_ms) <= _NEAR_MS
    return is_near and (len(names) == 1 or names <= PURCHASE_EVENTS)


class _Records:
    """The activity since a time, of one connection at a time."""

    def __init__(self, activity: Activity, since_ms: int) -> None:
        self._activity = activity
        self._since_ms = since_ms
        self._accepted: dict[str, Sequence[OwnEvent]] = {}

    async def with_id(self, connection: Connection, event_id: str) -> Sequence[OwnEvent]:
        """Return its records with this event ID, one for each name; those that were sent come first."""
        kept = await self._activity.recent(
            RecordFilter(connection.id, since_ms=self._since_ms, event_id=event_id, limit=_MAX_RECORDS)
        )
        by_name: Mapping[str, OwnEvent] = {each.record.event_name: _own(each, connection) for each in kept}
        return sorted(by_name.values(), key=lambda each: each.outcome == "dropped")

    async def accepted(self, connection: Connection) -> Sequence[OwnEvent]:
        """Return its newest accepted events."""
        if connection.id not in self._accepted:
            which = RecordFilter(connection.id, outcome="accepted", since_ms=self._since_ms, limit=_MAX_RECORDS)
            kept = await self._activity.recent(which)
            self._accepted[connection.id] = [_own(each, connection) for each in kept]
        return self._accepted[connection.id]


def _own(kept: KeptRecord, connection: Connection) -> OwnEvent:
    record = kept.record
    return OwnEvent(
        kept.record_no,
        connection.id,
        connection.name,
        record.event_name,
        record.event_id,
        record.at_ms,
        record.outcome,
        record.reason,
    )
