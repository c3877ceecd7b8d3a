"""The load generator: at full speed and on a schedule, against a server whose times are known."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from bench.load import Options, generate

ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
PAUSE_SECONDS = 0.5


@contextlib.asynccontextmanager
async def server(answer: bytes = ACCEPTED, first_pause_seconds: float = 0.0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answers every request at the same speed, but the first one after a pause. With its port and the requests."""
    received: list[bytes] = []
    tasks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"Content-Length: ")[2].split()[0])
                received.append(await reader.readexactly(length))
                if len(received) == 1:
                    await asyncio.sleep(first_pause_seconds)
                writer.write(answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], received
    finally:
        listening.close()
        await asyncio.gather(*filter(None, tasks))


async def test_number_of_requests_is_sent_once_each() -> None:
    """Every request has an ID of its own, also over several connections."""
    async with server() as (port, received):
        load = await generate(Options(port=port, connections=3, requests=50, first=100))
    assert load.requests == len(received) == len(set(received)) == 50
    assert sum(b"%012d" % number in body for number, body in zip(range(101, 151), sorted(received), strict=True)) == 50


async def test_scheduled_requests_are_sent_at_the_rate() -> None:
    """Half a second of 100 a second is 50, however fast they are answered."""
    async with server() as (port, received):
        load = await generate(Options(port=port, connections=4, seconds=0.5, rate=100.0))
    assert load.requests == len(received) == 50
    assert 60 < load.rate <= 110


async def test_time_counts_from_when_a_request_was_due() -> None:
    """A pause delays all requests that are due in it, not just the one that met it."""
    async with server(first_pause_seconds=PAUSE_SECONDS) as (port, _):
        on_schedule = await generate(Options(port=port, connections=1, seconds=0.8, rate=100.0))
    async with server(first_pause_seconds=PAUSE_SECONDS) as (port, _):
        one_by_one = await generate(Options(port=port, connections=1, seconds=0.8))
    assert on_schedule.requests == 80
    assert on_schedule.p50_ms > 50
    assert on_schedule.p99_ms > 400
    assert one_by_one.p50_ms < 50
    assert len(on_schedule.p99_ms_of_parts) == 10
    assert on_schedule.p99_ms_of_parts[0] > on_schedule.p99_ms_of_parts[-1]


@pytest.mark.parametrize("rate", [0.0, 100.0])
async def test_answer_that_is_not_202_ends_the_load(rate: float) -> None:
    """Refused requests would be counted as quick ones; a schedule does not wait for their connections."""
    async with server(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as (port, _):
        with pytest.raises(RuntimeError, match=r"the service answered .*503"):
            await generate(Options(port=port, connections=2, seconds=0.3, rate=rate))
