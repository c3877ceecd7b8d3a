"""The list of connections, and each one's state, totals, settings and history."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import structs
from starlette.responses import Response

from tiktok_forwarder.api.connections import CONNECTION_HISTORY, LIST_CONNECTIONS, SHOW_CONNECTION
from tiktok_forwarder.api.types import ConnectionStatus, ConnectionView
from tiktok_forwarder.console.connection_facts import ConnectionFacts, all_rows, facts_of
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.setting_words import (
    CheckWords,
    blamed_setting,
    delivery_words,
    is_set,
    label_of,
    value_words,
)
from tiktok_forwarder.mapping.connection import TOKEN, warnings_on
from tiktok_forwarder.mapping.connection_toml import token_variable, written_toml
from tiktok_forwarder.mapping.fields import FIELDS

_TOTALS: Final = ("delivered", "dead_lettered", "dropped", "erased")


async def _list(request: PageRequest) -> Response:
    values = {"connections": await all_rows(request.api), "delivery_words": delivery_words}
    return request.page("connections/rows.html" if request.is_htmx else "connections/list.html", values)


async def _show(request: PageRequest) -> Response:
    facts = await facts_of(request.api, request.path("connection_id"))
    return await connection_page(request, facts)


async def connection_page(
    request: PageRequest, facts: ConnectionFacts, *, checked: CheckWords | None = None, status: int = 200
) -> Response:
    """Show the connection's page; `checked` is the result of a check just made."""
    history = await request.api.call(CONNECTION_HISTORY, facts.view.id)
    steps = facts.steps() if not facts.state.first_steps_put_away else []
    # The last step says the same, with its button; the page, that the connection only records.
    said = warnings_on(facts.connection) if steps or facts.connection.is_recording else []
    values = {
        **structs.asdict(facts),
        "accepted": facts.state.totals.get("accepted", 0),
        "repeats": facts.state.totals.get("duplicate", 0),
        "parts": _totals(facts.state),
        "settings": _settings(facts.view.settings),
        "advice": [each for each in facts.view.advice if each not in facts.state.warnings],
        "history": list(reversed(history)),
        "steps": steps,
        "warnings": [each for each in facts.state.warnings if each not in said],
        "is_complete": not facts.steps(),
        "checked": checked,
        "delivery_words": delivery_words,
        "blamed_setting": blamed_setting,
        "label_of": label_of,
        "value_words": value_words,
    }
    return request.page("connections/show.html", values, status)


def _totals(state: ConnectionStatus) -> list[tuple[str, int]]:
    """Return the parts that add up to the accepted events."""
    waiting = state.queue.waiting if state.queue else 0
    return [("waiting", waiting), *((name, state.totals.get(name, 0)) for name in _TOTALS)]


def _settings(settings: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    """Return label and value of each setting, and whether it is set."""
    values = [(field, settings.get(field.name)) for field in FIELDS if field.name != TOKEN]
    return [
        (label_of(field.name), value_words(field.name, value), is_set(field.name, value)) for field, value in values
    ]


async def _export(request: PageRequest) -> Response:
    view = await request.api.call(SHOW_CONNECTION, request.path("connection_id"))
    return _file(f"{view.id}.toml", [view])


async def _export_all(request: PageRequest) -> Response:
    return _file("connections.toml", await request.api.call(LIST_CONNECTIONS))


def _file(name: str, views: Sequence[ConnectionView]) -> Response:
    variables = ", ".join(token_variable(each.connection().name) for each in views) or "none"
    text = f"# Access tokens are not in here. An import takes them from the environment: {variables}\n\n"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(
        text + written_toml([each.settings for each in views]), headers=headers, media_type="application/toml"
    )


CONNECTIONS_PAGES: Final = (
    Page("GET", "/connections", "viewer", _list),
    Page("GET", "/connections/export", "viewer", _export_all),
    Page("GET", "/connections/{connection_id}", "viewer", _show),
    Page("GET", "/connections/{connection_id}/export", "viewer", _export),
)
