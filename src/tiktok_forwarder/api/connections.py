"""The API's endpoints of connections."""

from collections.abc import Collection
from typing import Final

from tiktok_forwarder.api.endpoint import AnyCall, Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.types import (
    ConnectionChange,
    ConnectionView,
    FirstStepsView,
    ImportBody,
    NewSettings,
    PauseBody,
    RemovedView,
    SaveQuery,
)
from tiktok_forwarder.connections.check import CheckResult
from tiktok_forwarder.connections.connections import Difference, HistoryEntry
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.mapping.connection import Connection, advice_on, connection_document


def _view(connection: Connection) -> ConnectionView:
    return ConnectionView(connection.id, connection.revision, connection_document(connection), advice_on(connection))


def found_connection(call: AnyCall) -> Connection:
    """Return the connection that the path names. Raises `UnknownName`."""
    return call.services.connections.get(call.path["name"])


async def _list(call: PlainCall) -> list[ConnectionView]:
    return [_view(each) for each in call.services.connections.all()]


async def _add(call: Call[SaveQuery, NewSettings]) -> ConnectionView:
    connection = await call.services.connections.add(call.body, call.who)
    _check_later(call, [connection.id])
    return _view(connection)


def _check_later(call: Call[SaveQuery, object], saved: Collection[str]) -> None:
    if call.query.check:
        call.services.background_checks.begin(saved)


async def _show(call: PlainCall) -> ConnectionView:
    return _view(found_connection(call))


async def _set(call: Call[SaveQuery, ConnectionChange]) -> ConnectionView:
    change = call.body
    connection = await call.services.connections.set(
        call.path["name"], change.settings, expected_revision=change.expected_revision, changed_by=call.who
    )
    _check_later(call, [connection.id])
    return _view(connection)


async def _remove(call: PlainCall) -> RemovedView:
    found = found_connection(call)
    dead_lettered = await call.services.deletion.delete(found.id, call.who)
    return RemovedView(found.id, found.name, dead_lettered)


async def _history(call: PlainCall) -> list[HistoryEntry]:
    return await call.services.connections.history(call.path["name"])


async def _import(call: Call[SaveQuery, ImportBody]) -> list[Difference]:
    given, connections = call.body, call.services.connections
    differences = await connections.import_all(
        given.connections,
        dry_run=given.dry_run,
        changed_by=call.who,
        expected_revisions=given.expected_revisions,
    )
    if not given.dry_run:
        _check_later(call, [each.name for each in differences if each.change != "none"])
    return differences


async def _check(call: PlainCall) -> CheckResult:
    return await call.services.connection_check.check(found_connection(call))


async def _set_first_steps(call: Call[Nothing, FirstStepsView]) -> FirstStepsView:
    found = found_connection(call)
    await call.services.first_steps.put_away(found.id, call.who, is_put_away=call.body.put_away)
    return call.body


async def _pause(call: Call[Nothing, PauseBody]) -> DeliveryStatus:
    given = call.body
    return await call.services.deliverer.pause(found_connection(call).id, given.reason or "paused manually", call.who)


async def _resume(call: PlainCall) -> DeliveryStatus:
    return await call.services.deliverer.resume(found_connection(call).id, call.who)


_CONNECTIONS: Final = "/api/connections"
_ONE: Final = "/api/connections/{name}"


LIST_CONNECTIONS: Final = Endpoint("GET", _CONNECTIONS, "list_connections", "List the connections.", "read", _list)
ADD_CONNECTION: Final = Endpoint(
    "POST",
    _CONNECTIONS,
    "add_connection",
    "Add a connection from its settings.",
    "admin",
    _add,
    status=201,
    can_refuse=True,
)
IMPORT_CONNECTIONS: Final = Endpoint(
    "POST",
    "/api/connections/import",
    "import_connections",
    "Add or change connections, matched by name: all of them or none.",
    "admin",
    _import,
    can_refuse=True,
)
SHOW_CONNECTION: Final = Endpoint(
    "GET",
    _ONE,
    "show_connection",
    "Return one connection, by name or ID.",
    "read",
    _show,
    can_miss=True,
)
SET_CONNECTION: Final = Endpoint(
    "PATCH",
    _ONE,
    "set_connection",
    "Change the settings of a connection.",
    "admin",
    _set,
    can_miss=True,
    can_refuse=True,
)
REMOVE_CONNECTION: Final = Endpoint(
    "DELETE",
    _ONE,
    "remove_connection",
    "Remove a connection. Its waiting events become dead letters.",
    "admin",
    _remove,
    can_miss=True,
)
CONNECTION_HISTORY: Final = Endpoint(
    "GET",
    f"{_ONE}/history",
    "connection_history",
    "List the changes to a connection's settings: who, what and when.",
    "read",
    _history,
    can_miss=True,
)
CHECK_CONNECTION: Final = Endpoint(
    "POST",
    f"{_ONE}/check",
    "check_connection",
    "Check the access token and pixel with TikTok.",
    "operate",
    _check,
    can_miss=True,
)
SET_FIRST_STEPS: Final = Endpoint(
    "PUT",
    f"{_ONE}/first-steps",
    "set_first_steps",
    "Put away the steps to the connection's first event, or show them again, in the console.",
    "operate",
    _set_first_steps,
    can_miss=True,
)
PAUSE_CONNECTION: Final = Endpoint(
    "POST",
    f"{_ONE}/pause",
    "pause_connection",
    "Pause delivery. Events are kept until it is resumed.",
    "operate",
    _pause,
    can_miss=True,
    can_refuse=True,
)
RESUME_CONNECTION: Final = Endpoint(
    "POST",
    f"{_ONE}/resume",
    "resume_connection",
    "Resume delivery, whether an operator or the service paused it.",
    "operate",
    _resume,
    can_miss=True,
    can_refuse=True,
)

CONNECTION_ENDPOINTS: Final = (
    LIST_CONNECTIONS,
    ADD_CONNECTION,
    IMPORT_CONNECTIONS,
    SHOW_CONNECTION,
    SET_CONNECTION,
    REMOVE_CONNECTION,
    CONNECTION_HISTORY,
    CHECK_CONNECTION,
    SET_FIRST_STEPS,
    PAUSE_CONNECTION,
    RESUME_CONNECTION,
)
