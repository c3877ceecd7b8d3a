"""The senders' side: Events API, webhook and Firehose, as plain ASGI, since every event passes here.

mParticle senders try again only after 408, 429, 500, 502, 503 and 504; any other refusal loses their data. So a request
that may succeed later gets 503 with `Retry-After`, and a body of which anything can be read is accepted.
"""

import base64
import binascii
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgspec

from tiktok_forwarder.domain.errors import ConnectionsFull, StoreFull, StoreUnavailable, UnreadableBody
from tiktok_forwarder.domain.outcome import CONNECTION_FULL
from tiktok_forwarder.inputs.inputs import Input, Inputs
from tiktok_forwarder.intake.accept import Acceptor
from tiktok_forwarder.intake.failures import FailedAuthentications
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.web.asgi import Receive, Scope, Send
from tiktok_forwarder.web.body import (
    BodyLimits,
    BodyRefused,
    HeldBody,
    PendingBytes,
    SenderLeft,
    joined_headers,
    read_body,
)
from tiktok_forwarder.web.trusted_proxies import TrustedProxies

RETRY_AFTER_SECONDS: Final = 5
_RETRY_AFTER: Final = (b"retry-after", str(RETRY_AFTER_SECONDS).encode())
# A slow sender's connection is closed. Others may send the rest of a refused body, which the server discards: a
# connection that is closed while data arrives is reset, and its sender never sees the answer.
_BODY_HEADERS: Final = {408: ((b"connection", b"close"),), 503: (_RETRY_AFTER,)}
_MAX_SHOWN_PATH_LENGTH: Final = 100
_FIREHOSE_VERSION: Final = "3.2.0"
_BAD_CREDENTIALS: Final = "bad_credentials"
_JSON: Final = (b"content-type", b"application/json")


class IngestObserver(Protocol):
    """Receives every request, for metrics. `reason` is a short name of a refusal, empty if there is none."""

    def on_answered(self, route: str, status: int, reason: str, seconds: float) -> None: ...

    def left(self, route: str) -> None:
        """The sender closed the connection before its request was complete."""
        ...


