"""The inputs: their keys, connections and secrets."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.connections import LIST_CONNECTIONS
from tiktok_forwarder.api.inputs import ADD_INPUT, LIST_INPUTS, REMOVE_INPUT, RETIRE_SECRETS, ROTATE_INPUT
from tiktok_forwarder.api.types import ConnectionView, InputView, NewInputBody, RotateBody
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import feeding
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.rendering import part
from tiktok_forwarder.console.sender_settings import sender_settings
from tiktok_forwarder.inputs.inputs import NewInput

_REFUSED: Final = 422


class InputRow(Struct, frozen=True):
    """An input and the connections that receive from it."""

    input: InputView
    feeds: list[ConnectionView]


async def _list(request: PageRequest) -> Response:
    return await _list_page(request)


async def _list_page(request: PageRequest, problems: Sequence[str] = ()) -> Response:
    values = {
        "inputs": await _rows(request),
        "problems": problems,
        "name": request.form.text("name"),
        "base": request.origin.base,
    }
    return request.page("inputs/list.html", values, _REFUSED if problems else 200)


async def _rows(request: PageRequest) -> list[InputRow]:
    connections = [(each, each.connection()) for each in await request.api.call(LIST_CONNECTIONS)]
    inputs = await request.api.call(LIST_INPUTS)
    return [
        InputRow(found, [view for view, connection in connections if feeding(connection, [found])]) for found in inputs
    ]


async def _found(request: PageRequest, name: str) -> InputRow:
    """Return the input of this name. Raises `HTTPException` if there is none."""
    found = next((each for each in await _rows(request) if each.input.name.lower() == name.lower()), None)
    if found is None:
        raise HTTPException(404)
    return found


async def _add(request: PageRequest) -> Response:
    try:
        made = await request.api.call(ADD_INPUT, body=NewInputBody(request.form.text("name")))
    except ApiError as error:
        return await _list_page(request, error.problems)
    return await _input_page(request, made.name, made)


async def _show(request: PageRequest) -> Response:
    return await _input_page(request, request.path("input_name"))


async def _input_page(
    request: PageRequest, name: str, made: NewInput | None = None, problems: Sequence[str] = ()
) -> Response:
    """Show an input; `made` has the secrets if they were created just now."""
    found = await _found(request, name)
    ready = sender_settings(request.origin.base, made or found.input)
    values = {**structs.asdict(found), "ready": ready, "problems": problems}
    return request.page("inputs/show.html", values, _REFUSED if problems else 200)


async def _rotate(request: PageRequest) -> Response:
    name = request.path("input_name")
    try:
        made = await request.api.call(ROTATE_INPUT, name, body=RotateBody())
    except ApiError as error:
        return await _input_page(request, name, problems=error.problems)
    return await _input_page(request, name, made)


async def _retire(request: PageRequest) -> Response:
    name = request.path("input_name")
    await request.api.call(RETIRE_SECRETS, name)
    return request.go(f"/inputs/{part(name)}", "Only the newest secrets are valid now.")


async def _ask_remove(request: PageRequest) -> Response:
    found = await _found(request, request.path("input_name"))
    return request.page("inputs/remove.html", structs.asdict(found))


async def _remove(request: PageRequest) -> Response:
    removed = await request.api.call(REMOVE_INPUT, request.path("input_name"))
    return request.go("/inputs", f"{removed.name} is removed. Its requests are rejected from now on.")


INPUTS_PAGES: Final = (
    Page("GET", "/inputs", "viewer", _list),
    Page("POST", "/inputs", "admin", _add),
    Page("GET", "/inputs/{input_name}", "viewer", _show),
    Page("POST", "/inputs/{input_name}/rotate", "admin", _rotate),
    Page("POST", "/inputs/{input_name}/retire", "admin", _retire),
    Page("GET", "/inputs/{input_name}/remove", "admin", _ask_remove),
    Page("POST", "/inputs/{input_name}/remove", "admin", _remove),
)
