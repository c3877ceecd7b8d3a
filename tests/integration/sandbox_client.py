"""A sender to the sandbox: whole requests over aiohttp, and raw bytes over a bare connection."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.unit.tiktok_sandbox.requests import EVENT_TRACK, TOKEN, event_2_0, event_track
from tiktok_sandbox import Sandbox, SandboxOptions


@dataclass
class SandboxClient:
    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def post(
        self, path: str, body: Any, *, token: str | None = TOKEN, content_type: str = "application/json"
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer. A body that is no bytes is written as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": content_type} | ({} if token is None else {"Access-Token": token})
        async with self.session.post(
            self.sandbox.url + path, data=content, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, dict(answer.headers), await answer.read()

    async def send_events(self, *event_ids: str, pixel: str = "P") -> int:
        """The code for a 2.0 request."""
        events = [event_2_0(event_id=event_id) for event_id in event_ids]
        _, _, body = await self.post(EVENT_TRACK, event_track(*events, pixel=pixel))
        code: int = json.loads(body)["code"]
        return code

    async def get(self, path: str) -> Any:
        async with self.session.get(self.sandbox.url + path) as answer:
            assert answer.status == 200
            return await answer.json()


@asynccontextmanager
async def sandbox_client(
    options: SandboxOptions | None = None,
    log_path: Path | None = None,
    now_seconds: Callable[[], float] = time.time,
) -> AsyncIterator[SandboxClient]:
    async with (
        Sandbox(options, log_path=log_path, now_seconds=now_seconds) as sandbox,
        aiohttp.ClientSession() as session,
    ):
        yield SandboxClient(sandbox, session)


def request_bytes(*event_ids: str) -> tuple[bytes, bytes]:
    """Head and body of a 2.0 request."""
    body = json.dumps(event_track(*[event_2_0(event_id=event_id) for event_id in event_ids])).encode()
    head = (
        f"POST {EVENT_TRACK} HTTP/1.1\r\nHost: sandbox\r\nAccess-Token: {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode(), body


class BareConnection:
    """A connection on which every byte, and its end, can be watched."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def read_to_end(self) -> bytes:
        """All that comes before the other side closes. Raises ConnectionResetError after a reset."""
        return await asyncio.wait_for(self.reader.read(), 5)


@asynccontextmanager
async def bare_connection(url: str) -> AsyncIterator[BareConnection]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield BareConnection(reader, writer)
    finally:
        writer.transport.abort()
