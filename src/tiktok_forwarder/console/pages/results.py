"""A connection's results: its TikTok events today, on the same day last week, and of the last 15 days."""

from typing import Final

import msgspec
from starlette.responses import Response

from tiktok_forwarder.api.connections import SHOW_CONNECTION
from tiktok_forwarder.api.results import SHOW_RESULTS, ResultsQuery
from tiktok_forwarder.console.figures import coverage
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.trends import amounts, day_chart, delivered_share, event_title, trend, weekday

_DAYS: Final = 15


async def _results(request: PageRequest) -> Response:
    connection = await request.api.call(SHOW_CONNECTION, request.path("id"))
    results = await request.api.call(SHOW_RESULTS, query=ResultsQuery(connection.id, days=_DAYS))
    events = results.connections[0].events if results.connections else []
    chosen = next((each for each in events if each.event == request.query("event")), events[0] if events else None)
    drawn = trend(event_title(chosen.event), [chosen], results) if chosen else None
    values = {
        "connection": connection,
        "results": results,
        "events": events,
        "chosen": chosen,
        "trend": drawn,
        "chart_data": msgspec.json.encode(day_chart(drawn, results)).decode() if drawn else "",
        "event_title": event_title,
        "amounts": amounts,
        "delivered_share": delivered_share,
        "coverage": coverage,
        "weekday": weekday,
    }
    return request.page("connections/results.html", values)


RESULTS_PAGES: Final = (Page("GET", "/connections/{id}/results", "viewer", _results),)
