"""The page that compares a pixel's events with this service's. What is pasted is read in the browser only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.pixel import COMPARE_WITH_PIXEL, MAX_PIXEL_EVENTS, PixelEventsBody
from tiktok_forwarder.console.connection_facts import page_of
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.rendering import uncapitalized, wire_label
from tiktok_forwarder.operations.pixel_comparison import ComparedEvent, PixelEvent, PixelVerdict
from tiktok_forwarder.tiktok.events import PURCHASE_EVENTS

_HOURS: Final = 24
_LABELS: Final[Mapping[PixelVerdict, str]] = {
    "agrees": "agree",
    "name_differs": "name differs",
    "id_differs": "event ID differs",
    "no_event_id": "no event ID",
    "dropped": "dropped here",
    "only_pixel": "only the pixel's",
    "page_view": "page view",
    "unknown_pixel": "unknown pixel",
}
_MOODS: Final[Mapping[PixelVerdict, str]] = {
    "agrees": "delivered",
    "name_differs": "dead_letter",
    "id_differs": "dead_letter",
    "no_event_id": "dead_letter",
    "dropped": "retry",
    "only_pixel": "stopped",
    "page_view": "stopped",
    "unknown_pixel": "stopped",
}


class _Row(Struct, frozen=True):
    """An event with what to change, and the path of the setting that does, if one does."""

    compared: ComparedEvent
    change: str
    place: str = ""


_CHANGES: Final[Mapping[PixelVerdict, str]] = {
    "agrees": "Nothing: TikTok counts both as one event.",
    "no_event_id": "Pass the event ID as the third argument of ttq.track: {{event_id: …}}.",
    "only_pixel": "Nothing here has its ID, or its name at about its time. Check that the sender sends it. "
    "At high rates only a sample of the activity is kept.",
    "page_view": "Nothing: the pixel sends it for every page, and no server event belongs to it.",
    "unknown_pixel": "No connection has the pixel {pixel.pixel_id}.",
}
_SAME_ID: Final = (
    "Give both the same event ID, such as the order number: in ttq.track, "
    "and as the connection's source of the event ID."
)


async def _pixel(request: PageRequest) -> Response:
    return _shown(request, [])


async def _compare(request: PageRequest) -> Response:
    try:
        events = msgspec.json.decode(request.form.secret("events"), type=list[PixelEvent])
    except msgspec.DecodeError:
        raise HTTPException(400, "the events cannot be read: paste the pixel's requests again") from None
    if len(events) > MAX_PIXEL_EVENTS:
        raise HTTPException(400, f"at most {MAX_PIXEL_EVENTS} events are compared at a time")
    found = await request.api.call(COMPARE_WITH_PIXEL, body=PixelEventsBody(events, _HOURS))
    order = list(_LABELS)
    # What differs needs a person; the rest is there to be complete.
    first = ("name_differs", "id_differs", "no_event_id")
    rows = sorted(found.events, key=lambda each: (each.verdict not in first, order.index(each.verdict)))
    return _shown(request, [_row_of(each, request) for each in rows])


def _shown(request: PageRequest, rows: Sequence[_Row]) -> Response:
    counts = Counter(row.compared.verdict for row in rows)
    values = {
        "rows": rows,
        "counts": {verdict: counts[verdict] for verdict in _LABELS if counts[verdict]},
        "labels": _LABELS,
        "moods": _MOODS,
        "hours": _HOURS,
        "problems": [],
    }
    return request.page("pixel/pixel.html", values)


def _row_of(compared: ComparedEvent, request: PageRequest) -> _Row:
    change, setting = _change_of(compared)
    own = compared.own
    has_place = setting and own is not None and request.is_admin
    return _Row(compared, change, page_of(own.connection_id, f"/edit#field-{setting}") if own and has_place else "")


def _change_of(compared: ComparedEvent) -> tuple[str, str]:
    """Return what to change, and the connection's setting that does, if one does."""
    pixel, own = compared.pixel, compared.own
    if own is None or compared.verdict in _CHANGES:
        return _CHANGES.get(compared.verdict, "").format(pixel=pixel), ""
    if compared.verdict == "dropped":
        return f"This service did not send it: {uncapitalized(wire_label(own.reason))}.", ""
    if compared.verdict == "id_differs":
        name = "" if own.event == pixel.event else f" The name differs too: {own.event}."
        return f"{_SAME_ID}{name}", "sources"
    if {pixel.event, own.event} <= PURCHASE_EVENTS:
        return f"Set the connection's purchase event to {pixel.event}, as the pixel sends it.", "purchase_event"
    return f"Send both as {pixel.event} or both as {own.event}: change the custom mapping, or ttq.track.", ""


PIXEL_PAGES: Final = (
    Page("GET", "/pixel", "viewer", _pixel),
    Page("POST", "/pixel", "viewer", _compare),
)
