"""Senders that are large, slow, many or gone: each costs itself, and the next one is served."""

import asyncio
import gzip
import http.client
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.service_rig import BASIC, fresh_batch, running_service
from tests.patience import wait_until
from tests.store_choice import without_machine_warnings


def head(length: int, extra: str = "") -> bytes:
    lines = f"POST /v2/events HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC['Authorization']}\r\n{extra}"
    return f"{lines}Content-Length: {length}\r\n\r\n".encode()


async def test_a_sender_of_far_too_much_reads_its_answer(tmp_path: Path) -> None:
    """A client that sends 30 MB before it reads gets its 413, not a connection reset that it would take for a fault."""
    async with running_service(tmp_path, store="memory") as service:

        def send() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
            connection.request("POST", "/v2/events", b" " * 30_000_000, dict(BASIC))
            status = connection.getresponse().status
            connection.close()
            return status

        assert await asyncio.to_thread(send) == 413


async def test_a_stream_without_a_length_is_cut_off(tmp_path: Path) -> None:
    """A chunked body is counted while it arrives."""

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    async with running_service(tmp_path, store="memory") as service:
        assert (await service.post(body=stream())).status == 413


async def test_a_bomb_is_refused_and_others_are_served(tmp_path: Path) -> None:
    """20 bodies of 64 MiB in 64 KB each are refused while valid requests go through beside them."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(bytes(1024 * 1024)) for _ in range(64)) + packer.flush()
    async with running_service(tmp_path, store="memory") as service:
        packed = {**BASIC, "Content-Encoding": "gzip"}
        bombs = [service.post(body=bomb, headers=packed) for _ in range(20)]
        valid = [service.post(body=fresh_batch(f"m{number}")) for number in range(20)]
        answers = await asyncio.gather(*bombs, *valid)
    assert [answer.status for answer in answers] == [413] * 20 + [202] * 20


async def test_a_slow_body_is_given_up(tmp_path: Path) -> None:
    """A sender that stops in the middle is answered 408, after which mParticle tries again, and disconnected."""
    async with running_service(tmp_path, store="memory", body_timeout_seconds=0.1) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(head(100) + b'{"events"')
        answer = (await asyncio.wait_for(reader.read(), 5)).decode()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith("HTTP/1.1 408 ") and '"TIMEOUT"' in answer and "connection: close" in answer


async def test_a_sender_that_leaves_is_no_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """100 senders that close in the middle leave nothing in the log but their number in the metrics."""
    async with running_service(tmp_path, store="memory") as service:
        await service.add_connection(enabled=False)
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(head(100) + b'{"events"')
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        async def all_counted() -> bool:
            return '{reason="sender_left",route="/v2/events",status="499"} 100.0' in await service.metrics()

        await wait_until(all_counted)
        assert (await service.post(body=fresh_batch("m1"))).status == 202
    assert without_machine_warnings(capfd.readouterr().err) == ""


async def test_bodies_held_at_once_are_bounded(tmp_path: Path) -> None:
    """When arriving bodies fill the allowance others are told to come back, and are served once there is room."""
    async with running_service(tmp_path, store="memory", max_pending_bytes=100_000) as service:
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(head(99_000) + b" " * 98_000)
        await writer.drain()

        async def refused() -> bool:
            answer = await service.post(body=b" " * 5_000)
            assert answer.status in {400, 503}
            return answer.headers.get("Retry-After") == "5"

        async def accepted() -> bool:
            return (await service.post(body=fresh_batch("m1"))).status == 202

        await wait_until(refused)
        writer.close()
        await writer.wait_closed()
        await wait_until(accepted)


async def test_one_connection_serves_many_requests(tmp_path: Path) -> None:
    """Requests sent one behind the other without waiting are answered in order, a refused one among them."""
    good = gzip.compress(b'{"events":[]}')
    packed = "Content-Encoding: gzip\r\n"
    async with running_service(tmp_path, store="memory") as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write((head(len(good), packed) + good) + (head(3) + b"bad") + (head(len(good), packed) + good))
        statuses = []
        for _ in range(3):
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
            statuses.append(int(answer.split()[1]))
            length = int(answer.lower().partition(b"content-length: ")[2].split()[0])
            await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    assert statuses == [202, 400, 202]
