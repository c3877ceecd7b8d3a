"""Steps to a connection's first event that need a page: to go live, to put the steps away."""

from typing import Final

from msgspec import structs
from starlette.responses import Response

from tiktok_forwarder.api.connections import SET_CONNECTION, SET_FIRST_STEPS
from tiktok_forwarder.api.types import ConnectionChange, FirstStepsView, SaveQuery
from tiktok_forwarder.console.connection_facts import facts_of, page_of
from tiktok_forwarder.console.page import Page, PageRequest

_NO_CODE: Final = "The connection has no test event code: TikTok counts its events already."


async def _ask_go_live(request: PageRequest) -> Response:
    facts = await facts_of(request.api, request.path("connection_id"))
    if facts.connection.test_event_code is None:
        return request.go(page_of(facts.view.id), _NO_CODE)
    return request.page("connections/go_live.html", structs.asdict(facts))


async def _go_live(request: PageRequest) -> Response:
    connection_id = request.path("connection_id")
    change = ConnectionChange({"test_event_code": None})
    changed = await request.api.call(SET_CONNECTION, connection_id, query=SaveQuery(check=True), body=change)
    name = changed.connection().name
    return request.go(page_of(changed.id), f"{name} has no test event code any more: TikTok counts its events now.")


async def _put_away(request: PageRequest) -> Response:
    connection_id = request.path("connection_id")
    view = FirstStepsView(request.form.text("put_away") == "yes")
    await request.api.call(SET_FIRST_STEPS, connection_id, body=view)
    notice = "The steps are put away. Show them again with the button at the top." if view.put_away else ""
    return request.go(page_of(connection_id), notice)


FIRST_STEPS_PAGES: Final = (
    Page("GET", "/connections/{connection_id}/go-live", "admin", _ask_go_live),
    Page("POST", "/connections/{connection_id}/go-live", "admin", _go_live),
    Page("POST", "/connections/{connection_id}/first-steps", "admin", _put_away),
)
