"""How connections are doing over an hour, a day or a week."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import Response

from tiktok_forwarder.console.api import part
from tiktok_forwarder.console.figures import PERIODS, Period, chart, coverage, latencies, latency_of, period_of
from tiktok_forwarder.console.page import Page, Visit

_MINUTE_MS: Final = 60_000


async def _figures(visit: Visit, period: Period, connection_id: str | None) -> Mapping[str, Any]:
    # What `until_ms` leaves out is the present: the API's own clock says what that is.
    now = await visit.api.get("/api/figures")
    until_ms = now["until_ms"]
    figures: Mapping[str, Any] = await visit.api.get(
        "/api/figures",
        connection=connection_id,
        from_ms=until_ms - period.minutes * _MINUTE_MS,
        until_ms=until_ms,
        step_minutes=period.step_minutes,
    )
    return figures


async def _all(visit: Visit) -> Response:
    period = period_of(visit.query("period"))
    figures = await _figures(visit, period, None)
    of_connection = {each["connection_id"]: each["total"] for each in figures["connections"]}
    status = await visit.api.get("/api/status")
    rows = [{**each, "figures": of_connection.get(each["id"])} for each in status["connections"]]
    values = {"period": period, "periods": PERIODS, "rows": rows, "latency_of": latency_of, "coverage": coverage}
    return visit.page("health/health.html", values)


async def _one(visit: Visit) -> Response:
    period = period_of(visit.query("period"))
    connection = await visit.api.get(f"/api/connections/{part(visit.path('connection'))}")
    figures = await _figures(visit, period, connection["id"])
    found = figures["connections"]
    values: dict[str, Any] = {
        "period": period,
        "periods": PERIODS,
        "connection": connection,
        "total": found[0]["total"] if found else None,
        "advice": await visit.api.get("/api/advice"),
    }
    if found:
        drawn = chart(found[0]["steps"], period, figures["from_ms"], figures["until_ms"])
        values |= {
            "chart": drawn,
            "chart_data": msgspec.json.encode(drawn).decode(),
            "latencies": latencies(found[0]["total"]),
            "median": latency_of(found[0]["total"], 0.5),
            "slowest": latency_of(found[0]["total"], 0.95),
            "coverage": coverage(found[0]["total"]),
        }
    return visit.page("health/connection.html", values)


HEALTH_PAGES: Final = (
    Page("GET", "/health", "viewer", _all),
    Page("GET", "/health/{connection}", "viewer", _one),
)
