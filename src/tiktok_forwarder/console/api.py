"""The console's way to change and ask anything: the service's own API, called in this process for one user."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tiktok_forwarder.access.api_keys import Scope
from tiktok_forwarder.access.users import Role, User
from tiktok_forwarder.web.guard import AsgiApplication
from tiktok_forwarder.web.in_process import asgi_call

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
        address = f"{path}?{query}" if query else path
        status, answer = await asgi_call(self._app, method, address, content, **{_CALLER: self._caller})
        decoded: Any = msgspec.json.decode(answer) if answer else None
        if status < _REFUSED:
            return decoded
        raise ApiRefused(status, [error["message"] for error in decoded["errors"]])


def _query(members: Mapping[str, object]) -> str:
    return urlencode({name: value for name, value in members.items() if value not in (None, "")})
