"""Actions on a connection: check, pause, resume, delete."""

from typing import Final

from msgspec import structs
from starlette.responses import Response

from tiktok_forwarder.api.connections import (
    CHECK_CONNECTION,
    PAUSE_CONNECTION,
    REMOVE_CONNECTION,
    RESUME_CONNECTION,
    SHOW_CONNECTION,
)
from tiktok_forwarder.api.types import PauseBody
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import facts_of, page_of
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.pages.connections import connection_page
from tiktok_forwarder.console.setting_words import check_words, label_of


async def _check(request: PageRequest) -> Response:
    connection_id = request.path("connection_id")
    checked = check_words(await request.api.call(CHECK_CONNECTION, connection_id))
    facts = await facts_of(request.api, connection_id)
    if request.is_htmx:
        return request.page("connections/checked.html", {"checked": checked, "view": facts.view, "label_of": label_of})
    return await connection_page(request, facts, checked=checked)


async def _ask_pause(request: PageRequest) -> Response:
    view = await request.api.call(SHOW_CONNECTION, request.path("connection_id"))
    return request.page("connections/pause.html", {"view": view})


async def _pause(request: PageRequest) -> Response:
    connection_id = request.path("connection_id")
    await request.api.call(PAUSE_CONNECTION, connection_id, body=PauseBody(request.form.text("reason")))
    return request.go(page_of(connection_id), "The connection is paused. Events are kept until it is resumed.")


async def _resume(request: PageRequest) -> Response:
    connection_id = request.path("connection_id")
    await request.api.call(RESUME_CONNECTION, connection_id)
    return request.go(page_of(connection_id), "The connection is resumed. Waiting events are sent now.")


async def _ask_delete(request: PageRequest) -> Response:
    facts = await facts_of(request.api, request.path("connection_id"))
    return request.page("connections/delete.html", structs.asdict(facts))


async def _delete(request: PageRequest) -> Response:
    connection_id = request.path("connection_id")
    try:
        removed = await request.api.call(REMOVE_CONNECTION, connection_id)
    except ApiError as error:
        if not error.is_missing:
            raise
        return request.go("/connections", "The connection was already deleted.")
    count = removed.dead_lettered
    letters = (
        f"{count:,} waiting event{'s' if count != 1 else ''} became dead letters" if count else "No events were waiting"
    )
    return request.go("/connections", f"{removed.name} is deleted. {letters}.")


CONNECTION_ACTIONS_PAGES: Final = (
    Page("POST", "/connections/{connection_id}/check", "admin", _check),
    Page("GET", "/connections/{connection_id}/pause", "admin", _ask_pause),
    Page("POST", "/connections/{connection_id}/pause", "admin", _pause),
    Page("POST", "/connections/{connection_id}/resume", "admin", _resume),
    Page("GET", "/connections/{connection_id}/delete", "admin", _ask_delete),
    Page("POST", "/connections/{connection_id}/delete", "admin", _delete),
)
