"""Traces requests from senders and browsers, from complete headers to the answer, around the routes that serve them.

Stages: `parse` begins when the body has arrived, `map` when it is parsed, `append` when its events go to the store.
A request whose sender leaves before the answer has no trace.
"""

import re
from collections.abc import Sequence
from typing import Final

from tiktok_forwarder.otlp.recording import Recorder, RemoteParent, Trace
from tiktok_forwarder.web.exchange import DirectRoutes, Exchange, Handler, Header

# A W3C trace context: version, trace ID, span ID and flags. IDs of zeros are invalid.
_TRACEPARENT: Final = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}")


class TracedRoutes:
    """Routes, of whose requests a sample is traced.

    `has_senders`: a request that these routes accept is from an authenticated sender, whose own trace it joins.
    """

    def __init__(self, routes: DirectRoutes, recorder: Recorder, *, has_senders: bool) -> None:
        self._routes = routes
        self._recorder = recorder
        self._has_senders = has_senders

    def handles(self, path: str) -> bool:
        return self._routes.handles(path)

    def begin(self, exchange: Exchange) -> Handler | None:
        if not self._recorder.is_sampled():
            return self._routes.begin(exchange)
        trace = self._recorder.begin(exchange.method, "server")
        handler = self._routes.begin(_TracedExchange(exchange, trace, self._recorder))
        if handler is None:
            return None
        if self._has_senders:
            trace.parent = find_parent(exchange.headers)
        return _TracedHandler(handler, trace, self._recorder)


class _TracedExchange:
    """An exchange whose answer ends a trace."""

    __slots__ = ("_exchange", "_recorder", "_trace")

    def __init__(self, exchange: Exchange, trace: Trace, recorder: Recorder) -> None:
        self._exchange = exchange
        self._trace = trace
        self._recorder = recorder

    @property
    def method(self) -> str:
        return self._exchange.method

    @property
    def path(self) -> str:
        return self._exchange.path

    @property
    def headers(self) -> Sequence[Header]:
        return self._exchange.headers

    @property
    def peer(self) -> tuple[str, int] | None:
        return self._exchange.peer

    def proceed(self) -> None:
        self._exchange.proceed()

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        # The next request of the connection may begin within the call, and be answered.
        self._recorder.current = None
        self._exchange.answer(status, headers, body)
        # The answer is reported next, with its route and reason: nothing else can come in between.
        self._recorder.answered = self._trace


class _TracedHandler:
    """A handler whose work on the whole body is recorded."""

    __slots__ = ("_handler", "_recorder", "_trace")

    def __init__(self, handler: Handler, trace: Trace, recorder: Recorder) -> None:
        self._handler = handler
        self._trace = trace
        self._recorder = recorder

    def receive(self, part: bytes) -> None:
        self._handler.receive(part)

    def end(self) -> None:
        self._trace.begin("parse")
        self._recorder.current = self._trace
        self._handler.end()
        self._recorder.current = None

    def leave(self) -> None:
        self._handler.leave()

    def wait(self, now: float) -> None:
        self._handler.wait(now)


def find_parent(headers: Sequence[Header]) -> RemoteParent | None:
    """Return the sender's span by the header `traceparent`; None if it is missing or invalid.

    Its flags are ignored, since the sample is this service's own, and so is `tracestate`, which may contain anything.
    """
    for name, value in headers:
        if name == b"traceparent" and (found := _TRACEPARENT.fullmatch(value.strip())):
            return RemoteParent(int(found[1], 16), int(found[2], 16))
    return None
