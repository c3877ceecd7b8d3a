"""The API for people and programs that operate the service: the only way to change anything.

On the Unix socket of the data directory, which only the service's own user can open, everything is allowed. On the
service's port a key is required, and only requests from this machine are answered: other machines connect through a TLS
proxy on it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tiktok_forwarder.access.api_keys import ApiKeys, Scope
from tiktok_forwarder.api.activity import ACTIVITY_ENDPOINTS
from tiktok_forwarder.api.connections import CONNECTION_ENDPOINTS
from tiktok_forwarder.api.dead_letters import DEAD_LETTER_ENDPOINTS
from tiktok_forwarder.api.endpoint import AnyEndpoint, decoded_call, json_answer, may, plain_path, refusal
from tiktok_forwarder.api.erasure import ERASURE_ENDPOINTS
from tiktok_forwarder.api.evidence import EVIDENCE_ENDPOINTS
from tiktok_forwarder.api.inputs import INPUT_ENDPOINTS
from tiktok_forwarder.api.notices import NOTICE_ENDPOINTS
from tiktok_forwarder.api.openapi import document_of
from tiktok_forwarder.api.pixel import PIXEL_ENDPOINTS
from tiktok_forwarder.api.previews import PREVIEW_ENDPOINTS
from tiktok_forwarder.api.received_events import LIST_RECEIVED_EVENTS
from tiktok_forwarder.api.results import SHOW_RESULTS
from tiktok_forwarder.api.service import SERVICE_ENDPOINTS
from tiktok_forwarder.api.services import Services
from tiktok_forwarder.api.users import USER_ENDPOINTS
from tiktok_forwarder.domain.errors import (
    ConfigurationError,
    RevisionConflict,
    SecretUnreadable,
    StoreFull,
    StoreUnavailable,
    UnknownName,
    UnreadableBody,
)
from tiktok_forwarder.web.asgi import AsgiApplication, Receive, Send
from tiktok_forwarder.web.asgi import Scope as HttpScope
from tiktok_forwarder.web.origin import is_of_this_machine

ENDPOINTS: Final[tuple[AnyEndpoint, ...]] = (
    *INPUT_ENDPOINTS,
    *CONNECTION_ENDPOINTS,
    *EVIDENCE_ENDPOINTS,
    *DEAD_LETTER_ENDPOINTS,
    *ACTIVITY_ENDPOINTS,
    LIST_RECEIVED_EVENTS,
    SHOW_RESULTS,
    *PREVIEW_ENDPOINTS,
    *PIXEL_ENDPOINTS,
    *ERASURE_ENDPOINTS,
    *NOTICE_ENDPOINTS,
    *SERVICE_ENDPOINTS,
    *USER_ENDPOINTS,
)
BY_COMMAND_LINE: Final = "command line"


Caller = Callable[[Request], tuple[str, Scope]]
"""Returns who calls, and what they may do. Raises `HTTPException` for an unknown caller."""


def local_caller(_request: Request) -> tuple[str, Scope]:
    """Return the local caller with full scope: anyone who can open the socket owns the data directory."""
    return BY_COMMAND_LINE, "admin"


def caller_with_key(keys: ApiKeys) -> Caller:
    def caller(request: Request) -> tuple[str, Scope]:
        if not is_of_this_machine(request.scope):
            raise HTTPException(403, "the API is available on this machine only; run a proxy with TLS on it")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        found = keys.find(key.strip()) if scheme.lower() == "bearer" else None
        if found is None:
            raise HTTPException(
                401, "an API key is required: Authorization: Bearer …", headers={"www-authenticate": "Bearer"}
            )
        return f"API key {found.name}", found.scope

    return caller


def _identify(caller: Caller, request: Request, needed: Scope) -> str:
    """Return who calls. Raises `HTTPException` for an unknown caller, and for one who may not do that."""
    who, scope = caller(request)
    if not may(scope, needed):
        raise HTTPException(403, f"scope {needed} is required; the key has {scope}")
    return who


def build_api(services: Services, caller: Caller) -> Starlette:
    """Return the API as an ASGI application that identifies callers with `caller`."""

    async def openapi(request: Request) -> Response:
        _identify(caller, request, "read")
        return json_answer(document_of(ENDPOINTS))

    routes = [Route(path, _by_method(services, caller, found), methods=_methods(found)) for path, found in _by_path()]
    api = Starlette(
        routes=[*routes, Route("/api/openapi.json", openapi, methods=["GET"])],
        middleware=[Middleware(_ByRawPath)],
        exception_handlers={
            ConfigurationError: _handle_configuration_error,
            UnknownName: _problem_handler(404, "NOT_FOUND"),
            RevisionConflict: _problem_handler(409, "CONFLICT"),
            StoreFull: _problem_handler(503, "UNAVAILABLE"),
            StoreUnavailable: _problem_handler(503, "UNAVAILABLE"),
            SecretUnreadable: _problem_handler(422, "INVALID"),
            UnreadableBody: _handle_unreadable_body,
            HTTPException: _handle_http_exception,
            # Starlette raises the error again after the response, for the server to report.
            Exception: _handle_internal_error,
        },
    )
    api.router.redirect_slashes = False
    return api


_Handler = Callable[[Request], Awaitable[Response]]


class _ByRawPath:
    """Finds routes by the path as sent, so that a name may contain a slash, written %2F."""

    def __init__(self, app: AsgiApplication) -> None:
        self._app = app

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "path": scope["raw_path"].decode("latin-1")}, receive, send)


def _by_path() -> Sequence[tuple[str, list[AnyEndpoint]]]:
    paths: dict[str, list[AnyEndpoint]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(plain_path(endpoint.path), []).append(endpoint)
    # A fixed path must precede one with a name in its place.
    return sorted(paths.items(), key=lambda each: "{" in each[0])


def _methods(endpoints: Sequence[AnyEndpoint]) -> list[str]:
    return [endpoint.method for endpoint in endpoints]


def _by_method(services: Services, caller: Caller, endpoints: Sequence[AnyEndpoint]) -> _Handler:
    of_method = {endpoint.method: endpoint for endpoint in endpoints}

    async def answer(request: Request) -> Response:
        endpoint = of_method.get(request.method) or of_method["GET"]
        who = _identify(caller, request, endpoint.scope)
        call = await decoded_call(endpoint, request, services, who)
        return json_answer(await endpoint.run(call), endpoint.status)

    return answer


def _problem_handler(status: int, code: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(_request: Request, error: Exception) -> Response:
        return refusal(status, code, str(error))

    return handle


async def _handle_unreadable_body(_request: Request, error: Exception) -> Response:
    if isinstance(error, UnreadableBody) and error.too_large:
        return refusal(413, "TOO_LARGE", str(error))
    return refusal(400, "BAD_REQUEST", str(error))


async def _handle_configuration_error(_request: Request, error: Exception) -> Response:
    problems = error.problems if isinstance(error, ConfigurationError) else (str(error),)
    return refusal(422, "INVALID", *problems)


_CODES: Final = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "TIMEOUT",
    413: "TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
}
# Messages for what Starlette's router refuses.
_BY_ROUTER: Final = {
    404: "path not found; see /api/openapi.json for all paths",
    405: "method not allowed; see the Allow header",
}


async def _handle_http_exception(_request: Request, error: Exception) -> Response:
    status, detail, headers = 500, str(error), None
    if isinstance(error, HTTPException):
        status, detail, headers = error.status_code, error.detail, error.headers
    answer = refusal(status, _CODES.get(status, "ERROR"), _BY_ROUTER.get(status, detail))
    answer.headers.update(headers or {})
    return answer


async def _handle_internal_error(_request: Request, _error: Exception) -> Response:
    return refusal(500, "INTERNAL", "internal error; the service log shows where")
