"""Every step of a script as it looks to the other side of the connection."""

import asyncio
import base64
import gzip
import json
import time
from collections.abc import Awaitable, Callable

import pytest

from tests.integration.sandbox_client import SandboxClient, bare_connection, request_bytes, sandbox_client
from tests.patience import wait_until
from tests.unit.tiktok_sandbox.requests import (
    EVENT_TRACK,
    PIXEL_BATCH,
    event_1_0,
    event_2_0,
    event_track,
    pixel_batch,
)
from tiktok_sandbox import Code, Drip, Endless, Http, Pass, Reset, SandboxOptions, Silence, Wire
from tiktok_sandbox.steps import AnyStep

BODY = event_track(event_2_0())


async def test_a_code_with_all_its_parts() -> None:
    """Message, status, data and headers as scripted."""
    step = Code(
        code=20001,
        message="Partially successful",
        status=400,
        data={"partial_failure": True, "failed_events": [{"order_in_batch": 1, "error": "bad"}]},
        headers={"Retry-After": "7"},
    )
    async with sandbox_client() as client:
        client.sandbox.script.for_requests(step)
        status, headers, body = await client.post(PIXEL_BATCH, pixel_batch(event_1_0(), event_1_0(event_id="e-2")))
        answer = json.loads(body)
        assert (status, headers["Retry-After"], answer["code"], answer["data"]) == (400, "7", 20001, step.data)
        assert client.sandbox.counts().delivered == 1


@pytest.mark.parametrize(
    ("step", "status", "body"),
    [
        (Http(status=502, body="<html>Bad Gateway</html>"), 502, b"<html>Bad Gateway</html>"),
        (Http(body='{"code": 0, "mess', content_type="application/json"), 200, b'{"code": 0, "mess'),
        (Http(body='{"code": "0"}', content_type="application/json"), 200, b'{"code": "0"}'),
        (Http(body_base64=base64.b64encode(b"\x00\xff\xfe").decode()), 200, b"\x00\xff\xfe"),
        (Http(body="12345", repeat=1_000_000), 200, b"12345" * 1_000_000),
        (Http(status=204), 204, b""),
        (Http(status=307, headers={"Location": "http://127.0.0.1:1/"}), 307, b""),
        (Http(status=503, headers={"Retry-After": "garbage"}), 503, b""),
    ],
)
async def test_an_http_answer_of_any_kind(step: Http, status: int, body: bytes) -> None:
    """Status, headers and body as scripted; the events count as unanswered, and were not taken."""
    async with sandbox_client() as client:
        client.sandbox.script.for_requests(step)
        answer = await client.post(EVENT_TRACK, BODY)
        assert (answer[0], answer[2]) == (status, body)
        assert step.headers.items() <= answer[1].items()
        if body:
            assert answer[1]["Content-Type"] == step.content_type
        assert client.sandbox.counts().unanswered == 1
        assert await client.send_events("e-1") == 0
        assert client.sandbox.counts().duplicates == 0


async def test_a_gzip_bomb_is_small_on_the_wire() -> None:
    """A thousand times larger when it is opened."""
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_requests(Http(body=" " * 1000, repeat=4000, gzip=True))
        await connection.send(b"".join(request_bytes("a")).replace(b"Host:", b"Connection: close\r\nHost:"))
        head, _, body = (await connection.read_to_end()).partition(b"\r\n\r\n")
        assert b"Content-Encoding: gzip" in head
        assert len(body) < 10_000
        assert gzip.decompress(body) == b" " * 4_000_000


async def test_bytes_on_the_wire_as_they_stand() -> None:
    """Nothing is added, and the connection is closed after them."""
    text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_requests(Wire(text=text))
        await connection.send(b"".join(request_bytes("a")))
        assert await connection.read_to_end() == text.encode()


async def test_a_delay_holds_the_answer_back_but_not_the_record() -> None:
    """The event is on record at once; the answer comes after the time that was asked for."""
    async with sandbox_client() as client:
        client.sandbox.script.for_requests(Pass(delay_seconds=0.15))
        started = time.monotonic()
        sending = asyncio.create_task(client.send_events("a"))
        await wait_until(lambda: bool(client.sandbox.events()))
        assert not sending.done()
        assert await sending == 0
        assert time.monotonic() - started >= 0.15


