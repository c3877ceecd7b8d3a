"""A data directory in which many events wait, made once for all benchmarks of a run."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from bench.processes import STORE_BYTES, set_up
from bench.traffic import batch_bytes
from tiktok_forwarder.bootstrap import open_application
from tiktok_forwarder.domain.outcome import Mapped
from tiktok_forwarder.mapping.connection import read_connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.settings import load_settings
from tiktok_forwarder.store.events import Arrivals, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore

# BENCH_EVENTS=100000 makes a quick run.
MANY: Final = int(os.environ.get("BENCH_EVENTS", "1000000"))

_PER_APPEND: Final = 1000
_AT_ONCE: Final = 4
_ID: Final = "000000000000"


@cache
def payload() -> bytes:
    """A purchase as it is stored."""
    connection = read_connection({"name": "Bench", "pixel_id": "EXAMPLEPIXEL"}, needs_token=False).connection
    now_ms = time.time_ns() // 1_000_000
    (batch,) = parse_body(batch_bytes(1, now_ms=now_ms, request=_ID), Bounds())
    (outcome,) = Mapper(connection).map_batch(batch, now_ms)
    assert isinstance(outcome, Mapped)
    return outcome.payload


def new_events(connection_id: str, first: int, count: int) -> list[NewEvent]:
    return [
        NewEvent(
            connection_id,
            1,
            "2.0",
            "PlaceAnOrder",
            f"{number:012d}",
            payload().replace(_ID.encode(), b"%012d" % number),
            (number, number + 1, number + 2),
        )
        for number in range(first, first + count)
    ]


async def _fill(data_dir: Path, events: int) -> None:
    connection_id = await set_up(data_dir, paused=True)
    store = SqliteStore.open(data_dir / "events.db", max_bytes=STORE_BYTES)
    now_ms = time.time_ns() // 1_000_000
    starts = iter(range(0, events, _PER_APPEND))

    async def append() -> None:
        for first in starts:
            count = min(_PER_APPEND, events - first)
            await store.append(Arrivals(new_events(connection_id, first, count), {}, now_ms))

    await asyncio.gather(*(append() for _ in range(_AT_ONCE)))
    await store.close()


@cache
def _kept(events: int) -> Path:
    """Removed when the interpreter ends."""
    folder = tempfile.TemporaryDirectory(prefix="bench-stock-")
    _folders.append(folder)
    path = Path(folder.name) / "data"
    asyncio.run(_fill(path, events))
    return path


_folders: Final[list[tempfile.TemporaryDirectory[str]]] = []


@contextlib.contextmanager
def stocked(events: int, *, paused: bool) -> Iterator[Path]:
    """A copy of the directory; its connection is paused, or not any more."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "data"
        shutil.copytree(_kept(events), path)
        if not paused:
            asyncio.run(_resume(path))
        yield path


async def _resume(data_dir: Path) -> None:
    async with open_application(load_settings(None, {}, data_dir=data_dir), {}) as application:
        for connection in application.services.connections.all():
            await application.services.deliverer.resume(connection.id, "bench")
