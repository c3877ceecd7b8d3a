"""The overview: every connection's state and figures."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.api.activity import SHOW_FIGURES, SHOW_INPUT_FIGURES
from tiktok_forwarder.api.results import SHOW_RESULTS
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.console.attention import attention_of
from tiktok_forwarder.console.connection_facts import rows_of
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.trends import MAX_TRENDS, amounts, purchases_trends, weekday


async def _overview(request: PageRequest) -> Response:
    values = await _values(request)
    return request.page("overview/cards.html" if request.is_htmx else "overview/overview.html", values)


async def _values(request: PageRequest) -> Mapping[str, Any]:
    status = await request.api.call(STATUS)
    figures = await request.api.call(SHOW_FIGURES)
    inputs = await request.api.call(SHOW_INPUT_FIGURES)
    results = await request.api.call(SHOW_RESULTS)
    existing = {each.id for each in status.connections}
    return {
        "troubles": status.store_problems,
        "warnings": status.warnings,
        "attention": attention_of(status, inputs.inputs),
        "trends": purchases_trends([each for each in results.connections if each.connection_id in existing], results),
        "max_trends": MAX_TRENDS,
        "day": weekday(results.today),
        "amounts": amounts,
        "connections": rows_of(status.connections, figures.connections),
    }


OVERVIEW_PAGES: Final = (Page("GET", "/", "viewer", _overview),)
