"""The console's way to change and ask anything: the service's own API, called in this process for one user."""

from collections.abc import Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tiktok_forwarder.http.guard import AsgiApplication
from tiktok_forwarder.service.api_keys import Scope
from tiktok_forwarder.service.users import Role, User

SCOPES: Final[Mapping[Role, Scope]] = {"admin": "admin", "viewer": "read"}
_CALLER: Final = "console.caller"
_REFUSED: Final = 400
_NOT_FOUND: Final = 404


class ApiRefused(Exception):  # named for what happened
    """The API did not do it. `problems` are its sentences for people."""

    def __init__(self, status: int, problems: list[str]) -> None:
        self.status = status
        self.problems = problems
        super().__init__("; ".join(problems))

    @property
    def is_missing(self) -> bool:
        return self.status == _NOT_FOUND


def console_caller(request: Request) -> tuple[str, Scope]:
    """Who the console calls for. Nothing that came over a socket can have it in its scope."""
    caller: tuple[str, Scope] | None = request.scope.get(_CALLER)
    if caller is None:
        raise HTTPException(401, "this door is the console's own")
    return caller


def part(text: str) -> str:
    """One part of a path: a name may hold anything, slashes included."""
    return quote(text, safe="")


class Api:
    """Calls for one user, with that user's rights."""

    def __init__(self, app: AsgiApplication, user: User) -> None:
        self._app = app
        self._caller = (f"user {user.name}", SCOPES[user.role])

    async def get(self, path: str, **query: object) -> Any:
        """The decoded answer. A query's members that are None or empty are left out. Raises `ApiRefused`."""
        return await self._ask("GET", path, _query(query), b"")

    async def post(self, path: str, body: object = None, **query: object) -> Any:
        content = msgspec.json.encode({} if body is None else body)
        return await self._ask("POST", path, _query(query), content)

    async def patch(self, path: str, body: object) -> Any:
        return await self._ask("PATCH", path, "", msgspec.json.encode(body))

    async def delete(self, path: str) -> Any:
        return await self._ask("DELETE", path, "", b"")

    async def _ask(self, method: str, path: str, query: str, content: bytes) -> Any:
        status, answer = await self._answered(method, path, query, content)
        decoded: Any = msgspec.json.decode(answer) if answer else None
        if status < _REFUSED:
            return decoded
        raise ApiRefused(status, [error["message"] for error in decoded["errors"]])

    async def _answered(self, method: str, path: str, query: str, content: bytes) -> tuple[int, bytes]:
        status = 500
        answer = bytearray()

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                answer.extend(message.get("body", b""))

        await self._app(self._scope(method, path, query), receive, send)
        return status, bytes(answer)

    def _scope(self, method: str, path: str, query: str) -> MutableMapping[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
            "client": None,
            "server": None,
            _CALLER: self._caller,
        }


def _query(members: Mapping[str, object]) -> str:
    return urlencode({name: value for name, value in members.items() if value not in (None, "")})
