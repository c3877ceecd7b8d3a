"""What is done to a connection as a whole: checking, pausing, resuming, deleting."""

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
from tiktok_forwarder.console.api import ApiRefused
from tiktok_forwarder.console.connection_facts import facts_of, page_of
from tiktok_forwarder.console.page import Page, Visit
from tiktok_forwarder.console.pages.connections import connection_page
from tiktok_forwarder.console.setting_words import check_words, label_of


async def _check(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    checked = check_words(await visit.api.call(CHECK_CONNECTION, connection_id))
    facts = await facts_of(visit.api, connection_id)
    if visit.is_htmx:
        return visit.page("connections/checked.html", {"checked": checked, "view": facts.view, "label_of": label_of})
    return await connection_page(visit, facts, checked=checked)


async def _ask_pause(visit: Visit) -> Response:
    view = await visit.api.call(SHOW_CONNECTION, visit.path("connection_id"))
    return visit.page("connections/pause.html", {"view": view})


async def _pause(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    await visit.api.call(PAUSE_CONNECTION, connection_id, body=PauseBody(visit.form.text("reason")))
    return visit.go(page_of(connection_id), "The connection is paused. Its events are kept until it is resumed.")


async def _resume(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    await visit.api.call(RESUME_CONNECTION, connection_id)
    return visit.go(page_of(connection_id), "The connection is resumed. What waits is sent now.")


async def _ask_delete(visit: Visit) -> Response:
    facts = await facts_of(visit.api, visit.path("connection_id"))
    return visit.page("connections/delete.html", structs.asdict(facts))


async def _delete(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    try:
        removed = await visit.api.call(REMOVE_CONNECTION, connection_id)
    except ApiRefused as refused:
        if not refused.is_missing:
            raise
        return visit.go("/connections", "Somebody else has deleted the connection already.")
    count = removed.dead_lettered
    letters = f"{count:,} waiting event{'s' if count != 1 else ''} became dead letters" if count else "No event waited"
    return visit.go("/connections", f"{removed.name} is deleted. {letters}.")


CONNECTION_ACTIONS_PAGES: Final = (
    Page("POST", "/connections/{connection_id}/check", "admin", _check),
    Page("GET", "/connections/{connection_id}/pause", "admin", _ask_pause),
    Page("POST", "/connections/{connection_id}/pause", "admin", _pause),
    Page("POST", "/connections/{connection_id}/resume", "admin", _resume),
    Page("GET", "/connections/{connection_id}/delete", "admin", _ask_delete),
    Page("POST", "/connections/{connection_id}/delete", "admin", _delete),
)
