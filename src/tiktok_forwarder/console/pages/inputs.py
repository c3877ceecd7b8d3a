"""The inputs: who may send, with which key, and new secrets for them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.console.api import ApiRefused, part
from tiktok_forwarder.console.connection_facts import feeding
from tiktok_forwarder.console.page import Page, Visit
from tiktok_forwarder.console.sender_settings import sender_settings

_REFUSED: Final = 422


def _path_of(name: str, rest: str = "") -> str:
    return f"/api/inputs/{part(name)}{rest}"


async def _list(visit: Visit) -> Response:
    return await _list_page(visit)


async def _list_page(visit: Visit, problems: Sequence[str] = ()) -> Response:
    connections = await visit.api.get("/api/connections")
    inputs = [{**each, "feeds": _fed_by(connections, each)} for each in await visit.api.get("/api/inputs")]
    values = {"inputs": inputs, "problems": problems, "name": visit.form.text("name"), "base": visit.origin.base}
    return visit.page("inputs/list.html", values, _REFUSED if problems else 200)


def _fed_by(connections: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in connections if feeding(each["settings"], [found])]


async def _found(visit: Visit, name: str) -> Mapping[str, Any]:
    """The input with what it feeds. Raises `HTTPException` if there is none."""
    inputs: list[Mapping[str, Any]] = await visit.api.get("/api/inputs")
    found = next((each for each in inputs if each["name"].lower() == name.lower()), None)
    if found is None:
        raise HTTPException(404)
    return {**found, "feeds": _fed_by(await visit.api.get("/api/connections"), found)}


async def _add(visit: Visit) -> Response:
    try:
        made = await visit.api.post("/api/inputs", {"name": visit.form.text("name")})
    except ApiRefused as refused:
        return await _list_page(visit, refused.problems)
    return await _input_page(visit, made["name"], made)


async def _show(visit: Visit) -> Response:
    return await _input_page(visit, visit.path("input_name"))


async def _input_page(
    visit: Visit, name: str, made: Mapping[str, Any] | None = None, problems: Sequence[str] = ()
) -> Response:
    """`made` has the secrets, if they were made just now."""
    found = await _found(visit, name)
    values = {"input": found, "ready": sender_settings(visit.origin.base, made or found), "problems": problems}
    return visit.page("inputs/show.html", values, _REFUSED if problems else 200)


async def _rotate(visit: Visit) -> Response:
    name = visit.path("input_name")
    try:
        made = await visit.api.post(_path_of(name, "/rotate"))
    except ApiRefused as refused:
        return await _input_page(visit, name, problems=refused.problems)
    return await _input_page(visit, name, made)


async def _retire(visit: Visit) -> Response:
    name = visit.path("input_name")
    await visit.api.post(_path_of(name, "/retire"))
    return visit.go(f"/inputs/{part(name)}", "Only the newest secrets are valid now.")


async def _ask_remove(visit: Visit) -> Response:
    return visit.page("inputs/remove.html", {"input": await _found(visit, visit.path("input_name"))})


async def _remove(visit: Visit) -> Response:
    removed = await visit.api.delete(_path_of(visit.path("input_name")))
    return visit.go("/inputs", f"{removed['name']} is removed. Its senders are refused from now on.")


INPUTS_PAGES: Final = (
    Page("GET", "/inputs", "viewer", _list),
    Page("POST", "/inputs", "admin", _add),
    Page("GET", "/inputs/{input_name}", "viewer", _show),
    Page("POST", "/inputs/{input_name}/rotate", "admin", _rotate),
    Page("POST", "/inputs/{input_name}/retire", "admin", _retire),
    Page("GET", "/inputs/{input_name}/remove", "admin", _ask_remove),
    Page("POST", "/inputs/{input_name}/remove", "admin", _remove),
)
