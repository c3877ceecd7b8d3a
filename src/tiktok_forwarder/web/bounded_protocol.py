"""HTTP/1.1 on one connection: uvicorn's protocol, with a bound on every size and time that it leaves open.

A route or an application is called when a request's headers are complete. Until then, and between two requests, only
this file and `HttpConnections` decide how much is kept and how long is waited. Each request passes here, so it costs
only a few assignments: sizes are counted by received parts and computed exactly when those could exceed a limit, times
are noticed by a sweep of all connections.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tiktok_forwarder.web.exchange import DirectExchange, DirectRoutes
from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.http_limits import CloseReason
from tiktok_forwarder.web.refusals import MALFORMED, UPGRADE_WITH_BODY, Refusal, Refusals

# Received bytes are parsed in parts, so that the rest can wait while a request that was pipelined before it runs: a
# read of 256 kB may contain 14,000 requests, whose state in memory is a hundred times as large.
_PART_BYTES: Final = 4096
_MAX_BEGUN: Final = 100
# A peer has this long to read an answer; a refused one may send this much more, so that it reads why.
_ANSWER_SECONDS: Final = 30.0
_LINGER_SECONDS: Final = 2.0
_MAX_DROPPED_BYTES: Final = 1024 * 1024
# A name, a colon, a space, a value and the end of the line.
_HEADER_PUNCTUATION_BYTES: Final = 4
_FRAMING_HEADERS: Final = (b"content-length", b"transfer-encoding")


class _RefusedError(Exception):
    """Ends the parser's run inside a callback, with the refusal as its argument."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A refused one is answered, in the order of its requests, and read no further."""

    def __init__(
        self,
        http_connections: HttpConnections,
        refusals: Refusals,
        routes: Sequence[DirectRoutes] = (),
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._http_connections = http_connections
        self._limits = limits = http_connections.limits
        self._refusals = refusals
        self._routes = routes
        self._least_limit_bytes = min(limits.max_request_line_bytes, limits.max_header_bytes) - _PART_BYTES
        self.address = ""
        self._is_in_headers = False
        self._is_in_body = False
        self._body_bytes = 0
        self._unanswered = 0
        # Requests that have begun since other connections had their turn.
        self._begun = 0
        self._awaits_turn = False
        # Bytes of headers, of trailer fields or of padding: those received since a request or a part of a body began.
        self._overhead_bytes = 0
        # Received, and not parsed as long as pipelined requests are waiting.
        self._unparsed = b""
        # The peer does not read its answers: the next request waits.
        self._is_held = False
        self._is_continuing = False
        self._refusal: Refusal | None = None
        self._is_refused = False
        self._dropped_bytes = 0
        # What is waited for changes with each step; a sweep compares it with the last one.
        self._step = 0
        self._swept_step = 0
        self._waiting_since = 0.0

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._waiting_since = self.loop.time()
        if not self._http_connections.admit(self):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._http_connections.remove(self)
        self.pipeline.clear()
        self._unparsed = b""
        super().connection_lost(exc)

    @property
    def is_busy(self) -> bool:
        return self._unanswered > 0

    def abort(self) -> None:
        self.transport.abort()

    def give_up_unfinished(self) -> None:
        if self._is_in_body and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.abort()

    # --- times ---

    def on_sweep(self, now: float) -> None:
        cycle: Any = self.cycle
        if isinstance(cycle, DirectExchange):
            cycle.on_sweep()
        if self._step != self._swept_step:
            self._swept_step, self._waiting_since = self._step, now
            return
        seconds, reason = self._wait()
        if now - self._waiting_since < seconds:
            return
        if reason == "header_timeout_seconds" and self._is_in_headers:
            self._refuse(self._refusals.header_time)
            return
        if reason is not None:
            self._http_connections.on_closed(reason)
        self.abort()

    def _wait(self) -> tuple[float, CloseReason | None]:
        """Return how long may be waited for what is waited for now, and the reason to close the connection then."""
        limits = self._limits
        wait: tuple[float, CloseReason | None] = (limits.keep_alive_seconds, "keep_alive_seconds")
        if self._refusal is not None and not self._unanswered:
            wait = (_LINGER_SECONDS, None)
        elif self.flow.write_paused or self.transport.is_closing():
            wait = (_ANSWER_SECONDS, "unread_answer")
        elif self._unparsed:
            wait = (math.inf, None)
        elif not self._step or (self._is_in_headers and self._refusal is None):
            wait = (limits.header_timeout_seconds, "header_timeout_seconds")
        elif self._unanswered:
            wait = (math.inf, None)
        elif self._is_in_body:
            wait = (limits.body_timeout_seconds, "body_timeout_seconds")
        return wait

    def pause_writing(self) -> None:
        super().pause_writing()
        self._step += 1

    def resume_writing(self) -> None:
        super().resume_writing()
        self._step += 1
        if self._is_held:
            self._is_held = False
            self._continue()

    # --- what is received ---

    def data_received(self, data: bytes) -> None:
        self._begun = 0
        if self._refusal is not None:
            self._drop(data)
        elif self._unparsed or self.pipeline or len(data) > _PART_BYTES:
            self._parse_in_parts(self._unparsed + data)
        else:
            self._parse(data)

    def _parse_in_parts(self, data: bytes) -> None:
        self._unparsed = b""
        view = memoryview(data)
        start = 0
        while start < len(data):
            if self.pipeline or self._begun >= _MAX_BEGUN:
                self._unparsed = bytes(view[start:])
                self._wait_for_turn()
                return
            end = start + max(_PART_BYTES, self._rest_of_body())
            self._parse(view[start:end])
            if self._refusal is not None:
                return
            start = end

    def _wait_for_turn(self) -> None:
        """Read no more; parse the rest after a pipelined request, or else when other connections had their turn."""
        self.flow.pause_reading()
        if not self.pipeline and not self._awaits_turn:
            self._awaits_turn = True
            self.loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._awaits_turn = False
        self._begun = 0
        self._continue()

    def _rest_of_body(self) -> int:
        """Return how many bytes of the body are missing, in which no request can begin; 0 if its length is unknown."""
        if not self._is_in_body:
            return 0
        length = next((value for name, value in self.headers if name == b"content-length"), b"")
        return int(length) - self._body_bytes if length.isdigit() else 0

    def _parse(self, data: bytes | memoryview) -> None:
        self._overhead_bytes += len(data)
        try:
            self.parser.feed_data(data)
            if self._is_in_headers or self._overhead_bytes > self._least_limit_bytes:
                self._check_overhead()
        except httptools.HttpParserUpgrade:
            pass  # The request is answered as if it had not asked for another protocol.
        except httptools.HttpParserError as error:
            reached = error.__context__
            self._refuse(reached.args[0] if isinstance(reached, _RefusedError) else MALFORMED)
        except _RefusedError as reached:
            self._refuse(reached.args[0])

    def _check_overhead(self) -> None:
        """Check what may be too large: the headers so far, or what has been received without any part of a body."""
        if self._is_in_headers:
            self._check_headers()
        # The parser reports a header when it is complete: until then only the bytes are known.
        if self._overhead_bytes > self._limits.max_header_bytes + self._limits.max_request_line_bytes:
            raise _RefusedError(self._refusals.header_bytes)

    def _check_headers(self) -> None:
        limits = self._limits
        if len(self.url) > limits.max_request_line_bytes:
            raise _RefusedError(self._refusals.request_line)
        if len(self.headers) > limits.max_headers:
            raise _RefusedError(self._refusals.headers)
        size = sum([len(name) + len(value) + _HEADER_PUNCTUATION_BYTES for name, value in self.headers])
        if size > limits.max_header_bytes:
            raise _RefusedError(self._refusals.header_bytes)

    def _drop(self, data: bytes) -> None:
        """Discard what a refused peer still sends: a socket closed with unread bytes would destroy the answer."""
        self._dropped_bytes += len(data)
        if self._dropped_bytes > _MAX_DROPPED_BYTES:
            self.abort()

    # --- callbacks of the parser ---

    def on_message_begin(self) -> None:
        """Begin a request. Without uvicorn's scope, which only applications need."""
        self._begun += 1
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._overhead_bytes = 0
        self._is_in_headers = True
        if self.cycle is not None:  # the first headers have their time since the connection was opened
            self._step += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. After the body it is a trailer field, which could replace a header that was checked before."""
        if not self._is_in_headers:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._overhead_bytes > self._least_limit_bytes or len(self.headers) > self._limits.max_headers:
            self._check_headers()
        if self.parser.should_upgrade() and any(name in _FRAMING_HEADERS for name, _ in self.headers):
            # The parser takes what follows for another protocol, so a body would be read as a request of its own.
            raise _RefusedError(UPGRADE_WITH_BODY)
        path = _path_of(self.url)
        is_its_turn = not self._is_held and (self.cycle is None or self.cycle.response_complete)
        self._is_in_headers = False
        self._is_in_body = True
        self._body_bytes = 0
        self._unanswered += 1
        self._step += 1
        for routes in self._routes:
            if routes.handles(path):
                break
        else:
            self._begin_cycle()
            return
        exchange: Any = DirectExchange(self, routes, path)  # in the place of uvicorn's cycle
        self.cycle = exchange
        if is_its_turn and not self.transport.is_closing():
            exchange.begin()
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))

    def _begin_cycle(self) -> None:
        """Call the application, as uvicorn does, with what has been received since the request began."""
        received = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, headers, self.expect_100_continue = received
        self.headers += headers  # the scope's list
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of the body for the application. As uvicorn's, which also asks for protocols that it upgrades."""
        self._overhead_bytes = 0
        self._body_bytes += len(body)
        cycle: Any = self.cycle
        if cycle.response_complete:
            return
        if isinstance(cycle, DirectExchange):
            cycle.receive(body)
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End the body. As uvicorn's, but for the upgrades."""
        self._overhead_bytes = 0
        self._is_in_body = False
        cycle: Any = self.cycle
        if cycle.response_complete:
            self._step += 1
        elif isinstance(cycle, DirectExchange):
            cycle.end()
        else:
            cycle.more_body = False
            cycle.message_event.set()

    # --- answers ---

    def on_response_complete(self) -> None:
        """Continue with what was received meanwhile. Replaces uvicorn's, which has a timer for each idle connection."""
        self.server_state.total_requests += 1
        self._unanswered -= 1
        self._step += 1
        if self.transport.is_closing():
            return
        self._http_connections.on_answered(self)
        self._is_held = self.flow.write_paused
        self._continue()

    def _continue(self) -> None:
        """Begin what was pipelined, one request after the other, and parse what was received meanwhile."""
        if self._is_continuing:
            return
        self._is_continuing = True
        while not self.transport.is_closing():
            is_running = self._unanswered > len(self.pipeline)
            if self.pipeline and not is_running and not self._is_held:
                self._begin_next()
            elif self._refusal is not None and not self._unanswered:
                self._answer_refusal(self._refusal)
                break
            elif self._unparsed and not self.pipeline and self._begun < _MAX_BEGUN:
                # The end of the request that runs now may be among it.
                self._parse_in_parts(self._unparsed)
            else:
                break
        self._is_continuing = False
        if self.transport.is_closing():
            return
        if self._unparsed:
            self._wait_for_turn()
        elif not self.pipeline:
            self.flow.resume_reading()

    def _begin_next(self) -> None:
        cycle: Any
        cycle, application = self.pipeline.pop()
        if isinstance(cycle, DirectExchange):
            cycle.begin()
        else:
            self._start_asgi_task(cycle, application)

    def _refuse(self, refusal: Refusal) -> None:
        """Read no further; answer with the refusal after the requests that were complete before."""
        self._http_connections.on_closed(refusal.reason)
        self._refusal = refusal
        self._unparsed = b""
        self._step += 1
        if self._is_in_body and not self._withdraw_unfinished():
            return
        if not self._unanswered:
            self._answer_refusal(refusal)

    def _withdraw_unfinished(self) -> bool:
        """Take back the request whose body is refused; return whether the refusal can be its answer."""
        cycle = self.cycle
        if cycle.response_complete:
            self.transport.close()
            return False
        self._unanswered -= 1
        if self.pipeline:
            self.pipeline.popleft()
            return True
        cycle.disconnected = True
        cycle.message_event.set()
        if cycle.response_started:
            self.abort()
        return not cycle.response_started

    def _answer_refusal(self, refusal: Refusal) -> None:
        if self._is_refused:
            return
        self._is_refused = True
        self._step += 1
        self.transport.write(refusal.answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()


def _path_of(url: bytes) -> str:
    path: str = httptools.parse_url(url).path.decode("ascii")
    return unquote(path) if "%" in path else path
