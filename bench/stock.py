"""Data directories in which many events wait, or are known as delivered; made once for all benchmarks of a run."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from bench.checkouts import THIS, Checkout
from bench.processes import CONNECTION, PIXEL, STORE_BYTES, operate, set_up
from bench.queue_types import Arrivals, GroupLimits, NewEvent
from bench.traffic import batch_bytes
from tiktok_forwarder.domain.outcome import Delivered, Mapped
from tiktok_forwarder.mapping.connection import read_connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.store.sqlite.store import SqliteStore

# BENCH_EVENTS=100000 makes a quick run.
MANY: Final = int(os.environ.get("BENCH_EVENTS", "1000000"))
# BENCH_KNOWN_KEYS="1000000 5000000" measures what the larger number costs too.
KNOWN: Final = tuple(int(number) for number in os.environ.get("BENCH_KNOWN_KEYS", "1000000").split())

_PER_APPEND: Final = 1000
_AT_ONCE: Final = 4
_ID: Final = "000000000000"
# Far above the numbers of all loads.
_KNOWN_FROM: Final = 9 * 10**11


@cache
def payload() -> bytes:
    """A purchase as it is stored."""
    connection = read_connection({"name": CONNECTION, "pixel_id": PIXEL}, needs_token=False).connection
    now_ms = time.time_ns() // 1_000_000
    (batch,) = parse_body(batch_bytes(1, now_ms=now_ms, request=_ID), Bounds())
    (outcome,) = Mapper(connection).map_batch(batch, now_ms)
    assert isinstance(outcome, Mapped)
    return outcome.payload


def new_events(connection_id: str, first: int, count: int, content: bytes | None = None) -> list[NewEvent]:
    """Return events with consecutive numbers. `content` replaces the purchase."""
    return [
        NewEvent(
            connection_id,
            1,
            "2.0",
            "PlaceAnOrder",
            f"{number:012d}",
            payload().replace(_ID.encode(), b"%012d" % number) if content is None else content,
            (number, number + 1, number + 2),
        )
        for number in range(first, first + count)
    ]


@contextlib.asynccontextmanager
async def open_store(data_dir: str) -> AsyncIterator[tuple[SqliteStore, str]]:
    """With the ID of the connection."""
    store = SqliteStore.open(Path(data_dir) / "events.db", max_bytes=STORE_BYTES)
    try:
        yield store, (await store.list_documents("connection"))[0].id
    finally:
        await store.close()


async def _append_all(store: SqliteStore, connection_id: str, numbers: range, content: bytes | None) -> None:
    now_ms = time.time_ns() // 1_000_000
    starts = iter(numbers[::_PER_APPEND])

    async def append() -> None:
        for first in starts:
            events = new_events(connection_id, first, min(_PER_APPEND, numbers.stop - first), content)
            await store.append(Arrivals(events, {}, now_ms))

    await asyncio.gather(*(append() for _ in range(_AT_ONCE)))


async def _deliver_all(store: SqliteStore, connection_id: str, events: int) -> None:
    while events:
        now_ms = time.time_ns() // 1_000_000
        lease = await store.lease(connection_id, GroupLimits(), now_ms, 60)
        if lease is None:
            await asyncio.sleep(0.005)
            continue
        await store.settle(lease, {event.event_no: Delivered() for event in lease.events}, now_ms)
        events -= len(lease.events)


def fill(data_dir: str, events: int) -> None:
    """Append events that wait."""

    async def append_all() -> None:
        async with open_store(data_dir) as (store, connection_id):
            await _append_all(store, connection_id, range(events), content=None)

    asyncio.run(append_all())


def remember(data_dir: str, keys: int) -> None:
    """Accept and deliver events, so that none waits and their keys are known for the next 48 hours."""

    async def append_and_deliver() -> None:
        async with open_store(data_dir) as (store, connection_id):
            numbers = range(_KNOWN_FROM, _KNOWN_FROM + keys)
            # Only the keys are of use here.
            appending = _append_all(store, connection_id, numbers, content=b"{}")
            await asyncio.gather(appending, _deliver_all(store, connection_id, keys))

    asyncio.run(append_and_deliver())


def make(data_dir: Path, fill_with: Callable[[str, int], None], events: int, checkout: Checkout) -> None:
    """Make a directory whose connection is paused, by the checkout's own program, and call `fill` or `remember`."""
    set_up(data_dir, paused=True, checkout=checkout)
    if events:
        checkout.call(fill_with, str(data_dir), events)


@cache
def _kept(fill_with: Callable[[str, int], None], events: int, checkout: Checkout) -> Path:
    """Removed when the interpreter ends."""
    folder = tempfile.TemporaryDirectory(prefix="bench-stock-")
    _folders.append(folder)
    path = Path(folder.name) / "data"
    make(path, fill_with, events, checkout)
    return path


_folders: Final[list[tempfile.TemporaryDirectory[str]]] = []


@contextlib.contextmanager
def stocked(events: int, *, paused: bool, checkout: Checkout = THIS) -> Iterator[Path]:
    """A copy of the directory in which so many events wait; its connection is paused, or not any more."""
    with _copied(_kept(fill, events, checkout)) as path:
        if not paused:
            resume(path, checkout)
        yield path


@contextlib.contextmanager
def knowing(keys: int, *, checkout: Checkout = THIS) -> Iterator[Path]:
    """A copy of the directory in which so many keys are known and no event waits; its connection is paused."""
    with _copied(_kept(remember, keys, checkout)) as path:
        yield path


def resume(data_dir: Path, checkout: Checkout) -> None:
    operate(data_dir, checkout, "connections", "resume", CONNECTION)


@contextlib.contextmanager
def _copied(kept: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "data"
        shutil.copytree(kept, path)
        yield path
