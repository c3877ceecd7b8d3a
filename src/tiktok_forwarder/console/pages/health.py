"""Health of connections over an hour, a day or a week."""

from typing import Any, Final

import msgspec
from starlette.responses import Response

from tiktok_forwarder.api.activity import SHOW_FIGURES, FiguresQuery, FiguresView
from tiktok_forwarder.api.connections import SHOW_CONNECTION
from tiktok_forwarder.api.previews import LIST_ADVICE
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.console.connection_facts import rows_of
from tiktok_forwarder.console.figures import (
    PERIODS,
    Period,
    chart,
    coverage,
    coverage_by_input,
    latencies,
    latency_of,
    period_of,
)
from tiktok_forwarder.console.page import Page, PageRequest

_MINUTE_MS: Final = 60_000


async def _figures(request: PageRequest, period: Period, connection_id: str | None) -> FiguresView:
    # The figures end now, by the API's own clock.
    until_ms = (await request.api.call(SHOW_FIGURES)).until_ms
    asked = FiguresQuery(connection_id, until_ms - period.minutes * _MINUTE_MS, until_ms, period.step_minutes)
    return await request.api.call(SHOW_FIGURES, query=asked)


async def _all(request: PageRequest) -> Response:
    period = period_of(request.query("period"))
    figures = await _figures(request, period, None)
    status = await request.api.call(STATUS)
    values = {
        "period": period,
        "periods": PERIODS,
        "warnings": status.warnings,
        "rows": rows_of(status.connections, figures.connections),
        "latency_of": latency_of,
        "coverage": coverage,
    }
    return request.page("health/health.html", values)


async def _one(request: PageRequest) -> Response:
    period = period_of(request.query("period"))
    connection = await request.api.call(SHOW_CONNECTION, request.path("connection"))
    figures = await _figures(request, period, connection.id)
    found = figures.connections
    values: dict[str, Any] = {
        "period": period,
        "periods": PERIODS,
        "connection": connection,
        "total": found[0].total if found else None,
        "advice": await request.api.call(LIST_ADVICE),
    }
    if found:
        drawn = chart(found[0].steps, period, figures.from_ms, figures.until_ms)
        values |= {
            "chart": drawn,
            "chart_data": msgspec.json.encode(drawn).decode(),
            "latencies": latencies(found[0].total),
            "median": latency_of(found[0].total, 0.5),
            "slowest": latency_of(found[0].total, 0.95),
            "coverage": coverage(found[0].total),
            "by_input": coverage_by_input(found[0].total),
        }
    return request.page("health/connection.html", values)


HEALTH_PAGES: Final = (
    Page("GET", "/health", "viewer", _all),
    Page("GET", "/health/{connection}", "viewer", _one),
)