class Refusal(Exception):
    """A request that is answered with an error. `reason` is a short name for metrics."""

    def __init__(
        self, status: int, code: str, message: str, *, reason: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.code = code
        self.reason = reason
        self.headers = headers
        super().__init__(message)


_Use = Callable[[bytes, str], Awaitable[object]]
_Headers = dict[bytes, bytes]


class Ingest:
    """An ASGI application for the senders' routes. `handles` returns whether a path is one of them."""

    def __init__(
        self,
        acceptor: Acceptor,
        inputs: Inputs,
        limits: BodyLimits,
        proxies: TrustedProxies,
        *,
        observer: IngestObserver,
    ) -> None:
        self._acceptor = acceptor
        self._inputs = inputs
        self._limits = limits
        self._proxies = proxies
        self._observer = observer
        self._pending = PendingBytes()
        self._failures = FailedAuthentications()
        self.is_stopping = False

    def handles(self, path: str) -> bool:
        return path.startswith(("/v2/", "/webhook/", "/firehose/"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        path: str = scope["path"]
        route = "unknown"
        try:
            route, answer = self._routed(path)
            if scope["method"] != "POST":
                raise Refusal(
                    405,
                    "METHOD_NOT_ALLOWED",
                    "method not allowed; use POST",
                    reason="method",
                    headers=((b"allow", b"POST"),),
                )
            status, body = await answer(joined_headers(scope["headers"]), path, receive)
            reason = ""
            headers: tuple[tuple[bytes, bytes], ...] = (_JSON,) if body else ()
        except Refusal as refusal:
            status, body, reason, headers = _error_response(self._throttled(refusal, scope))
        except SenderLeft:
            self._observer.left(route)
            return
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
        await send({"type": "http.response.body", "body": body})
        self._observer.on_answered(route, status, reason, time.perf_counter() - started)

    def _throttled(self, refusal: Refusal, scope: Scope) -> Refusal:
        """Return the refusal itself, unless its source has failed to authenticate too often."""
        if refusal.reason != _BAD_CREDENTIALS:
            return refusal
        wait_seconds = self._failures.failed(self._proxies.source_of(scope), time.monotonic())
        if not wait_seconds:
            return refusal
        return Refusal(
            429,
            "TOO_MANY_FAILURES",
            "too many invalid credentials from this IP address; correct them and retry later",
            reason="too_many_failures",
            headers=((b"retry-after", str(wait_seconds).encode()),),
        )

    def _routed(self, path: str) -> tuple[str, Callable[[_Headers, str, Receive], Awaitable[tuple[int, bytes]]]]:
        if path in ("/v2/events", "/v2/bulkevents"):
            return path, self._events_api
        if path == "/v2/bulkevents/historical":
            return path, self._historical
        prefix, _, name = path[1:].partition("/")
        if name and "/" not in name and prefix in ("webhook", "firehose"):
            return f"/{prefix}/", self._webhook if prefix == "webhook" else self._firehose
        raise Refusal(404, "NOT_FOUND", f"path {kept_text(path, _MAX_SHOWN_PATH_LENGTH)} not found", reason="route")

    # --- routes ---

    async def _events_api(self, headers: _Headers, _path: str, receive: Receive) -> tuple[int, bytes]:
        sender = self._basic(headers)
        await self._take(headers, receive, sender, self._acceptor.accept)
        return 202, b""

    async def _historical(self, headers: _Headers, _path: str, receive: Receive) -> tuple[int, bytes]:
        sender = self._basic(headers)
        await self._take(headers, receive, sender, self._acceptor.accept_historical)
        return 202, b""

    async def _webhook(self, headers: _Headers, path: str, receive: Receive) -> tuple[int, bytes]:
        sender = self._authorized(headers, path)
        await self._take(headers, receive, sender, self._acceptor.accept)
        return 202, b""

    async def _firehose(self, headers: _Headers, path: str, receive: Receive) -> tuple[int, bytes]:
        sender = self._authorized(headers, path)
        await self._take(headers, receive, sender, self._acceptor.accept)
        response = {
            "type": "event_processing_response",
            "id": str(uuid.uuid4()),
            "timestamp_ms": time.time_ns() // 1_000_000,
            "firehose_version": _FIREHOSE_VERSION,
        }
        return 200, msgspec.json.encode(response)

    # --- authentication ---

    def _basic(self, headers: _Headers) -> Input:
        authorization = headers.get(b"authorization", b"")
        known = self._inputs.find_by_cached_header(authorization)
        if known is not None:
            return known
        if not authorization:
            raise Refusal(
                401,
                "UNAUTHORIZED",
                "the Authorization header is missing; use Basic with an input's key and secret",
                reason="no_credentials",
                headers=((b"www-authenticate", b'Basic realm="tiktok-forwarder"'),),
            )
        scheme, _, credentials = authorization.partition(b" ")
        key, separator, secret = _decoded(credentials).partition(":")
        sender = self._inputs.find_by_credentials(key, secret) if scheme.lower() == b"basic" and separator else None
        if sender is None:
            raise Refusal(403, "FORBIDDEN", "invalid key or secret", reason=_BAD_CREDENTIALS)
        self._inputs.cache_header(authorization, sender)
        return sender

    def _authorized(self, headers: _Headers, path: str) -> Input:
        authorization = headers.get(b"authorization", b"")
        if not authorization:
            raise Refusal(
                401,
                "UNAUTHORIZED",
                "the Authorization header is missing; send the input's Authorization value",
                reason="no_credentials",
            )
        name = path.rpartition("/")[2]
        sender = self._inputs.find_by_authorization(name, authorization.decode("latin-1"))
        if sender is None:
            raise Refusal(403, "FORBIDDEN", "invalid input name or Authorization value", reason=_BAD_CREDENTIALS)
        return sender

    # --- bodies ---

    async def _take(self, headers: _Headers, receive: Receive, sender: Input, use: _Use) -> None:
        if self.is_stopping:
            raise _later("the service is stopping", "stopping")
        with HeldBody(self._pending) as held:
            try:
                body = await read_body(headers, receive, self._limits, held)
            except BodyRefused as refused:
                raise _body_refusal(refused) from None
            await self._use(body, sender, use)

    async def _use(self, body: bytes, sender: Input, use: _Use) -> None:
        try:
            await use(body, sender.name)
        except UnreadableBody as error:
            status, code, reason = (
                (413, "TOO_LARGE", "too_large") if error.too_large else (400, "BAD_REQUEST", "unreadable")
            )
            raise Refusal(status, code, str(error), reason=reason) from None
        except ConnectionsFull as error:
            raise _later(str(error), CONNECTION_FULL) from None
        except StoreFull:
            raise _later("the event store is full", "store_full") from None
        except StoreUnavailable:
            raise _later("the event store cannot be written", "store_unavailable") from None


def _decoded(credentials: bytes) -> str:
    try:
        return base64.b64decode(credentials.strip()).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _later(message: str, reason: str) -> Refusal:
    return Refusal(
        503,
        "UNAVAILABLE",
        f"{message}; retry later (see Retry-After)",
        reason=reason,
        headers=(_RETRY_AFTER,),
    )


def _body_refusal(refused: BodyRefused) -> Refusal:
    code = {413: "TOO_LARGE", 408: "TIMEOUT", 503: "UNAVAILABLE"}.get(refused.status, "BAD_REQUEST")
    return Refusal(
        refused.status, code, str(refused), reason=refused.reason, headers=_BODY_HEADERS.get(refused.status, ())
    )


def _error_response(refusal: Refusal) -> tuple[int, bytes, str, tuple[tuple[bytes, bytes], ...]]:
    body = msgspec.json.encode({"errors": [{"code": refusal.code, "message": str(refusal)}]})
    return refusal.status, body, refusal.reason, (_JSON, *refusal.headers)
