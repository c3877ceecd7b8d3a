"""The API's endpoints of connections."""

from typing import Any, Final

from tiktok_forwarder.api.endpoint import Call, Endpoint
from tiktok_forwarder.api.types import (
    ConnectionChange,
    ConnectionView,
    ImportBody,
    NewSettings,
    PauseBody,
    RemovedView,
)
from tiktok_forwarder.connections.check import CheckResult
from tiktok_forwarder.connections.connections import Difference, HistoryEntry
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.mapping.connection import Connection, advice_on, connection_document


def _view(connection: Connection) -> ConnectionView:
    return ConnectionView(connection.id, connection.revision, connection_document(connection), advice_on(connection))


def _found(call: Call) -> Connection:
    name = call.path["name"]
    found: Connection | None = call.parts.connections.find(name)
    if found is None:
        raise UnknownName(f"there is no connection named {name}")
    return found


async def _list(call: Call) -> list[ConnectionView]:
    return [_view(each) for each in call.parts.connections.all()]


async def _add(call: Call) -> ConnectionView:
    return _view(await call.parts.connections.add(call.body, call.who))


async def _show(call: Call) -> ConnectionView:
    return _view(_found(call))


async def _set(call: Call) -> ConnectionView:
    change: ConnectionChange = call.body
    connection = await call.parts.connections.set(
        call.path["name"], change.settings, expected_revision=change.expected_revision, changed_by=call.who
    )
    return _view(connection)


async def _remove(call: Call) -> RemovedView:
    found = _found(call)
    dead_lettered = await call.parts.deletion.delete(found.id, call.who)
    return RemovedView(found.id, found.name, dead_lettered)


async def _history(call: Call) -> list[HistoryEntry]:
    history: list[HistoryEntry] = await call.parts.connections.history(call.path["name"])
    return history


async def _import(call: Call) -> list[Difference]:
    given: ImportBody = call.body
    differences: list[Difference] = await call.parts.connections.import_all(
        given.connections, dry_run=given.dry_run, changed_by=call.who
    )
    return differences


async def _check(call: Call) -> CheckResult:
    result: CheckResult = await call.parts.connection_check.check(_found(call))
    return result


async def _pause(call: Call) -> DeliveryStatus:
    given: PauseBody = call.body
    status: DeliveryStatus = await call.parts.deliverer.pause(
        _found(call).id, given.reason or "paused by hand", call.who
    )
    return status


async def _resume(call: Call) -> DeliveryStatus:
    status: DeliveryStatus = await call.parts.deliverer.resume(_found(call).id, call.who)
    return status


_CONNECTIONS: Final = "/api/connections"
_ONE: Final = "/api/connections/{name}"


def _on_one(
    method: str, path: str, name: str, summary: str, scope: Any, answer: Any, run: Any, **more: Any
) -> Endpoint:
    return Endpoint(method, f"{_ONE}{path}", name, summary, scope, answer, run, can_miss=True, **more)


CONNECTION_ENDPOINTS: Final = (
    Endpoint("GET", _CONNECTIONS, "list_connections", "The connections.", "read", list[ConnectionView], _list),
    Endpoint(
        "POST",
        _CONNECTIONS,
        "add_connection",
        "Add a connection from its settings.",
        "admin",
        ConnectionView,
        _add,
        body=NewSettings,
        status=201,
        can_refuse=True,
    ),
    Endpoint(
        "POST",
        "/api/connections/import",
        "import_connections",
        "Add or change connections by name, all of them or none.",
        "admin",
        list[Difference],
        _import,
        body=ImportBody,
        can_refuse=True,
    ),
    _on_one("GET", "", "show_connection", "One connection, by name or id.", "read", ConnectionView, _show),
    _on_one(
        "PATCH",
        "",
        "set_connection",
        "Change settings of a connection.",
        "admin",
        ConnectionView,
        _set,
        body=ConnectionChange,
        can_refuse=True,
    ),
    _on_one(
        "DELETE",
        "",
        "remove_connection",
        "Remove a connection; its waiting events become dead letters.",
        "admin",
        RemovedView,
        _remove,
    ),
    _on_one(
        "GET", "/history", "connection_history", "Who changed what, and when.", "read", list[HistoryEntry], _history
    ),
    _on_one(
        "POST",
        "/check",
        "check_connection",
        "Ask TikTok whether token and pixel are right.",
        "operate",
        CheckResult,
        _check,
    ),
    _on_one(
        "POST",
        "/pause",
        "pause_connection",
        "Keep its events until it is resumed.",
        "operate",
        DeliveryStatus,
        _pause,
        body=PauseBody,
        can_refuse=True,
    ),
    _on_one(
        "POST",
        "/resume",
        "resume_connection",
        "Deliver again, whoever paused it.",
        "operate",
        DeliveryStatus,
        _resume,
        can_refuse=True,
    ),
)
