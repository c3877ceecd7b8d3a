"""What is known of the connections, put together from several questions to the API."""

from collections.abc import Mapping
from typing import Any

from tiktok_forwarder.console.api import Api, part


def path_of(connection_id: str, rest: str = "") -> str:
    """A connection's address in the API. Its id is what stays: a name may hold anything, and change."""
    return f"/api/connections/{part(connection_id)}{rest}"


def page_of(connection_id: str, rest: str = "") -> str:
    """A connection's address here."""
    return f"/connections/{part(connection_id)}{rest}"


async def all_facts(api: Api) -> list[Mapping[str, Any]]:
    """Every connection: its state as `/api/status` has it, with `settings` and the last `hour`."""
    settings = {each["id"]: each["settings"] for each in await api.get("/api/connections")}
    status = (await api.get("/api/status"))["connections"]
    figures = (await api.get("/api/figures"))["connections"]
    hours = {each["connection_id"]: each["total"] for each in figures}
    # One that came or went between two answers is seen the next time.
    return [
        {**each, "settings": settings[each["id"]], "hour": hours.get(each["id"])}
        for each in status
        if each["id"] in settings
    ]


async def facts_of(api: Api, connection_id: str) -> Mapping[str, Any]:
    """One connection: `view` as the API shows it, its `state`, `hour` and the names of its `inputs`.

    Raises `ApiRefused` if there is none.
    """
    view = await api.get(path_of(connection_id))
    status = (await api.get("/api/status"))["connections"]
    figures = (await api.get("/api/figures", connection=view["id"]))["connections"]
    return {
        "view": view,
        "state": next(each for each in status if each["id"] == view["id"]),
        "hour": figures[0]["total"] if figures else None,
        "inputs": feeding(view["settings"], await api.get("/api/inputs")),
    }


def feeding(settings: Mapping[str, Any], inputs: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The inputs whose events this connection gets."""
    named = [name.lower() for name in settings["inputs"]]
    return [each for each in inputs if not named or each["name"].lower() in named]
