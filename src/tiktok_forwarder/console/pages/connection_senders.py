"""Letting somebody send to a connection, and a made-up purchase to see it work."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from tiktok_forwarder.console.api import ApiRefused, part
from tiktok_forwarder.console.connection_facts import facts_of, page_of, path_of
from tiktok_forwarder.console.made_up import made_up_purchase
from tiktok_forwarder.console.page import Page, Visit
from tiktok_forwarder.console.sender_settings import SenderSettings, sender_settings

_REFUSED: Final = 422
_SEARCHED_RECORDS: Final = 500
_FINAL: Final = ("delivered", "dropped", "dead_letter")
_NO_TEST_CODE: Final = (
    "This connection has no test event code, so TikTok would take a made-up purchase for a real one. "
    "Set a test event code first."
)


async def _senders(visit: Visit) -> Response:
    return await _senders_page(visit, await facts_of(visit.api, visit.path("connection_id")))


async def _senders_page(
    visit: Visit,
    facts: Mapping[str, Any],
    problems: Sequence[str] = (),
    *,
    made: Mapping[str, Any] | None = None,
) -> Response:
    """`made` is an input that was made just now, with its secrets."""
    values = {**facts, "problems": problems, "made": made, "ready": _ready(visit, facts, made)}
    return visit.page("connections/senders.html", values, _REFUSED if problems else 200)


def _ready(visit: Visit, facts: Mapping[str, Any], made: Mapping[str, Any] | None) -> Sequence[SenderSettings]:
    found = [made] if made is not None else facts["inputs"]
    return [sender_settings(visit.origin.base, each, facts["view"]["settings"]) for each in found]


async def _add_input(visit: Visit) -> Response:
    connection_id = visit.path("connection_id")
    facts = await facts_of(visit.api, connection_id)
    try:
        made = await visit.api.post("/api/inputs", {"name": visit.form.text("name")})
        await _feed(visit, facts["view"], made["name"])
    except ApiRefused as refused:
        return await _senders_page(visit, facts, refused.problems)
    return await _senders_page(visit, await facts_of(visit.api, connection_id), made=made)


async def _feed(visit: Visit, view: Mapping[str, Any], name: str) -> None:
    """A connection that names its inputs gets the new one too; others are fed by all."""
    named = view["settings"]["inputs"]
    if named:
        await visit.api.patch(path_of(view["id"]), {"settings": {"inputs": [*named, name]}})


async def _send_purchase(visit: Visit) -> Response:
    facts = await facts_of(visit.api, visit.path("connection_id"))
    view = facts["view"]
    if not view["settings"].get("test_event_code"):
        return await _senders_page(visit, facts, [_NO_TEST_CODE])
    event_id = f"made-up-{secrets.token_hex(6)}"
    batch = made_up_purchase(view["settings"], event_id)
    try:
        await visit.api.post(f"/api/inputs/{part(visit.form.text('input'))}/import", batch, connection=view["id"])
    except ApiRefused as refused:
        return await _senders_page(visit, facts, refused.problems)
    return visit.go(page_of(view["id"], f"/purchase/{event_id}"))


async def _purchase(visit: Visit) -> Response:
    view = await visit.api.get(path_of(visit.path("connection_id")))
    event_id = visit.path("event_id")
    activity = await visit.api.get("/api/activity", connection=view["id"], limit=_SEARCHED_RECORDS)
    way = [each for each in reversed(activity["records"]) if each["event_id"] == event_id]
    values = {
        "view": view,
        "event_id": event_id,
        "way": way,
        "is_over": any(each["outcome"] in _FINAL for each in way),
    }
    return visit.page("connections/way.html" if visit.is_htmx else "connections/purchase.html", values)


CONNECTION_SENDERS_PAGES: Final = (
    Page("GET", "/connections/{connection_id}/senders", "viewer", _senders),
    Page("POST", "/connections/{connection_id}/senders", "admin", _add_input),
    Page("POST", "/connections/{connection_id}/purchase", "admin", _send_purchase),
    Page("GET", "/connections/{connection_id}/purchase/{event_id}", "viewer", _purchase),
)
