"""An API as a table of endpoints: routes, authorization and the OpenAPI document are all built from it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from types import NoneType
from typing import Any, Final, Generic, TypeVar, get_args, get_type_hints
from urllib.parse import quote, unquote

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tiktok_forwarder.access.api_keys import SCOPES, Scope
from tiktok_forwarder.api.services import Services

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
BODY_SECONDS: Final = 10.0
PARAMETER: Final = re.compile(r"\{(\w+)(?::(int))?\}")
Query = TypeVar("Query", bound=Struct)
Body = TypeVar("Body")
Answer_co = TypeVar("Answer_co", covariant=True)
_Query_co = TypeVar("_Query_co", covariant=True)
_Body_co = TypeVar("_Body_co", covariant=True)


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """A query or body without members."""


class Problem(Struct, frozen=True):
    """An error. `code` is for programs, `message` is one sentence for people."""

    code: str
    message: str


class Problems(Struct, frozen=True):
    """The body of every error response."""

    errors: list[Problem]


class Call(Struct, Generic[_Query_co, _Body_co], frozen=True):
    """One decoded request to an endpoint. `who` is for histories: a key's name, or the command line."""

    services: Services
    path: Mapping[str, str]
    query: _Query_co
    body: _Body_co
    who: str


AnyCall = Call[object, object]
PlainCall = Call[Nothing, None]
"""The types of an endpoint that takes neither a query nor a body."""


class Endpoint(Struct, Generic[Query, Body, Answer_co], frozen=True):
    """One endpoint of an API. The signature of `run` declares what is decoded and returned.

    The signature is `async def run(call: Call[Query, Body]) -> Answer`. `path` has parameters such as `{name}` and
    `{event_no:int}`; a `Call` has the text of either. A body of bytes is not decoded: mParticle's batches are read by
    their own parser.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: Scope
    run: Callable[[Call[Query, Body]], Awaitable[Answer_co]]
    status: int = 200
    can_miss: bool = False
    can_refuse: bool = False

    @property
    def query(self) -> type[Query]:
        query: type[Query] = _signature(self.run)[0]
        return query

    @property
    def body(self) -> Any:
        """Return the type of a JSON body, or None if there is none."""
        body = _signature(self.run)[1]
        return None if body in (NoneType, bytes) else body

    @property
    def answer(self) -> Any:
        """Return the type of a successful response."""
        return _signature(self.run)[2]

    @property
    def takes_batches(self) -> bool:
        return _signature(self.run)[1] is bytes

    def address(self, *parts: str) -> str:
        """Return the path with these values for its parameters: a name may contain anything, slashes included."""
        names = PARAMETER.findall(self.path)
        if len(parts) != len(names):
            raise TypeError(f"{self.path} takes {len(names)} parts, not {len(parts)}")
        given = iter(parts)
        return PARAMETER.sub(lambda _: quote(next(given), safe=""), self.path)


AnyEndpoint = Endpoint[Any, Any, Any]


@cache
def _signature(run: Callable[..., object]) -> tuple[Any, Any, Any]:
    call, answer = get_type_hints(run, include_extras=True).values()
    return (*get_args(call), answer)


def plain_path(path: str) -> str:
    """Return the path without the types of its parameters."""
    return PARAMETER.sub(r"{\1}", path)


def may(scope: Scope, needed: Scope) -> bool:
    return SCOPES.index(scope) >= SCOPES.index(needed)


async def decoded_call(
    endpoint: Endpoint[Query, Body, object], request: Request, services: Services, who: str
) -> Call[Query, Body]:
    """Return the decoded call. Raises `HTTPException` for a query or body that the endpoint does not take."""
    path = {name: unquote(value) for name, value in request.path_params.items()}
    query = _from_query(request, endpoint.query)
    body: Any = None
    if endpoint.takes_batches:
        body = await _bytes(request)
    elif endpoint.body is not None:
        body = await _from_body(request, endpoint.body)
    return Call(services, path, query, body, who)


def _from_query(request: Request, kind: type[Query]) -> Query:
    given = {name: value for name, value in request.query_params.multi_items()}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise HTTPException(400, f"invalid query: {error}") from None


async def _from_body(request: Request, kind: Any) -> Any:
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise HTTPException(415, "the body must be JSON (content-type: application/json)")
    try:
        return msgspec.json.decode(await _bytes(request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"invalid body: {error}") from None


async def _bytes(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise HTTPException(413, f"the body is too large; the limit is {MAX_BODY_BYTES} bytes")
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {BODY_SECONDS:g} seconds") from None
    return bytes(body)


def json_answer(value: object, status: int = 200) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def refusal(status: int, code: str, *messages: str) -> Response:
    return json_answer(Problems([Problem(code, message) for message in messages]), status)
