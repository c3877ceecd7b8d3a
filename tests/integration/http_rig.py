"""The servers of a service around a small application, to try what happens on a connection before a request runs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.patience import wait_until
from tiktok_forwarder.web.asgi import Receive, Scope, Send
from tiktok_forwarder.web.bounded_protocol import BoundedProtocol
from tiktok_forwarder.web.exchange import Exchange
from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.http_limits import CloseReason, HttpLimits
from tiktok_forwarder.web.server import Servers


@dataclass
class Recorder:
    """The application and the observer: answers with the path, after `go_on` is set if the path is /hold."""

    requests: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = field(default_factory=list)
    closed: list[CloseReason] = field(default_factory=list)
    started: int = 0
    disconnected: int = 0
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    holding: list[asyncio.Task[None]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.started += 1
        body = b""
        more = scope["path"] != "/unread"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == "/hold":
            await self.go_on.wait()
        self.requests.append((scope["path"], list(scope["headers"]), body))
        answer = b"x" * 20_000_000 if scope["path"] == "/large" else scope["path"].encode()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def on_http_connections(self, count: int) -> None: ...

    def on_http_closed(self, reason: CloseReason) -> None:
        self.closed.append(reason)

    def on_http_limits_reached(self, counts: Mapping[CloseReason, int]) -> None: ...


class DirectRecorder:
    """The same as the recorder's application, as routes that are served without ASGI."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def handles(self, path: str) -> bool:
        return path.startswith("/")

    def begin(self, exchange: Exchange) -> "DirectRequest | None":
        self._recorder.started += 1
        request = DirectRequest(self._recorder, exchange)
        if exchange.path == "/unread":
            request.end()
            return None
        exchange.proceed()
        return request


class DirectRequest:
    """One request to the recorder."""

    def __init__(self, recorder: Recorder, exchange: Exchange) -> None:
        self._recorder = recorder
        self._exchange = exchange
        self._body = b""

    def receive(self, part: bytes) -> None:
        self._body += part

    def end(self) -> None:
        if self._exchange.path == "/hold":
            self._recorder.holding.append(asyncio.create_task(self._answer_later()))
        else:
            self._answer()

    def leave(self) -> None:
        self._recorder.disconnected += 1

    def wait(self, now: float) -> None: ...

    async def _answer_later(self) -> None:
        await self._recorder.go_on.wait()
        self._answer()

    def _answer(self) -> None:
        path = self._exchange.path
        self._recorder.requests.append((path, list(self._exchange.headers), self._body))
        self._exchange.answer(200, (), b"x" * 20_000_000 if path == "/large" else path.encode())


@dataclass
class Listening:
    """Servers that listen, with their limits and what they have recorded."""

    servers: Servers
    http_connections: HttpConnections
    recorder: Recorder
    admin_socket: Path
    clients: list["Client"] = field(default_factory=list)

    async def connect(self) -> "Client":
        """Return a new connection, which is closed at the end."""
        client = Client(*await asyncio.open_connection("127.0.0.1", self.servers.port))
        self.clients.append(client)
        return client

    @property
    def protocols(self) -> list[BoundedProtocol]:
        return [each for each in self.http_connections._open if isinstance(each, BoundedProtocol)]

    async def until_closed(self, *reasons: CloseReason) -> None:
        """Wait until connections have been closed for exactly these reasons."""

        async def happened() -> bool:
            return len(self.recorder.closed) >= len(reasons)

        await wait_until(happened, 30)
        assert self.recorder.closed == list(reasons)

    async def until_open(self, count: int) -> None:
        async def happened() -> bool:
            return len(self.http_connections) == count

        await wait_until(happened, 30)


@dataclass
class Client:
    """One connection, byte by byte."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 30)
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        return int(head.split()[1]), await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Return what arrives until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 30)

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@asynccontextmanager
async def listening(folder: Path, *, is_direct: bool = False, **limits: Any) -> AsyncIterator[Listening]:
    """Yield running servers with these limits, all clients exempt from the limit per address; stop them at the end.

    With `is_direct` all paths are routes that are served without ASGI.

    Headers have a minute unless a test is about their time: a busy machine may need more than the usual limit.
    """
    recorder = Recorder()
    http_connections = HttpConnections(HttpLimits(**{"header_timeout_seconds": 60, **limits}), lambda _: True, recorder)
    socket = folder / "admin.sock"
    servers = Servers(
        recorder,
        recorder,
        (DirectRecorder(recorder),) if is_direct else (),
        host="127.0.0.1",
        port=0,
        admin_socket=socket,
        http_connections=http_connections,
    )
    await servers.start()
    started = Listening(servers, http_connections, recorder, socket)
    try:
        yield started
    finally:
        recorder.go_on.set()
        await asyncio.gather(*[client.close() for client in started.clients])
        await servers.stop(1)
