"""The live view's stream over HTTP: rows as they come, and an end whenever there is a reason for one."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.integration.console.rig_activity import Reader, reading
from tests.integration.service_rig import fresh_batch
from tests.patience import wait_until

pytestmark = pytest.mark.slow

MOST_STREAMS_OF_A_USER = 5


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    """TikTok is out of reach."""
    async with reading(tmp_path) as made:
        await made.service.add_connection("Shop")
        yield made


class Stream:
    """What a browser's event source reads."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def event(self) -> dict[str, str]:
        """The next event; comments are passed over. An empty one is the end of the stream."""
        found: dict[str, str] = {}
        async with asyncio.timeout(10):
            while line := (await self.answer.content.readline()).decode():
                name, _, value = line.rstrip("\n").partition(": ")
                if name in ("event", "data", "id"):
                    found[name] = f"{found[name]}\n{value}" if name in found else value
                elif found and not name:
                    return found
        return found


@asynccontextmanager
async def watching(reader: Reader, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    async with reader.session.get(f"{reader.service.url}/activity/live{query}", headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        yield Stream(answer)


async def watched_by(reader: Reader, number: int) -> None:
    """Wait until so many streams are open."""

    async def so_many() -> bool:
        return reader.service.application.live_views.watching == number

    await wait_until(so_many)


async def test_rows_come_as_things_happen(reader: Reader) -> None:
    """As they stand in the list, newest first, with the number to go on from; nothing that was there before."""
    await reader.service.post(body=fresh_batch("before"))

    async def kept() -> bool:
        return bool((await reader.api("GET", "/api/activity?event_id=before"))["records"])

    await wait_until(kept)
    newest = (await reader.api("GET", "/api/activity"))["newest"]
    async with watching(reader, f"?after={newest}&outcome=accepted") as stream:
        assert stream.answer.headers["content-type"].startswith("text/event-stream")
        assert stream.answer.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in stream.answer.headers["content-security-policy"]
        await reader.service.post(body=fresh_batch("live-1", "live-2"))
        event = await stream.event()
        assert event["event"] == "rows" and event["data"].count("<tr ") == 2
        assert "live-1" in event["data"] and "before" not in event["data"]
        [record, *_] = (await reader.api("GET", "/api/activity?outcome=accepted"))["records"]
        assert int(event["id"]) >= record["record_no"]
    async with watching(reader, "?after=0&outcome=accepted", **{"Last-Event-ID": event["id"]}) as stream:
        await reader.service.post(body=fresh_batch("live-3"))
        event = await stream.event()
        assert "live-3" in event["data"] and "live-2" not in event["data"]


async def test_a_crowd_is_told(reader: Reader) -> None:
    """Of more than fifty in a second the newest are shown, and that is said; so is its end."""
    batch = fresh_batch(*(f"m{number}" for number in range(120)))
    for event in batch["events"]:
        del event["data"]["custom_flags"]
    async with watching(reader, "?after=0&outcome=dropped") as stream:
        await reader.service.post(body=batch)
        told, rows, calm = [await stream.event() for _ in range(3)]
    assert told["event"] == "state" and "the newest 50 records of each second" in told["data"]
    assert rows["event"] == "rows" and rows["data"].count("<tr ") == 50
    assert (calm["event"], calm["data"]) == ("state", "Live")


async def test_a_reader_who_leaves_takes_nothing_more(reader: Reader) -> None:
    """The stream is over as soon as the connection is."""
    async with watching(reader):
        await watched_by(reader, 1)
    await watched_by(reader, 0)


async def test_the_stream_ends_with_the_session(reader: Reader) -> None:
    """With a sentence that says so."""
    async with watching(reader) as stream:
        await watched_by(reader, 1)
        await reader.post("/logout")
        event = await stream.event()
        assert (event["event"], event["data"]) == ("state", "Your session has ended. Log in again to continue.")
        assert (await stream.event())["event"] == "over"
        assert await stream.event() == {}


async def test_the_number_of_streams_is_bounded(reader: Reader) -> None:
    """Whoever comes too late is told what to do instead; when somebody leaves there is room again."""
    async with asyncio.TaskGroup() as group:
        enough = asyncio.Event()

        async def watch() -> None:
            async with watching(reader):
                await enough.wait()

        for _ in range(MOST_STREAMS_OF_A_USER):
            group.create_task(watch())
        await watched_by(reader, MOST_STREAMS_OF_A_USER)
        async with watching(reader) as stream:
            assert "Close one, and reload this page." in (await stream.event())["data"]
            assert (await stream.event())["event"] == "over"
        await watched_by(reader, MOST_STREAMS_OF_A_USER)
        enough.set()
    await watched_by(reader, 0)


async def test_what_cannot_be_asked_is_told_in_the_stream(reader: Reader) -> None:
    """Filters come from the address, which anybody can change."""
    async with watching(reader, "?outcome=%3Cb%3E") as stream:
        event = await stream.event()
        assert event["event"] == "state" and "<b>" not in event["data"] and "invalid query" in event["data"]
        assert (await stream.event())["event"] == "over"


async def test_a_stopping_service_does_not_wait_for_readers(tmp_path: Path) -> None:
    """Open streams end by themselves, long before the time that requests are given."""
    async with reading(tmp_path) as reader, asyncio.TaskGroup() as group:
        streams = [group.create_task(_to_the_end(reader)) for _ in range(3)]
        await watched_by(reader, 3)
        started = time.monotonic()
        await reader.service.application.stop()
        assert time.monotonic() - started < 1
        assert [await each for each in streams] == [{}] * 3


async def _to_the_end(reader: Reader) -> dict[str, str]:
    async with watching(reader) as stream:
        return await stream.event()