async def test_silence_leaves_the_connection_open_and_ends_with_it() -> None:
    """No byte comes; the event was taken all the same."""
    async with sandbox_client() as client:
        client.sandbox.script.for_requests(Silence())
        async with bare_connection(client.sandbox.url) as connection:
            await connection.send(b"".join(request_bytes("a")))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.reader.read(1), 0.1)
        assert await client.send_events("a") == 0
        assert [event.duplicate for event in client.sandbox.events()] == [False, False]
        assert client.sandbox.counts().unanswered == 1


async def _events_after_reset(client: SandboxClient, send: Callable[[], Awaitable[bytes]]) -> int:
    with pytest.raises(ConnectionResetError):
        await send()
    return len(client.sandbox.events())


async def test_a_reset_before_the_body_knows_no_events() -> None:
    """It strikes while the body is still awaited."""
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_requests(Reset(when="before_body"))
        await connection.send(request_bytes("a")[0])
        assert await _events_after_reset(client, connection.read_to_end) == 0
        (request,) = client.sandbox.requests()
        assert (request.scripted, request.code, request.status) == ("reset", None, None)


async def test_a_reset_after_the_body_has_taken_the_events() -> None:
    """Without a byte of an answer."""
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_requests(Reset())
        await connection.send(b"".join(request_bytes("a", "b")))
        assert await _events_after_reset(client, connection.read_to_end) == 2


async def test_a_reset_in_mid_answer_comes_after_some_of_it() -> None:
    """The head says more than the body keeps."""
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_requests(Reset(when="mid_answer"))
        await connection.send(b"".join(request_bytes("a")))
        head = await connection.reader.readuntil(b"\r\n\r\n")
        part = await connection.reader.readexactly(10)
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert part == b'{"code":0,'
        assert await _events_after_reset(client, connection.read_to_end) == 1


@pytest.mark.parametrize(("part", "first"), [("body", b"{"), ("head", b"H")])
async def test_a_dripping_answer_comes_byte_by_byte(part: str, first: bytes) -> None:
    """From its first byte on, or after its head; at its end it is a whole success."""
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_requests(Drip(interval_seconds=0.001, part="head" if part == "head" else "body"))
        await connection.send(b"".join(request_bytes("a")))
        if part == "body":
            await connection.reader.readuntil(b"\r\n\r\n")
        assert await connection.reader.read(2) == first
        rest = first + await connection.read_to_end()
        assert json.loads(rest[rest.index(b"{") :])["code"] == 0


async def test_an_endless_answer_goes_on_until_the_reader_leaves() -> None:
    """Chunk after chunk, far beyond any answer of TikTok's."""
    async with sandbox_client() as client:
        client.sandbox.script.for_requests(Endless(interval_seconds=0.0))
        async with bare_connection(client.sandbox.url) as connection:
            await connection.send(b"".join(request_bytes("a")))
            assert b"chunked" in await connection.reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(5):
                await connection.reader.readexactly(50_000)


@pytest.mark.parametrize("step", [Silence(), Endless(), Drip(interval_seconds=60), Pass(delay_seconds=60)])
async def test_no_step_keeps_the_sandbox_from_stopping(step: AnyStep) -> None:
    """Whatever is still being answered is broken off."""
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_requests(step)
        await connection.send(b"".join(request_bytes("a")))
        await wait_until(lambda: bool(client.sandbox.events()))
        async with asyncio.timeout(2):
            await client.sandbox.stop()


async def test_other_requests_are_answered_meanwhile() -> None:
    """One silent request is no trouble for its neighbours."""
    async with sandbox_client() as client, bare_connection(client.sandbox.url) as connection:
        client.sandbox.script.for_event("a", Silence(times=None))
        await connection.send(b"".join(request_bytes("a")))
        await wait_until(lambda: bool(client.sandbox.events()))
        assert await client.send_events("b") == 0


async def test_a_sender_that_repeats_a_final_answer_is_at_fault() -> None:
    """Only while the sandbox watches for it."""
    async with sandbox_client(SandboxOptions(watch_repeats=True)) as client:
        client.sandbox.script.for_event("a", Code(code=50000))
        assert [await client.send_events("a"), await client.send_events("b")] == [50000, 0]
        assert client.sandbox.faults() == []
        await client.send_events("a", "b")
        assert client.sandbox.faults() == [
            "event b was sent again after its final answer 0",
            "event a was sent more often than scripted",
        ]
        assert client.sandbox.counts().faults == 2
        client.sandbox.clear()
        await client.send_events("b")
        assert client.sandbox.faults() == []
