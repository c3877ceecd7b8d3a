"""What is done to a connection as a whole: checking, pausing, resuming, deleting."""

from typing import Final

from starlette.responses import Response

from tiktok_forwarder.console.api import ApiRefused
from tiktok_forwarder.console.connection_facts import facts_of, page_of, path_of
from tiktok_forwarder.console.page import Page, Visit
from tiktok_forwarder.console.pages.connections import connection_page
from tiktok_forwarder.console.setting_words import check_words, label_of


async def _check(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    checked = check_words(await visit.api.post(path_of(connection_id, "/check")))
    facts = await facts_of(visit.api, connection_id)
    if visit.is_htmx:
        values = {"checked": checked, "view": facts["view"], "label_of": label_of}
        return visit.page("connections/checked.html", values)
    return await connection_page(visit, facts, checked=checked)


async def _ask_pause(visit: Visit) -> Response:
    view = await visit.api.get(path_of(visit.path("connection_id")))
    return visit.page("connections/pause.html", {"view": view})


async def _pause(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    await visit.api.post(path_of(connection_id, "/pause"), {"reason": visit.form.text("reason")})
    return visit.go(page_of(connection_id), "The connection is paused. Its events are kept until it is resumed.")


async def _resume(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    await visit.api.post(path_of(connection_id, "/resume"))
    return visit.go(page_of(connection_id), "The connection is resumed. What waits is sent now.")


async def _ask_delete(visit: Visit) -> Response:
    facts = await facts_of(visit.api, visit.path("connection_id"))
    return visit.page("connections/delete.html", facts)


async def _delete(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    try:
        removed = await visit.api.delete(path_of(connection_id))
    except ApiRefused as refused:
        if not refused.is_missing:
            raise
        return visit.go("/connections", "Somebody else has deleted the connection already.")
    count = removed["dead_lettered"]
    letters = f"{count:,} waiting event{'s' if count != 1 else ''} became dead letters" if count else "No event waited"
    return visit.go("/connections", f"{removed['name']} is deleted. {letters}.")


CONNECTION_ACTIONS_PAGES: Final = (
    Page("POST", "/connections/{connection_id}/check", "admin", _check),
    Page("GET", "/connections/{connection_id}/pause", "admin", _ask_pause),
    Page("POST", "/connections/{connection_id}/pause", "admin", _pause),
    Page("POST", "/connections/{connection_id}/resume", "admin", _resume),
    Page("GET", "/connections/{connection_id}/delete", "admin", _ask_delete),
    Page("POST", "/connections/{connection_id}/delete", "admin", _delete),
)
