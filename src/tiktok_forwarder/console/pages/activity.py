"""The activity page: records of recent events, newest first, as a list and live."""

from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.api.activity import LIST_ACTIVITY
from tiktok_forwarder.console.activity.advice import AdviceCatalog, advice_catalog
from tiktok_forwarder.console.activity.filters import SINCE, Filters, outcome_choices, reason_choices
from tiktok_forwarder.console.activity.live import LiveStream, event, final_events
from tiktok_forwarder.console.activity.rows import row_of
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import all_connections
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.tiktok.events import EVENTS

_PAGE: Final = 50
# A comment, so that proxies do not close the stream as idle.
_NOTHING_NEW: Final = ":\n\n"
_CALM: Final = "Live"
_CROWDED: Final = f"Live: showing only the newest {_PAGE} records of each second"
_LOGGED_OUT: Final = "Your session has ended. Log in again to continue."


async def _activity(request: PageRequest) -> Response:
    filters = Filters.of(request)
    catalog = await advice_catalog(request.api)
    found = await request.api.call(LIST_ACTIVITY, query=filters.api_query(_PAGE, before=request.query("before")))
    values = {
        "filters": filters,
        "rows": [row_of(each, catalog) for each in found.records],
        "before": found.before,
        "lost": found.lost_records,
        "has_come": False,
        "is_first": not request.query("before"),
        "is_live": request.query("live") == "on" and not request.query("before"),
        "newest": found.newest,
        **await _choices(request, filters, catalog),
    }
    return request.page("activity/activity.html", values)


async def _choices(request: PageRequest, filters: Filters, catalog: AdviceCatalog) -> dict[str, Any]:
    connections = [(each.id, each.name) for each in await all_connections(request.api)]
    if filters.connection and filters.connection not in [each for each, _ in connections]:
        # By name, or deleted.
        connections.append((filters.connection, filters.connection))
    return {
        "connections": connections,
        "event_names": list(EVENTS),
        "outcomes": outcome_choices(),
        "reasons": reason_choices(catalog),
        "since": SINCE,
    }


async def _live(request: PageRequest) -> Response:
    watch = _Watch(request, Filters.of(request), await advice_catalog(request.api))
    return LiveStream(request.services.live_views, request.user.id, watch.turn)


class _Watch:
    """The stream of one viewer: the records sent so far, and whether the session is still valid."""

    def __init__(self, request: PageRequest, filters: Filters, catalog: AdviceCatalog) -> None:
        self._request = request
        self._filters = filters
        self._catalog = catalog
        self._newest = request.http.headers.get("last-event-id") or request.query("after", "0")
        self._final_message = ""
        self._has_ended = False
        self._is_crowded = False

    async def turn(self) -> str | None:
        """Return new records as events, or None after the final message."""
        if self._has_ended:
            return None
        try:
            if not await self._may_watch():
                self._final_message = _LOGGED_OUT
        except StoreUnavailable as error:
            self._final_message = str(error)
        records = await self._new_records() if not self._final_message else ""
        if not self._final_message:
            return records
        self._has_ended = True
        return final_events(self._final_message)

    async def _new_records(self) -> str:
        asked = self._filters.api_query(_PAGE, after=self._newest)
        try:
            found = await self._request.api.call(LIST_ACTIVITY, query=asked)
        except ApiError as error:
            self._final_message = str(error)
            return ""
        self._newest = str(found.newest)
        notice = self._crowding_notice(is_crowded=found.before is not None)
        if not found.records:
            return notice or _NOTHING_NEW
        rows = [row_of(each, self._catalog) for each in found.records]
        html = self._request.services.rendering.render("activity/rows.html", {"rows": rows, "has_come": True})
        return notice + event("rows", html, self._newest)

    def _crowding_notice(self, *, is_crowded: bool) -> str:
        """Return a notice when the stream begins or stops to omit records, else an empty text."""
        if is_crowded == self._is_crowded:
            return ""
        self._is_crowded = is_crowded
        return event("state", _CROWDED if is_crowded else _CALM)

    async def _may_watch(self) -> bool:
        reference = self._request.http.cookies.get(self._request.origin.cookie)
        if reference is None:
            return False
        return await self._request.services.access.who(reference, extends_session=False) is not None


ACTIVITY_PAGES: Final = (
    Page("GET", "/activity", "viewer", _activity),
    Page("GET", "/activity/live", "viewer", _live),
)
