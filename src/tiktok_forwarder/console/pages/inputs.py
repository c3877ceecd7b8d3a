"""The inputs: who may send, with which key, and new secrets for them."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.connections import LIST_CONNECTIONS
from tiktok_forwarder.api.inputs import ADD_INPUT, LIST_INPUTS, REMOVE_INPUT, RETIRE_SECRETS, ROTATE_INPUT
from tiktok_forwarder.api.types import ConnectionView, InputView, NewInputBody, RotateBody
from tiktok_forwarder.console.api import ApiRefused
from tiktok_forwarder.console.connection_facts import feeding
from tiktok_forwarder.console.page import Page, Visit
from tiktok_forwarder.console.rendering import part
from tiktok_forwarder.console.sender_settings import sender_settings
from tiktok_forwarder.inputs.inputs import NewInput

_REFUSED: Final = 422


class InputRow(Struct, frozen=True):
    """An input with the connections that it feeds."""

    input: InputView
    feeds: list[ConnectionView]


async def _list(visit: Visit) -> Response:
    return await _list_page(visit)


async def _list_page(visit: Visit, problems: Sequence[str] = ()) -> Response:
    values = {
        "inputs": await _rows(visit),
        "problems": problems,
        "name": visit.form.text("name"),
        "base": visit.origin.base,
    }
    return visit.page("inputs/list.html", values, _REFUSED if problems else 200)


async def _rows(visit: Visit) -> list[InputRow]:
    connections = [(each, each.connection()) for each in await visit.api.call(LIST_CONNECTIONS)]
    inputs = await visit.api.call(LIST_INPUTS)
    return [
        InputRow(found, [view for view, connection in connections if feeding(connection, [found])]) for found in inputs
    ]


async def _found(visit: Visit, name: str) -> InputRow:
    """Raises `HTTPException` if there is none."""
    found = next((each for each in await _rows(visit) if each.input.name.lower() == name.lower()), None)
    if found is None:
        raise HTTPException(404)
    return found


async def _add(visit: Visit) -> Response:
    try:
        made = await visit.api.call(ADD_INPUT, body=NewInputBody(visit.form.text("name")))
    except ApiRefused as refused:
        return await _list_page(visit, refused.problems)
    return await _input_page(visit, made.name, made)


async def _show(visit: Visit) -> Response:
    return await _input_page(visit, visit.path("input_name"))


async def _input_page(visit: Visit, name: str, made: NewInput | None = None, problems: Sequence[str] = ()) -> Response:
    """`made` has the secrets, if they were made just now."""
    found = await _found(visit, name)
    ready = sender_settings(visit.origin.base, made or found.input)
    values = {**structs.asdict(found), "ready": ready, "problems": problems}
    return visit.page("inputs/show.html", values, _REFUSED if problems else 200)


async def _rotate(visit: Visit) -> Response:
    name = visit.path("input_name")
    try:
        made = await visit.api.call(ROTATE_INPUT, name, body=RotateBody())
    except ApiRefused as refused:
        return await _input_page(visit, name, problems=refused.problems)
    return await _input_page(visit, name, made)


async def _retire(visit: Visit) -> Response:
    name = visit.path("input_name")
    await visit.api.call(RETIRE_SECRETS, name)
    return visit.go(f"/inputs/{part(name)}", "Only the newest secrets are valid now.")


async def _ask_remove(visit: Visit) -> Response:
    found = await _found(visit, visit.path("input_name"))
    return visit.page("inputs/remove.html", structs.asdict(found))


async def _remove(visit: Visit) -> Response:
    removed = await visit.api.call(REMOVE_INPUT, visit.path("input_name"))
    return visit.go("/inputs", f"{removed.name} is removed. Its senders are refused from now on.")


INPUTS_PAGES: Final = (
    Page("GET", "/inputs", "viewer", _list),
    Page("POST", "/inputs", "admin", _add),
    Page("GET", "/inputs/{input_name}", "viewer", _show),
    Page("POST", "/inputs/{input_name}/rotate", "admin", _rotate),
    Page("POST", "/inputs/{input_name}/retire", "admin", _retire),
    Page("GET", "/inputs/{input_name}/remove", "admin", _ask_remove),
    Page("POST", "/inputs/{input_name}/remove", "admin", _remove),
)
