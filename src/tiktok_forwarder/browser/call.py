"""One request of a browser: its answer, which a page of another origin can always read, and the use of its body."""

import time
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from tiktok_forwarder.browser.answers import identity_answer, modify_answer
from tiktok_forwarder.browser.cors import ANY_ORIGIN
from tiktok_forwarder.browser.mpids import Mpids
from tiktok_forwarder.browser.paths import Place, RouteKind
from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.intake.accept import Acceptance, Acceptor, Visitor
from tiktok_forwarder.intake.refusals import JSON, Refusal, later, refusal_of
from tiktok_forwarder.web.body import ArrivingBody, BodyLimits
from tiktok_forwarder.web.body_handler import BodyHandler
from tiktok_forwarder.web.exchange import Exchange, Header
from tiktok_forwarder.web.guard import INTERNAL_ERROR, FaultObserver

_UNKNOWN: Final = Place("discarded", "unknown")
_IDENTITY_KINDS: Final[tuple[RouteKind, ...]] = ("identity", "modify", "search")
# How long the SDK may reuse an answer, in seconds; it can read only a header that is exposed.
_IDENTITY_HEADERS: Final = (
    JSON,
    (b"cache-control", b"no-store"),
    (b"x-mp-max-age", b"86400"),
    (b"access-control-expose-headers", b"X-MP-Max-Age"),
)


class BrowserObserver(FaultObserver, Protocol):
    """Receives every request, for metrics. `input_name` is empty if the request names no known input."""

    def on_browser_answered(self, route: str, input_name: str, status: int, reason: str, seconds: float) -> None:
        """`reason` is a short name of why the request was refused, or its body not read; empty if there is none."""
        ...

    def on_browser_left(self, route: str, input_name: str) -> None:
        """The browser closed the connection before its request was complete."""
        ...


class BrowserCall:
    """What is known about a request so far, and the only way to answer it: each answer has the headers of CORS."""

    __slots__ = ("_exchange", "_observer", "cors", "input_name", "place", "started")

    def __init__(self, exchange: Exchange, observer: BrowserObserver) -> None:
        self._exchange = exchange
        self._observer = observer
        self.started = time.monotonic()
        self.place = _UNKNOWN
        self.input_name = ""
        self.cors = ANY_ORIGIN

    def answer(self, status: int, headers: tuple[Header, ...] = (), body: bytes = b"", reason: str = "") -> None:
        self._exchange.answer(status, (*self.cors, *headers), body)
        seconds = time.monotonic() - self.started
        self._observer.on_browser_answered(self.place.route, self.input_name, status, reason, seconds)

    def refuse(self, error: Exception) -> None:
        """Answer with an error, which may be internal."""
        refusal = refusal_of(error)
        if refusal is None:
            self._observer.on_internal_error(error)
            self.answer(500, (JSON,), INTERNAL_ERROR, "internal")
            return
        if self.place.kind == "events" and refusal.status == HTTPStatus.BAD_REQUEST:
            # The SDK repeats forever what is answered with 400, and the batches after it wait.
            self.answer(202, reason=refusal.reason)
            return
        if self.place.kind == "events" and refusal.status == HTTPStatus.REQUEST_TIMEOUT:
            # The SDK drops what is answered with 408, and repeats this.
            put_off = later(str(refusal), refusal.reason)
            put_off.headers += refusal.headers
            refusal = put_off
        self.answer(refusal.status, (JSON, *refusal.headers), self._encoded(refusal), refusal.reason)

    def leave(self) -> None:
        self._observer.on_browser_left(self.place.route, self.input_name)

    def _encoded(self, refusal: Refusal) -> bytes:
        if self.place.kind not in _IDENTITY_KINDS:
            return refusal.encoded()
        # As mParticle's Identity API spells it.
        return msgspec.json.encode({"Errors": [{"code": refusal.code, "message": str(refusal)}]})


class EventsRequest(BodyHandler):
    """A request with events, which are mapped as events of the visitor that the service sees."""

    __slots__ = ("_acceptor", "_call", "_sender", "_visitor")

    def __init__(
        self,
        call: BrowserCall,
        sender: Input,
        body: ArrivingBody,
        limits: BodyLimits,
        acceptor: Acceptor,
        visitor: Visitor,
    ) -> None:
        super().__init__(body, limits, call.started)
        self._call = call
        self._sender = sender
        self._acceptor = acceptor
        self._visitor = visitor

    def use(self, body: bytes) -> None:
        self._acceptor.accept_soon(body, self._sender, self._done, visitor=self._visitor)

    def refuse(self, error: Exception) -> None:
        self._call.refuse(error)

    def on_left(self) -> None:
        self._call.leave()

    def _done(self, _acceptance: Acceptance | None, error: Exception | None) -> None:
        if error is not None:
            self.fail(error)
            return
        self._body.release()
        self._call.answer(202)


class IdentityRequest(BodyHandler):
    """A request for who the visitor is. Nothing of its body is kept, and no store is asked."""

    __slots__ = ("_call", "_mpids", "_sender")

    def __init__(self, call: BrowserCall, sender: Input, body: ArrivingBody, limits: BodyLimits, mpids: Mpids) -> None:
        super().__init__(body, limits, call.started)
        self._call = call
        self._sender = sender
        self._mpids = mpids

    def use(self, body: bytes) -> None:
        place = self._call.place
        if place.kind == "modify":
            answer = modify_answer(place.mpid)
        else:
            answer = identity_answer(self._mpids, self._sender, body, is_login=place.route.endswith("/login"))
        self._body.release()
        self._call.answer(200, _IDENTITY_HEADERS, answer)

    def refuse(self, error: Exception) -> None:
        self._call.refuse(error)

    def on_left(self) -> None:
        self._call.leave()
