"""One event's page: its timeline, the fields sent to TikTok, and how to fix what stopped it."""

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from tiktok_forwarder.api.activity import LIST_ACTIVITY, NO_NAME, SHOW_RECORD, SHOW_WAY, ActivityQuery, RecordView
from tiktok_forwarder.console.activity.advice import advice_catalog
from tiktok_forwarder.console.activity.fields import field_rows
from tiktok_forwarder.console.activity.known import known_fields
from tiktok_forwarder.console.activity.places import way_path
from tiktok_forwarder.console.activity.rows import about
from tiktok_forwarder.console.activity.timeline import is_pending, steps
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import page_of
from tiktok_forwarder.console.mappings.wanted import WantedEvent
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.domain.outcome import RECORDED

_MAX_ELSEWHERE: Final = 200


async def _event(request: PageRequest) -> Response:
    connection, event, event_id = request.path("connection_id"), request.path("event"), request.path("event_id")
    try:
        records = await request.api.call(SHOW_WAY, connection, event, event_id)
    except ApiError as error:
        if not error.is_missing:
            raise
        records = []
    elsewhere = await _elsewhere(request, records, connection, event, event_id)
    if not records:
        return request.page("activity/unknown.html", {"event_id": event_id, "elsewhere": elsewhere}, 404)
    return await _event_page(request, records, elsewhere)


async def _record(request: PageRequest) -> Response:
    record = await request.api.call(SHOW_RECORD, request.path("record_no"))
    return await _event_page(request, [record], [])


async def _event_page(
    request: PageRequest, records: Sequence[RecordView], elsewhere: Sequence[tuple[str, str]]
) -> Response:
    catalog = await advice_catalog(request.api)
    mapped = next((each for each in records if each.payload is not None), None)
    values = {
        "record": records[0],
        "about": about(records[0]),
        "steps": steps(records, catalog),
        "is_pending": is_pending(records),
        "is_truncated": records[0].outcome in ("retry", "delivered", "dead_letter"),
        "warnings": [catalog.get(each) for each in dict.fromkeys(name for each in records for name in each.warnings)],
        "is_recorded": mapped is not None and mapped.reason == RECORDED,
        "payload": mapped.payload if mapped else None,
        "fields": field_rows(mapped.payload, mapped.explanation) if mapped else [],
        "elsewhere": elsewhere,
        "known": known_fields(records[0].received) if records[0].received else [],
        "map_page": _map_page(records[0]) if request.is_admin else "",
    }
    return request.page("activity/event.html", values)


def _map_page(record: RecordView) -> str:
    """Return the page that opens a mapping for a dropped event, empty if none would have sent it."""
    if record.received is None or not record.can_be_mapped:
        return ""
    wanted = WantedEvent(record.received.event_type, record.received.event_name)
    return wanted.address(page_of(record.connection_id, "/mappings"))


async def _elsewhere(
    request: PageRequest, records: Sequence[RecordView], connection: str, event: str, event_id: str
) -> list[tuple[str, str]]:
    """Return path and label of other events with this event ID, in any connection."""
    here = {(each.connection_id, each.event) for each in records}
    found = await request.api.call(LIST_ACTIVITY, query=ActivityQuery(event_id=event_id, limit=_MAX_ELSEWHERE))
    others: dict[tuple[str, str], str] = {}
    for each in found.records:
        key = (each.connection_id, each.event)
        if key not in here and key != (connection, "" if event == NO_NAME else event):
            others.setdefault(key, f"{about(each)} in {each.connection}")
    return [(f"/activity/{way_path(*key, event_id)}", words) for key, words in sorted(others.items())]


EVENT_PAGES: Final = (
    Page("GET", "/activity/{connection_id}/{event}/{event_id}", "viewer", _event),
    Page("GET", "/activity/record/{record_no}", "viewer", _record),
)
