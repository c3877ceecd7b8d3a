"""The front page: every connection at a glance, and where to look when something is wrong."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.api.activity import SHOW_FIGURES
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.console.connection_facts import rows_of
from tiktok_forwarder.console.page import Page, Visit


async def _overview(visit: Visit) -> Response:
    values = await _values(visit)
    return visit.page("overview/cards.html" if visit.is_htmx else "overview/overview.html", values)


async def _values(visit: Visit) -> Mapping[str, Any]:
    status = await visit.api.call(STATUS)
    figures = await visit.api.call(SHOW_FIGURES)
    return {"troubles": status.troubles, "connections": rows_of(status.connections, figures.connections)}


OVERVIEW_PAGES: Final = (Page("GET", "/", "viewer", _overview),)
