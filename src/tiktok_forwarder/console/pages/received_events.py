"""A connection's received events by mParticle's type and name: how many, and what becomes of them."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from starlette.responses import Response

from tiktok_forwarder.api.connections import SHOW_CONNECTION
from tiktok_forwarder.api.received_events import LIST_RECEIVED_EVENTS, ReceivedEventsQuery, ReceivedEventView
from tiktok_forwarder.console.connection_facts import page_of
from tiktok_forwarder.console.mappings.choices import EVENT_TYPE_LABELS
from tiktok_forwarder.console.mappings.labels import event_words
from tiktok_forwarder.console.mappings.wanted import WantedEvent
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.rendering import wire_label


class ReceivedEvent(Struct, frozen=True):
    """An event of the list. `map_page` opens a mapping for it, empty if none can be made."""

    view: ReceivedEventView
    kind: str
    total: int
    targets: list[str]
    map_page: str

    @property
    def is_mapped(self) -> bool:
        return bool(self.view.tiktok_events)


def _of(view: ReceivedEventView) -> ReceivedEvent:
    mappings = page_of(view.connection_id, "/mappings")
    return ReceivedEvent(
        view,
        EVENT_TYPE_LABELS.get(view.event_type) or wire_label(view.event_type),
        view.mapped + view.unmapped + view.dropped,
        [event_words(name).title for name in view.tiktok_events],
        WantedEvent(view.event_type, view.event_name).address(mappings) if view.can_be_mapped else "",
    )


def _most_frequent_first(events: Sequence[ReceivedEvent], *, mapped: bool) -> list[ReceivedEvent]:
    return sorted((each for each in events if each.is_mapped == mapped), key=lambda each: -each.total)


async def _events(request: PageRequest) -> Response:
    connection = await request.api.call(SHOW_CONNECTION, request.path("id"))
    found = await request.api.call(LIST_RECEIVED_EVENTS, query=ReceivedEventsQuery(connection.id))
    events = [_of(each) for each in found.events]
    values = {
        "connection": connection,
        "unmapped": _most_frequent_first(events, mapped=False),
        "mapped": _most_frequent_first(events, mapped=True),
    }
    return request.page("mappings/received.html", values)


RECEIVED_EVENTS_PAGES: Final = (Page("GET", "/connections/{id}/events", "viewer", _events),)
