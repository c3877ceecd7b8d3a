"""HTTP/1.1 on one connection: uvicorn's protocol, with a bound on every size and time that it leaves open.

An application is called when a request's headers are complete. Until then, and between two requests, only this file
and `HttpConnections` decide how much is kept and how long is waited.
"""

import asyncio
import math
from typing import Any, Final

import httptools
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.http_limits import CloseReason
from tiktok_forwarder.web.refusals import MALFORMED, Refusal, Refusals

# Received bytes are parsed in parts, so that the rest can wait while a request that was pipelined before it runs: a
# read of 256 kB may contain 14,000 requests, whose state in memory is a hundred times as large.
_PART_BYTES: Final = 2048
# A peer has this long to read an answer; then a refused one may send this much more, so that it reads why.
_ANSWER_SECONDS: Final = 30.0
_LINGER_SECONDS: Final = 2.0
_MAX_DROPPED_BYTES: Final = 1024 * 1024
_NEVER: Final = math.inf


class _RefusedError(Exception):
    """Ends the parser's run inside a callback."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A refused one is answered, in the order of its requests, and read no further."""

    def __init__(
        self,
        http_connections: HttpConnections,
        refusals: Refusals,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._http_connections = http_connections
        self._limits = http_connections.limits
        self._refusals = refusals
        self.address = ""
        self.deadline = _NEVER
        self._is_in_headers = False
        self._is_in_body = False
        self._unanswered = 0
        self._header_bytes_left = 0
        self._headers_left = 0
        # Bytes since the parser last reported something: an unfinished header, or padding.
        self._unseen_bytes = 0
        # Received, and not parsed as long as pipelined requests are waiting.
        self._unparsed = b""
        self._refusal: Refusal | None = None
        self._dropped_bytes = 0

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self.deadline = self.loop.time() + self._limits.header_timeout_seconds
        if not self._http_connections.admit(self):
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._http_connections.remove(self)
        self.pipeline.clear()
        self._unparsed = b""
        super().connection_lost(exc)

    def abort(self) -> None:
        self.transport.abort()

    def on_deadline(self) -> None:
        if self._refusal is not None and not self._unanswered:
            self.abort()
        elif self.flow.write_paused or self.transport.is_closing():
            self._close_for("unread_answer")
        elif self._is_in_headers:
            self._on_headers_late()
        elif self._is_in_body:
            self._close_for("body_timeout_seconds")
        else:
            self._close_for("keep_alive_seconds" if self.cycle is not None else "header_timeout_seconds")

    def _on_headers_late(self) -> None:
        if self._unparsed:
            # They have arrived, and wait here for earlier requests.
            self._renew_deadline()
        else:
            self._refuse(self._refusals.header_time)

    def _close_for(self, reason: CloseReason) -> None:
        self._http_connections.on_closed(reason)
        self.abort()

    def give_up_unfinished(self) -> None:
        if self._is_in_body and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.deadline = self.loop.time() + _ANSWER_SECONDS

    def resume_writing(self) -> None:
        super().resume_writing()
        self._renew_deadline()

    def _renew_deadline(self) -> None:
        """Start the time of what is waited for now, unless the peer has an answer to read first."""
        if self.flow.write_paused:
            return
        limits = self._limits
        if self._is_in_headers:
            seconds = limits.header_timeout_seconds
        elif self._unanswered:
            seconds = _NEVER
        else:
            seconds = limits.body_timeout_seconds if self._is_in_body else limits.keep_alive_seconds
        self.deadline = self.loop.time() + seconds

    # --- what is received ---

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            self._drop(data)
        elif self._unparsed or self.pipeline or len(data) > _PART_BYTES:
            self._parse_in_parts(self._unparsed + data)
        else:
            self._parse(data)

    def _parse_in_parts(self, data: bytes) -> None:
        self._unparsed = b""
        view = memoryview(data)
        for start in range(0, len(data), _PART_BYTES):
            if self.pipeline:
                self._unparsed = bytes(view[start:])
                self.flow.pause_reading()
                return
            self._parse(view[start : start + _PART_BYTES])
            if self._refusal is not None:
                return

    def _parse(self, data: bytes | memoryview) -> None:
        self._unseen_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # The request is answered as if it had not asked for another protocol.
        except httptools.HttpParserError as error:
            reached = error.__context__
            self._refuse(reached.args[0] if isinstance(reached, _RefusedError) else MALFORMED)
            return
        if self._unseen_bytes > self._limits.max_header_bytes:
            self._refuse(self._refusals.header_bytes)

    def _drop(self, data: bytes) -> None:
        """Discard what a refused peer still sends: a socket closed with unread bytes would destroy the answer."""
        self._dropped_bytes += len(data)
        if self._dropped_bytes > _MAX_DROPPED_BYTES:
            self.abort()

    # --- callbacks of the parser ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._unseen_bytes = 0
        self._header_bytes_left = self._limits.max_header_bytes
        self._headers_left = self._limits.max_headers
        self._is_in_headers = True
        if self.cycle is not None:  # the first headers have their time since the connection was opened
            self._renew_deadline()

    def on_url(self, url: bytes) -> None:
        self._unseen_bytes = 0
        self.url += url
        if len(self.url) > self._limits.max_request_line_bytes:
            raise _RefusedError(self._refusals.request_line)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._unseen_bytes = 0
        self._header_bytes_left -= len(name) + len(value) + 4
        if self._header_bytes_left < 0:
            raise _RefusedError(self._refusals.header_bytes)
        self._headers_left -= 1
        if self._headers_left < 0:
            raise _RefusedError(self._refusals.headers)
        # After the body they are trailer fields, which could replace headers that were checked before.
        if not self._is_in_headers:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._is_in_headers = False
        self._is_in_body = True
        self._unanswered += 1
        self._renew_deadline()
        self._http_connections.on_busy(self)

    def on_body(self, body: bytes) -> None:
        self._unseen_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unseen_bytes = 0
        self._is_in_body = False
        super().on_message_complete()
        if not self._unanswered:
            self._wait_for_request()

    # --- answers ---

    def on_response_complete(self) -> None:
        """Continue with what was received meanwhile. Replaces uvicorn's, which has a timer for each idle connection."""
        self.server_state.total_requests += 1
        self._unanswered -= 1
        if self.transport.is_closing():
            self.deadline = self.loop.time() + _ANSWER_SECONDS
            return
        if self.pipeline:
            cycle, application = self.pipeline.pop()
            self._start_asgi_task(cycle, application)
        elif self._refusal is not None:
            self._answer_refusal(self._refusal)
        if not self.pipeline:
            # The end of the request that runs now may be among it.
            self._parse_in_parts(self._unparsed)
        if not self.pipeline and not self._unparsed:
            self.flow.resume_reading()
        if not self._unanswered and self._refusal is None:
            self._wait_for_request()

    def _wait_for_request(self) -> None:
        self._http_connections.on_waiting(self)
        if not self._is_in_headers:
            self._renew_deadline()

    def _refuse(self, refusal: Refusal) -> None:
        """Read no further; answer with the refusal after the requests that were complete before."""
        self._http_connections.on_closed(refusal.reason)
        self._refusal = refusal
        self._unparsed = b""
        self.deadline = _NEVER
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
        self.deadline = self.loop.time() + _LINGER_SECONDS
        self.transport.write(refusal.answer)
        if self.transport.can_write_eof():
            self.transport.write_eof()
