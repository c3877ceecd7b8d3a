"""The service's public side but the senders' routes: API, script, health, metrics, else the console.

API, console and script may be missing: other nodes over the same store have them.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec

from tiktok_forwarder.web.asgi import AsgiApplication, Receive, Scope, Send
from tiktok_forwarder.web.origin import is_of_private_network, is_of_this_machine, is_proxied

_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_JSON: Final = (b"content-type", b"application/json")
_METRICS: Final = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")

Readiness = Callable[[], Awaitable[Sequence[str]]]
"""Returns why the service cannot accept events now; empty if it can."""
Exposition = Callable[[], Awaitable[bytes]]
"""Returns all metrics in Prometheus' text form."""


KeyCheck = Callable[[str], bool]
"""Returns whether this is a valid API key."""


class PublicFiles(Protocol):
    """An ASGI application for files that any site may load."""

    def handles(self, path: str) -> bool: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for one of its paths."""
        ...


class Front:
    """The ASGI application on the service's port."""

    def __init__(
        self,
        readiness: Readiness,
        exposition: Exposition,
        is_valid_key: KeyCheck,
        *,
        api: AsgiApplication | None = None,
        console: AsgiApplication | None = None,
        public_files: PublicFiles | None = None,
    ) -> None:
        self._api = api or _refuse_api
        self._console = console or _refuse_page
        self._public_files = public_files
        self._readiness = readiness
        self._exposition = exposition
        self._is_valid_key = is_valid_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith("/api/"):
            await self._api(scope, receive, send)
        elif path == "/healthz":
            await _answer(send, 200, b"ok\n", _TEXT)
        elif path == "/readyz":
            reasons = list(await self._readiness())
            body = msgspec.json.encode({"ready": not reasons, "reasons": reasons})
            await _answer(send, 503 if reasons else 200, body, _JSON)
        elif path == "/metrics":
            await self._metrics(scope, send)
        elif self._public_files is not None and self._public_files.handles(path):
            await self._public_files(scope, receive, send)
        else:
            await self._console(scope, receive, send)

    async def _metrics(self, scope: Scope, send: Send) -> None:
        """Answer this machine's processes, and others with an API key of any scope."""
        # A proxy on this machine forwards requests of other machines, whatever its own address is.
        if is_of_this_machine(scope) and not is_proxied(scope):
            await _answer(send, 200, await self._exposition(), _METRICS)
        # Without TLS, the key must not cross public networks. A proxy with TLS is on this machine or a private network.
        elif not is_of_private_network(scope):
            await _refuse(
                send, 403, "FORBIDDEN", "metrics are for this machine and private networks; use a proxy with TLS"
            )
        elif not self._is_valid_key(_bearer(scope)):
            message = "an API key is required: Authorization: Bearer …"
            await _refuse(send, 401, "UNAUTHORIZED", message, (b"www-authenticate", b"Bearer"))
        else:
            await _answer(send, 200, await self._exposition(), _METRICS)


def _bearer(scope: Scope) -> str:
    """Return the bearer token of the request; empty if there is none."""
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
    scheme, _, token = given.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def _refuse_api(_scope: Scope, _receive: Receive, send: Send) -> None:
    # Not 404: a program would take that for a connection that was deleted.
    await _refuse(
        send, 503, "UNAVAILABLE", "this node does not serve the API; call a node with the role console or all"
    )


async def _refuse_page(_scope: Scope, _receive: Receive, send: Send) -> None:
    await _answer(send, 404, b"not found; the console is on nodes with the role console or all\n", _TEXT)


async def _refuse(send: Send, status: int, code: str, message: str, *headers: tuple[bytes, bytes]) -> None:
    body = msgspec.json.encode({"errors": [{"code": code, "message": message}]})
    await _answer(send, status, body, _JSON, *headers)


async def _answer(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [*more, (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
