"""Adding senders to a connection, and sending a test purchase."""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import structs
from starlette.responses import Response

from tiktok_forwarder.api.activity import LIST_ACTIVITY, ActivityQuery
from tiktok_forwarder.api.connections import SET_CONNECTION
from tiktok_forwarder.api.inputs import ADD_INPUT, IMPORT_BATCHES
from tiktok_forwarder.api.types import ConnectionChange, ImportQuery, InputCredentials
from tiktok_forwarder.console.activity.labels import outcome_word
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import ConnectionFacts, facts_of, page_of
from tiktok_forwarder.console.input_forms import read_new_input, ready_settings
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.sample_data import sample_purchase
from tiktok_forwarder.mapping.connection import Connection

_REFUSED: Final = 422
_SEARCHED_RECORDS: Final = 500
_FINAL: Final = ("delivered", "dropped", "dead_letter")
_NO_TEST_CODE: Final = (
    "This connection has no test event code, so TikTok would count a test purchase as a real one. "
    "Set a test event code first."
)


async def _senders(request: PageRequest) -> Response:
    return await _senders_page(request, await facts_of(request.api, request.path("connection_id")))


async def _senders_page(
    request: PageRequest,
    facts: ConnectionFacts,
    problems: Sequence[str] = (),
    *,
    made: InputCredentials | None = None,
) -> Response:
    """Show the page; `made` is an input created just now, with its secrets."""
    shown = [each for each in facts.inputs if made is None or each.id == made.id]
    ready = await ready_settings(request, shown, made, facts.connection)
    values = {**structs.asdict(facts), "problems": problems, "ready": ready, "steps": facts.steps()}
    return request.page("connections/senders.html", values, _REFUSED if problems else 200)


async def _add_input(request: PageRequest) -> Response:
    connection_id = request.path("connection_id")
    facts = await facts_of(request.api, connection_id)
    try:
        made = await request.api.call(ADD_INPUT, body=read_new_input(request.form))
        await _feed(request, facts.connection, made.name)
    except ApiError as error:
        return await _senders_page(request, facts, error.problems)
    return await _senders_page(request, await facts_of(request.api, connection_id), made=made)


async def _feed(request: PageRequest, connection: Connection, name: str) -> None:
    """Add the input to a connection that names its inputs; others receive from all."""
    if connection.inputs:
        change = ConnectionChange({"inputs": [*connection.inputs, name]})
        await request.api.call(SET_CONNECTION, connection.id, body=change)


async def _send_purchase(request: PageRequest) -> Response:
    facts = await facts_of(request.api, request.path("connection_id"))
    connection = facts.connection
    if not connection.test_event_code:
        return await _senders_page(request, facts, [_NO_TEST_CODE])
    event_id = f"test-{secrets.token_hex(6)}"
    batch = msgspec.json.encode(sample_purchase(connection, event_id))
    try:
        only = ImportQuery(connection.id)
        await request.api.call(IMPORT_BATCHES, request.form.text("input"), query=only, body=batch)
    except ApiError as error:
        return await _senders_page(request, facts, error.problems)
    return request.go(page_of(connection.id, f"/purchase/{event_id}"))


async def _purchase(request: PageRequest) -> Response:
    facts = await facts_of(request.api, request.path("connection_id"))
    view, event_id = facts.view, request.path("event_id")
    latest = ActivityQuery(connection=view.id, limit=_SEARCHED_RECORDS)
    activity = await request.api.call(LIST_ACTIVITY, query=latest)
    way = [each for each in reversed(activity.records) if each.event_id == event_id]
    values = {
        "view": view,
        "steps": facts.steps(),
        "event_id": event_id,
        "way": way,
        "outcome_word": outcome_word,
        "is_finished": any(each.outcome in _FINAL for each in way),
    }
    return request.page("connections/timeline.html" if request.is_htmx else "connections/purchase.html", values)


CONNECTION_SENDERS_PAGES: Final = (
    Page("GET", "/connections/{connection_id}/senders", "viewer", _senders),
    Page("POST", "/connections/{connection_id}/senders", "admin", _add_input),
    Page("POST", "/connections/{connection_id}/purchase", "admin", _send_purchase),
    Page("GET", "/connections/{connection_id}/purchase/{event_id}", "viewer", _purchase),
)
