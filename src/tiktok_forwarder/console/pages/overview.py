"""The front page: every connection at a glance, and where to look when something is wrong."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.console.page import Page, Visit


async def _overview(visit: Visit) -> Response:
    values = await _values(visit)
    return visit.page("overview/cards.html" if visit.is_htmx else "overview/overview.html", values)


async def _values(visit: Visit) -> Mapping[str, Any]:
    status = await visit.api.get("/api/status")
    figures = await visit.api.get("/api/figures")
    of_hour = {each["connection_id"]: each["total"] for each in figures["connections"]}
    connections = [{**each, "hour": of_hour.get(each["id"])} for each in status["connections"]]
    return {"troubles": status["troubles"], "connections": connections}


OVERVIEW_PAGES: Final = (Page("GET", "/", "viewer", _overview),)
