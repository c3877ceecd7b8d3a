"""A server for tests that answers with raw bytes or not at all, as no well-behaved HTTP server would."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """Reads whole requests, keeps them, and lets the next reply do as it likes; the last one is used for ever."""

    replies: list[Reply]
    url: str = ""
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append((head[0], headers, body))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                await reply(writer)
        # A task that is cancelled when the loop ends: Python 3.11 would report it as an error.
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def raw_server(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    raw = RawServer(list(replies))
    server = await asyncio.start_server(raw.converse, "127.0.0.1", 0, ssl=tls)
    raw.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield raw
    finally:
        server.close()


def http(status: int, body: bytes, headers: str = "", *, length: int | None = None) -> Reply:
    """A whole answer; `headers` are lines that end in CR LF."""
    size = len(body) if length is None else length

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} Status\r\nContent-Length: {size}\r\n{headers}\r\n".encode() + body)
        await writer.drain()

    return reply


def raw(content: bytes, *, close: bool = False) -> Reply:
    """Exactly these bytes, and perhaps the end of the connection."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        if close:
            raise ConnectionError

    return reply


async def silence(writer: asyncio.StreamWriter) -> None:
    """Nothing, for longer than anybody waits."""
    await asyncio.sleep(30)


async def reset(writer: asyncio.StreamWriter) -> None:
    """A connection that is reset once the request has been read."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise ConnectionError


async def drip(writer: asyncio.StreamWriter) -> None:
    """A chunked answer that never ends, a byte at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def flood(writer: asyncio.StreamWriter) -> None:
    """A chunked answer that never ends, as fast as it can."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await writer.drain()
