"""The overview: every connection's state and figures."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.api.activity import SHOW_FIGURES
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.console.connection_facts import rows_of
from tiktok_forwarder.console.page import Page, PageRequest


async def _overview(request: PageRequest) -> Response:
    values = await _values(request)
    return request.page("overview/cards.html" if request.is_htmx else "overview/overview.html", values)


async def _values(request: PageRequest) -> Mapping[str, Any]:
    status = await request.api.call(STATUS)
    figures = await request.api.call(SHOW_FIGURES)
    return {
        "troubles": status.store_problems,
        "warnings": status.warnings,
        "connections": rows_of(status.connections, figures.connections),
    }


OVERVIEW_PAGES: Final = (Page("GET", "/", "viewer", _overview),)
