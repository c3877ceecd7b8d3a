"""One request and its answer without ASGI, for routes that every event passes: no task, no future and no timer each."""

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

Header = tuple[bytes, bytes]

_NO_CONTENT: Final = 204  # has no length either
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = (b"connection", b"close")


class Exchange(Protocol):
    """A request whose headers are complete, and the only way to answer it. The names of headers are in lower case."""

    @property
    def method(self) -> str: ...

    @property
    def path(self) -> str: ...

    @property
    def headers(self) -> Sequence[Header]: ...

    @property
    def peer(self) -> tuple[str, int] | None: ...

    def proceed(self) -> None:
        """Have the body sent, if the sender waits to be asked for it (`Expect: 100-continue`)."""
        ...

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer, at once or later. `headers` need no length. Nothing is sent if the peer has left."""
        ...


class Handler(Protocol):
    """Handles one request. Its methods raise nothing, and none is called after the answer."""

    def receive(self, part: bytes) -> None:
        """A part of the body has arrived."""
        ...

    def end(self) -> None:
        """The body has arrived whole."""
        ...

    def leave(self) -> None:
        """The peer has left before the body was whole: no one waits for an answer."""
        ...

    def wait(self, now: float) -> None:
        """The body is not whole at this monotonic time. Called about once a second."""
        ...


class DirectRoutes(Protocol):
    """Routes that are served without ASGI."""

    def handles(self, path: str) -> bool: ...

    def begin(self, exchange: Exchange) -> Handler | None:
        """Return the handler of a request, None if it is answered already. Raises nothing."""
        ...


class DirectExchange:
    """The exchange on a connection. It stands where uvicorn has its cycle, with those members that uvicorn uses."""

    __slots__ = (
        "_connection",
        "_early",
        "_expects_continue",
        "_handler",
        "_is_whole",
        "_routes",
        "disconnected",
        "headers",
        "keep_alive",
        "method",
        "path",
        "peer",
        "response_complete",
    )

    def __init__(self, connection: HttpToolsProtocol, routes: DirectRoutes, path: str) -> None:
        parser = connection.parser
        self.method: str = parser.get_method().decode("ascii")
        self.path = path
        self.headers: Sequence[Header] = connection.headers
        self.peer = connection.client
        self.keep_alive: bool = parser.get_http_version() == "1.1" and parser.should_keep_alive()
        self.response_complete = False
        self.disconnected = False
        self._connection = connection
        self._routes = routes
        self._handler: Handler | None = None
        self._expects_continue = connection.expect_100_continue
        # What arrived before its turn: while the answers to earlier requests of the connection are not written.
        self._early = b""
        self._is_whole = False

    # --- what arrives ---

    def begin(self) -> None:
        """Handle the request: it is its turn."""
        self._handler = handler = self._routes.begin(self)
        if handler is None:
            return
        if self._early:
            handler.receive(self._early)
        if self._is_whole and not self.response_complete:
            handler.end()

    def receive(self, part: bytes) -> None:
        if self._handler is not None:
            self._handler.receive(part)
        else:
            self._early += part

    def end(self) -> None:
        self._is_whole = True
        if self._handler is not None:
            self._handler.end()

    def on_sweep(self) -> None:
        if self._handler is not None and not self._is_whole and not self.response_complete:
            self._handler.wait(time.monotonic())

    # --- what is answered ---

    def proceed(self) -> None:
        if self._expects_continue and not self._connection.transport.is_closing():
            self._connection.transport.write(_CONTINUE)

    def answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        self.response_complete = True
        # The handler knows the exchange: a cycle would keep both until garbage is searched for.
        self._handler = None
        if self.disconnected:
            return
        connection = self._connection
        if not connection.transport.is_closing():
            if _CLOSE in headers:
                self.keep_alive = False
            elif not self.keep_alive:
                headers = (*headers, _CLOSE)
            length = None if status == _NO_CONTENT else len(body)
            head = _head(status, tuple(connection.server_state.default_headers), length, tuple(headers))
            connection.transport.write(head if self.method == "HEAD" else head + body)
            if not self.keep_alive:
                connection.transport.close()
        connection.on_response_complete()

    # --- uvicorn's names ---

    @property
    def response_started(self) -> bool:
        return self.response_complete

    @property
    def message_event(self) -> "DirectExchange":
        return self

    def set(self) -> None:
        """Look at the state that uvicorn has changed: whether the peer has left."""
        if self.disconnected and self._handler is not None and not self._is_whole and not self.response_complete:
            handler, self._handler = self._handler, None
            handler.leave()


@lru_cache(128)
def _head(status: int, standing: tuple[Header, ...], length: int | None, own: tuple[Header, ...]) -> bytes:
    """Return an answer up to its body. Most are the same within one second, the unit of the Date header."""
    counted = ((b"content-length", b"%d" % length),) if length is not None else ()
    lines = [b"%s: %s\r\n" % header for header in (*standing, *counted, *own)]
    return b"".join([STATUS_LINE[status], *lines, b"\r\n"])
