"""Dead letters: their reasons, replay and discard."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.dead_letters import (
    COUNT_DEAD_LETTERS,
    DISCARD_DEAD_LETTERS,
    LIST_DEAD_LETTERS,
    REPLAY_DEAD_LETTERS,
    SHOW_DEAD_LETTER,
    SHOW_REPLAY,
)
from tiktok_forwarder.api.endpoint import Endpoint, Nothing
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.api.types import ConnectionStatus, DeadLetterSelection, TouchedView
from tiktok_forwarder.console.activity.advice import advice_catalog
from tiktok_forwarder.console.activity.fields import field_rows
from tiktok_forwarder.console.activity.labels import answer_meaning
from tiktok_forwarder.console.activity.places import way_path
from tiktok_forwarder.console.connection_facts import all_connections
from tiktok_forwarder.console.dead_letters.selection import Selected
from tiktok_forwarder.console.dead_letters.summary import group_by_connection
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.rendering import number

_PAGE: Final = 50


async def _summary(request: PageRequest) -> Response:
    counts = await request.api.call(COUNT_DEAD_LETTERS)
    wanted = request.query("connection")
    shown = [each for each in counts if wanted in ("", each.connection_id, each.connection)]
    values = {
        "groups": group_by_connection(shown, await advice_catalog(request.api), await _names(request)),
        "has_filters": bool(wanted),
        "is_empty": not counts,
        "has_ends": any(each.oldest_kept_until_ms is not None for each in counts),
    }
    return request.page("dead_letters/summary.html", values)


async def _list(request: PageRequest) -> Response:
    selected = Selected.of(request.query)
    after = request.query("after")
    letters = await request.api.call(LIST_DEAD_LETTERS, query=selected.api_query(after, _PAGE + 1))
    values = {
        "selected": selected,
        "letters": letters[:_PAGE],
        "catalog": await advice_catalog(request.api),
        "after": letters[_PAGE - 1].event_no if len(letters) > _PAGE else None,
        "is_first": not after,
        "connection": await _connection_name(request, selected.connection),
    }
    return request.page("dead_letters/list.html", values)


async def _letter(request: PageRequest) -> Response:
    found = await request.api.call(SHOW_DEAD_LETTER, request.path("event_no"))
    letter, answer = found.letter, found.letter.answer
    values = {
        "letter": letter,
        "revision": found.connection_revision,
        "advice": (await advice_catalog(request.api)).get(letter.reason),
        "answer_meaning": answer_meaning(answer) if answer else "",
        "payload": found.payload,
        "fields": field_rows(found.payload, found.explanation),
        "way": way_path(letter.connection, letter.event, letter.event_id),
        "selected": Selected(event_no=str(letter.event_no)),
        "is_deleted": letter.connection not in (await _names(request)).values(),
    }
    return request.page("dead_letters/letter.html", values)


# --- replay and discard ---


async def _ask_replay(request: PageRequest) -> Response:
    return await _ask(request, REPLAY_DEAD_LETTERS)


async def _ask_discard(request: PageRequest) -> Response:
    return await _ask(request, DISCARD_DEAD_LETTERS)


async def _ask(request: PageRequest, endpoint: Endpoint[Nothing, DeadLetterSelection, TouchedView]) -> Response:
    """Ask for confirmation, showing the result of a dry run."""
    selected = Selected.of(request.query)
    _check(selected)
    expected = await request.api.call(endpoint, body=selected.selection(dry_run=True))
    is_replay = endpoint is REPLAY_DEAD_LETTERS
    values = {
        "action": "replay" if is_replay else "discard",
        "selected": selected,
        "expected": expected,
        "warnings": [each for each in expected.warning.split("; ") if each],
        "connection": await _connection_name(request, selected.connection),
        "paused": await _paused(request, selected.connection) if is_replay else [],
    }
    return request.page("dead_letters/confirm.html", values)


async def _replay(request: PageRequest) -> Response:
    selected = Selected.of(request.form.text)
    _check(selected)
    done = await request.api.call(REPLAY_DEAD_LETTERS, body=selected.selection())
    if not done.count:
        return request.go("/dead-letters", "Nothing was replayed: none of these dead letters are left.")
    return request.go(f"/dead-letters/replays/{done.replay_no}", f"Replay started: {_letters(done.count)}.")


async def _discard(request: PageRequest) -> Response:
    selected = Selected.of(request.form.text)
    _check(selected)
    done = await request.api.call(DISCARD_DEAD_LETTERS, body=selected.selection())
    return request.go("/dead-letters", f"Discarded: {_letters(done.count)}.")


async def _progress(request: PageRequest) -> Response:
    progress = await request.api.call(SHOW_REPLAY, request.path("replay_no"))
    template = "dead_letters/progress_part.html" if request.is_htmx else "dead_letters/progress.html"
    return request.page(template, {"progress": progress})


def _check(selected: Selected) -> None:
    """Reject an empty selection, which the API reads as every dead letter; no form of the console sends one."""
    if selected.is_everything:
        raise HTTPException(400, "choose a connection, a reason or one dead letter")


def _letters(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{number(count)} dead letters"


async def _connection_name(request: PageRequest, connection: str) -> str:
    return (await _names(request)).get(connection, connection)


async def _names(request: PageRequest) -> dict[str, str]:
    """Return the names of existing connections by ID."""
    return {each.id: each.name for each in await all_connections(request.api)}


async def _paused(request: PageRequest, connection: str) -> list[ConnectionStatus]:
    """Return the affected connections that deliver nothing."""
    status = await request.api.call(STATUS)
    concerned = [each for each in status.connections if connection in ("", each.id, each.name)]
    return [
        each
        for each in concerned
        if each.delivery and (each.delivery.is_paused or each.delivery.condition == "disabled")
    ]


DEAD_LETTER_PAGES: Final = (
    Page("GET", "/dead-letters", "viewer", _summary),
    Page("GET", "/dead-letters/list", "viewer", _list),
    Page("GET", "/dead-letters/replay", "admin", _ask_replay),
    Page("POST", "/dead-letters/replay", "admin", _replay),
    Page("GET", "/dead-letters/discard", "admin", _ask_discard),
    Page("POST", "/dead-letters/discard", "admin", _discard),
    Page("GET", "/dead-letters/replays/{replay_no}", "viewer", _progress),
    Page("GET", "/dead-letters/{event_no}", "viewer", _letter),
)
