"""The senders' side: Events API, webhook and Firehose, without ASGI, since every event passes here.

A request's credentials are checked when its headers are complete, its body is mapped when that is whole, and the answer
is written when its events are durable.
"""

import base64
import binascii
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from tiktok_forwarder.inputs.inputs import Input, Inputs
from tiktok_forwarder.intake.accept import Acceptance, Acceptor, Done
from tiktok_forwarder.intake.failures import FailedAuthentications
from tiktok_forwarder.intake.refusals import JSON, Refusal, refusal_of, stopping
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.web.body import ArrivingBody, BodyLimits, joined_headers
from tiktok_forwarder.web.body_handler import BodyHandler
from tiktok_forwarder.web.exchange import Exchange, Header
from tiktok_forwarder.web.guard import INTERNAL_ERROR, FaultObserver
from tiktok_forwarder.web.paths import without_extra_slashes
from tiktok_forwarder.web.trusted_proxies import TrustedProxies

_MAX_SHOWN_PATH_LENGTH: Final = 100
_FIREHOSE_VERSION: Final = "3.2.0"
_BAD_CREDENTIALS: Final = "bad_credentials"
_UNKNOWN_ROUTE: Final = "unknown"
# Every route of senders is below one of these.
SENDERS_PREFIXES: Final = ("/v2/", "/webhook/", "/firehose/")

_Headers = Mapping[bytes, bytes]


class IngestObserver(FaultObserver, Protocol):
    """Receives every request, for metrics. `reason` is a short name of a refusal, empty if there is none."""

    def on_answered(self, route: str, status: int, reason: str, seconds: float) -> None: ...

    def on_refused(self, input_name: str, reason: str) -> None:
        """A request whose sender is known is refused; `on_answered` counts it too."""
        ...

    def left(self, route: str) -> None:
        """The sender closed the connection before its request was complete."""
        ...


class _Route(Struct, frozen=True):
    """How the requests of a path are authenticated, used and answered. `name` is the one in metrics."""

    name: str
    authenticate: Callable[[_Headers, str], Input]
    use: Callable[[bytes, Input, Done], None]
    answer: Callable[[], tuple[int, bytes]]


