"""An API as a table of endpoints: routes, authorization and the OpenAPI document are all made from it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tiktok_forwarder.access.api_keys import SCOPES, Scope

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
PARAMETER: Final = re.compile(r"\{(\w+)(?::(int))?\}")
_T = TypeVar("_T")


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """A query or body without members."""


class Problem(Struct, frozen=True):
    """`code` is for programs, `message` one sentence for people."""

    code: str
    message: str


class Problems(Struct, frozen=True):
    """The body of every refusal."""

    errors: list[Problem]


class Call(Struct):
    """One request to an endpoint, decoded. `who` is for histories: a key's name, or the command line."""

    parts: Any
    path: Mapping[str, str]
    query: Any
    body: Any
    who: str


class Endpoint(Struct, frozen=True):
    """`query` and `body` are the types that they are decoded to; `answer` is the type of a successful answer.

    `path` has parameters such as `{name}` and `{event_no:int}`; a `Call` has the text of either.
    With `takes_batches` the body is left as bytes: mParticle's batches are read by their own parser.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: Scope
    answer: Any
    run: Callable[[Call], Awaitable[Any]]
    query: type[Struct] = Nothing
    body: Any = None
    status: int = 200
    can_miss: bool = False
    can_refuse: bool = False
    takes_batches: bool = False


def plain_path(path: str) -> str:
    """The path without the kinds of its parameters."""
    return PARAMETER.sub(r"{\1}", path)


def may(scope: Scope, needed: Scope) -> bool:
    return SCOPES.index(scope) >= SCOPES.index(needed)


async def decoded_call(endpoint: Endpoint, request: Request, parts: Any, who: str) -> Call:
    """Raises `HTTPException` for a query or body that is not what the endpoint takes."""
    path = {name: unquote(value) for name, value in request.path_params.items()}
    query = _from_query(request, endpoint.query)
    body: Any = None
    if endpoint.takes_batches:
        body = await _bytes(request)
    elif endpoint.body is not None:
        body = await _from_body(request, endpoint.body)
    return Call(parts, path, query, body, who)


def _from_query(request: Request, kind: type[_T]) -> _T:
    given = {name: value for name, value in request.query_params.multi_items()}
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise HTTPException(400, f"the query cannot be used: {error}") from None


async def _from_body(request: Request, kind: Any) -> Any:
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise HTTPException(415, "the body must be JSON: content-type application/json")
    try:
        return msgspec.json.decode(await _bytes(request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise HTTPException(400, f"the body cannot be read: {error}") from None


async def _bytes(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"the body is larger than the {MAX_BODY_BYTES} bytes allowed")
    return bytes(body)


def json_answer(value: object, status: int = 200) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(value), status, headers, media_type="application/json")


def refusal(status: int, code: str, *messages: str) -> Response:
    return json_answer(Problems([Problem(code, message) for message in messages]), status)
