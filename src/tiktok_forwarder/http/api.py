"""The API for people and programs that run the service: the one way to change anything.

It is served on a Unix socket in the data directory, which only the service's own user can open.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict, StoreFull, StoreUnavailable
from tiktok_forwarder.mapping.connection import Connection, connection_document
from tiktok_forwarder.service.connections import Connections
from tiktok_forwarder.service.inputs import Input, Inputs

_MAX_BODY_BYTES: Final = 4 * 1024 * 1024
BY_COMMAND_LINE: Final = "command line"

_T = TypeVar("_T")


class NewInputRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What is not given is made up."""

    name: str
    key: str | None = None
    secret: str | None = None
    authorization: str | None = None


class ApiParts(Protocol):
    """What the API works on."""

    @property
    def inputs(self) -> Inputs: ...

    @property
    def connections(self) -> Connections: ...

    async def status(self) -> Mapping[str, Any]: ...


def build_api(parts: ApiParts) -> Starlette:
    """The API as an ASGI application."""
    api = _Api(parts)
    return Starlette(
        routes=[
            Route("/api/inputs", api.inputs, methods=["GET"]),
            Route("/api/inputs", api.add_input, methods=["POST"]),
            Route("/api/connections", api.connections, methods=["GET"]),
            Route("/api/connections", api.add_connection, methods=["POST"]),
            Route("/api/connections/{name}", api.connection, methods=["GET"]),
            Route("/api/status", api.status, methods=["GET"]),
        ],
        exception_handlers={
            ConfigurationError: _told_problems,
            RevisionConflict: _told_conflict,
            StoreFull: _told_unavailable,
            StoreUnavailable: _told_unavailable,
            HTTPException: _told_http,
            # Starlette raises it again after the answer, for whoever serves the application to tell.
            Exception: _told_fault,
        },
    )


class _Api:
    def __init__(self, parts: ApiParts) -> None:
        self._parts = parts

    async def inputs(self, _request: Request) -> Response:
        return _json([_shown_input(each) for each in self._parts.inputs.all()])

    async def add_input(self, request: Request) -> Response:
        given = _decoded(await _body(request), NewInputRequest)
        new = await self._parts.inputs.add(
            given.name,
            key=given.key,
            secret=given.secret,
            authorization=given.authorization,
            changed_by=BY_COMMAND_LINE,
        )
        return _json(new, 201)

    async def connections(self, _request: Request) -> Response:
        return _json([_shown_connection(each) for each in self._parts.connections.all()])

    async def connection(self, request: Request) -> Response:
        name: str = request.path_params["name"]
        found = self._parts.connections.find(name)
        if found is None:
            raise HTTPException(404, f"there is no connection named {name}")
        return _json(_shown_connection(found))

    async def add_connection(self, request: Request) -> Response:
        given = _decoded(await _body(request), dict[str, Any])
        connection = await self._parts.connections.add(given, BY_COMMAND_LINE)
        return _json(_shown_connection(connection), 201)

    async def status(self, _request: Request) -> Response:
        return _json(await self._parts.status())


def _shown_input(each: Input) -> dict[str, Any]:
    return {"id": each.id, "name": each.name, "key": each.key, "webhook_path": f"/webhook/{each.name}"}


def _shown_connection(connection: Connection) -> dict[str, Any]:
    """Everything but the access token, which is never shown again."""
    return {"id": connection.id, "revision": connection.revision, **connection_document(connection)}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise HTTPException(413, f"the body is larger than the {_MAX_BODY_BYTES} bytes allowed")
    return bytes(body)


def _decoded(body: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"the body cannot be read: {error}") from None


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _errors(status: int, code: str, messages: tuple[str, ...]) -> Response:
    return _json({"errors": [{"code": code, "message": message} for message in messages]}, status)


async def _told_problems(_request: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, ConfigurationError) else (str(error),)
    return _errors(422, "INVALID", tuple(problems))


async def _told_conflict(_request: Request, error: Exception) -> Response:
    return _errors(409, "CONFLICT", (str(error),))


async def _told_unavailable(_request: Request, error: Exception) -> Response:
    return _errors(503, "UNAVAILABLE", (str(error),))


async def _told_fault(_request: Request, _error: Exception) -> Response:
    return _errors(500, "INTERNAL", ("a fault of the service: its log says where",))


async def _told_http(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    code = {400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 413: "TOO_LARGE"}.get(status, "ERROR")
    return _errors(status, code, (str(getattr(error, "detail", error)),))
