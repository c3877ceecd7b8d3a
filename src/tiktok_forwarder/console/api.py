"""The console's way to change and ask anything: the service's own API, called in this process for one user."""

from collections.abc import Mapping
from typing import Any, Final, overload
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, structs
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tiktok_forwarder.access.api_keys import Scope
from tiktok_forwarder.access.users import Role, User
from tiktok_forwarder.api.endpoint import Answer_co, Body, Endpoint, Problems, Query
from tiktok_forwarder.web.guard import AsgiApplication
from tiktok_forwarder.web.in_process import asgi_call

SCOPES: Final[Mapping[Role, Scope]] = {"admin": "admin", "viewer": "read"}
_CALLER: Final = "console.caller"
_REFUSED: Final = 400
_NOT_FOUND: Final = 404


class ApiError(Exception):  # named for what happened
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


def unchecked(text: str) -> Any:
    """What was typed into a form or an address, on its way to the API, which says what is wrong with it."""
    return text or None


class Api:
    """Calls for one user, with that user's rights."""

    def __init__(self, app: AsgiApplication, user: User) -> None:
        self._app = app
        self._caller = (f"user {user.name}", SCOPES[user.role])

    @overload
    async def call(
        self, endpoint: Endpoint[Query, None, Answer_co], *path: str, query: Query | None = None
    ) -> Answer_co: ...

    @overload
    async def call(
        self, endpoint: Endpoint[Query, Body, Answer_co], *path: str, query: Query | None = None, body: Body
    ) -> Answer_co: ...

    async def call(
        self, endpoint: Endpoint[Any, Any, Answer_co], *path: str, query: Struct | None = None, body: object = None
    ) -> Answer_co:
        """The endpoint's answer; `path` are the parameters of its path, in their order. Raises `ApiError`."""
        address = endpoint.address(*path) + _query(query)
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        status, answer = await asgi_call(self._app, endpoint.method, address, content, **{_CALLER: self._caller})
        if status >= _REFUSED:
            refusal = msgspec.json.decode(answer, type=Problems)
            raise ApiError(status, [each.message for each in refusal.errors])
        decoded: Answer_co = msgspec.json.decode(answer, type=endpoint.answer)
        return decoded


def _query(query: Struct | None) -> str:
    """Members that are None or empty are left out."""
    members: Mapping[str, object] = structs.asdict(query) if query is not None else {}
    given = {name: value for name, value in members.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""