class Ingest:
    """The senders' routes. `handles` returns whether a path is one of them."""

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
        self._proxies = proxies
        self._failures = FailedAuthentications()
        accept = acceptor.accept_soon
        events, bulk, historical = "/v2/events", "/v2/bulkevents", "/v2/bulkevents/historical"
        self._routes = {
            events: _Route(events, self._basic, accept, _accepted),
            bulk: _Route(bulk, self._basic, accept, _accepted),
            historical: _Route(historical, self._basic, self._use_historical, _accepted),
        }
        self._named_routes = {
            "webhook": _Route("/webhook/", self._authorized, accept, _accepted),
            "firehose": _Route("/firehose/", self._authorized, accept, _firehose_answer),
        }
        self.limits = limits
        self.observer = observer
        self.is_stopping = False

    def handles(self, path: str) -> bool:
        return path in self._routes or _is_senders_path(path)

    def begin(self, exchange: Exchange) -> "SenderRequest | None":
        started = time.monotonic()
        route_name = _UNKNOWN_ROUTE
        sender: Input | None = None
        try:
            route = self._route_of(exchange.path)
            route_name = route.name
            if exchange.method != "POST":
                raise _not_post()
            headers = joined_headers(exchange.headers)
            sender = route.authenticate(headers, exchange.path)
            if self.is_stopping:
                raise stopping()
            body = ArrivingBody(headers, self.limits)
        except Exception as error:
            self.refuse(exchange, error, route_name, started, sender)
            return None
        exchange.proceed()
        return SenderRequest(self, exchange, route, sender, body, started)

    def refuse(
        self, exchange: Exchange, error: Exception, route_name: str, started: float, sender: Input | None = None
    ) -> None:
        """Answer with an error, which may be internal. `sender` is None while it is not authenticated."""
        refusal = refusal_of(error)
        if sender is not None:
            self.observer.on_refused(sender.name, refusal.reason if refusal is not None else "internal")
        if refusal is None:
            self.observer.on_internal_error(error)
            self.answer(exchange, 500, (JSON,), INTERNAL_ERROR, route_name, "internal", started)
            return
        refusal = self._throttled(refusal, exchange)
        headers = (JSON, *refusal.headers)
        self.answer(exchange, refusal.status, headers, refusal.encoded(), route_name, refusal.reason, started)

    def answer(
        self,
        exchange: Exchange,
        status: int,
        headers: tuple[Header, ...],
        body: bytes,
        route_name: str,
        reason: str,
        started: float,
    ) -> None:
        exchange.answer(status, headers, body)
        self.observer.on_answered(route_name, status, reason, time.monotonic() - started)

    def _route_of(self, path: str) -> _Route:
        """Return the route. Raises `Refusal` for a path that is none."""
        route = self._routes.get(path)
        if route is None:
            plain = without_extra_slashes(path)
            prefix, _, name = plain[1:].partition("/")
            is_named = prefix in self._named_routes and name and "/" not in name
            route = self._named_routes[prefix] if is_named else self._routes.get(plain)
        if route is None:
            raise Refusal(404, "NOT_FOUND", f"path {kept_text(path, _MAX_SHOWN_PATH_LENGTH)} not found", reason="route")
        return route

    def _throttled(self, refusal: Refusal, exchange: Exchange) -> Refusal:
        """Return the refusal itself, unless its source has failed to authenticate too often."""
        if refusal.reason != _BAD_CREDENTIALS:
            return refusal
        source = self._proxies.source_of({"client": exchange.peer, "headers": exchange.headers})
        wait_seconds = self._failures.failed(source, time.monotonic())
        if not wait_seconds:
            return refusal
        return Refusal(
            429,
            "TOO_MANY_FAILURES",
            "too many invalid credentials from this IP address; correct them and retry later",
            reason="too_many_failures",
            headers=((b"retry-after", str(wait_seconds).encode()),),
        )

    def _use_historical(self, body: bytes, sender: Input, done: Done) -> None:
        self._acceptor.accept_historical(body, sender.name)
        done(None, None)

    # --- authentication ---

    def _basic(self, headers: _Headers, _path: str) -> Input:
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
        name = without_extra_slashes(path).rpartition("/")[2]
        sender = self._inputs.find_by_authorization(name, authorization.decode("latin-1"))
        if sender is None:
            raise Refusal(403, "FORBIDDEN", "invalid input name or Authorization value", reason=_BAD_CREDENTIALS)
        return sender


class SenderRequest(BodyHandler):
    """A request whose body arrives, until its answer, or until the sender leaves."""

    __slots__ = ("_exchange", "_ingest", "_route", "_sender")

    def __init__(
        self, ingest: Ingest, exchange: Exchange, route: _Route, sender: Input, body: ArrivingBody, started: float
    ) -> None:
        super().__init__(body, ingest.limits, started)
        self._ingest = ingest
        self._exchange = exchange
        self._route = route
        self._sender = sender

    def use(self, body: bytes) -> None:
        self._route.use(body, self._sender, self._done)

    def refuse(self, error: Exception) -> None:
        self._ingest.refuse(self._exchange, error, self._route.name, self._started, self._sender)

    def on_left(self) -> None:
        self._ingest.observer.left(self._route.name)

    def _done(self, _acceptance: Acceptance | None, error: Exception | None) -> None:
        if error is not None:
            self.fail(error)
            return
        self._body.release()
        status, body = self._route.answer()
        headers = (JSON,) if body else ()
        self._ingest.answer(self._exchange, status, headers, body, self._route.name, "", self._started)


def _is_senders_path(path: str) -> bool:
    if path.startswith("//"):
        path = without_extra_slashes(path)
    # Below /v2/JS/ is a route of browsers.
    return path.startswith(SENDERS_PREFIXES) and not path.startswith("/v2/JS/")


def _not_post() -> Refusal:
    headers = ((b"allow", b"POST"),)
    return Refusal(405, "METHOD_NOT_ALLOWED", "method not allowed; use POST", reason="method", headers=headers)


def _accepted() -> tuple[int, bytes]:
    return 202, b""


def _firehose_answer() -> tuple[int, bytes]:
    response = {
        "type": "event_processing_response",
        "id": str(uuid.uuid4()),
        "timestamp_ms": time.time_ns() // 1_000_000,
        "firehose_version": _FIREHOSE_VERSION,
    }
    return 200, msgspec.json.encode(response)


def _decoded(credentials: bytes) -> str:
    try:
        return base64.b64decode(credentials.strip()).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
