"""The service's own API, called in this process for one user: the console has no other access."""

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
from tiktok_forwarder.web.asgi import AsgiApplication
from tiktok_forwarder.web.in_process import asgi_call

SCOPES: Final[Mapping[Role, Scope]] = {"admin": "admin", "viewer": "read"}
_CALLER: Final = "console.caller"
_REFUSED: Final = 400
_NOT_FOUND: Final = 404


class ApiError(Exception):  # named for what happened
    """The API refused a call. `problems` are its messages."""

    def __init__(self, status: int, problems: list[str]) -> None:
        self.status = status
        self.problems = problems
        super().__init__("; ".join(problems))

    @property
    def is_missing(self) -> bool:
        return self.status == _NOT_FOUND


def console_caller(request: Request) -> tuple[str, Scope]:
    """Return the user for whom the console calls. A request from a socket cannot have one in its scope."""
    caller: tuple[str, Scope] | None = request.scope.get(_CALLER)
    if caller is None:
        raise HTTPException(401, "only the console can call this API")
    return caller


def unchecked(text: str) -> Any:
    """Pass text from a form or query to the API unchecked: the API validates it."""
    return text or None


class Api:
    """Calls for one user, with that user's rights."""

    def __init__(self, app: AsgiApplication, user: User) -> None:
        self._app = app
        self._caller = (user.actor, SCOPES[user.role])

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
        """Return the endpoint's answer; `path` are the parameters of its path, in order. Raises `ApiError`."""
        address = endpoint.address(*path) + _query(query)
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        status, answer = await asgi_call(self._app, endpoint.method, address, content, **{_CALLER: self._caller})
        if status >= _REFUSED:
            refusal = msgspec.json.decode(answer, type=Problems)
            raise ApiError(status, [each.message for each in refusal.errors])
        decoded: Answer_co = msgspec.json.decode(answer, type=endpoint.answer)
        return decoded


def _query(query: Struct | None) -> str:
    """Format a query without members that are None or empty."""
    members: Mapping[str, object] = structs.asdict(query) if query is not None else {}
    given = {name: value for name, value in members.items() if value not in (None, "")}
    return f"?{urlencode(given)}" if given else ""
