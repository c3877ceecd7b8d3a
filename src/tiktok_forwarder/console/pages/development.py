"""Events of mParticle's development environment with their raw input, for administrators."""

from typing import Final

from starlette.responses import Response

from tiktok_forwarder.api.previews import LIST_DEVELOPMENT_EVENTS, DevelopmentQuery
from tiktok_forwarder.console.activity.advice import advice_catalog
from tiktok_forwarder.console.activity.development import DevelopmentEvent, development_event_of
from tiktok_forwarder.console.connection_facts import all_connections
from tiktok_forwarder.console.page import Page, PageRequest


async def _development(request: PageRequest) -> Response:
    connections = await all_connections(request.api)
    wanted = request.query("connection")
    named = [each for each in connections if wanted in (each.id, each.name)]
    chosen = next(iter(named or connections), None)
    catalog = await advice_catalog(request.api)
    events: list[DevelopmentEvent] = []
    if chosen is not None:
        kept = await request.api.call(LIST_DEVELOPMENT_EVENTS, query=DevelopmentQuery(chosen.id))
        events = [development_event_of(each, chosen, catalog) for each in kept.events]
    values = {
        "connections": [(each.id, each.name) for each in connections],
        "chosen": chosen.id if chosen else "",
        "events": events,
    }
    return request.page("activity/development.html", values)


DEVELOPMENT_PAGES: Final = (Page("GET", "/activity/development", "admin", _development),)
