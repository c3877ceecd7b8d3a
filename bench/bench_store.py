"""The SQLite store alone: append with de-duplication, lease and settle, all durable; then what the writer costs.

Appenders wait for their commit as requests do; a deliverer leases and settles groups of 1,000 meanwhile. The writer's
cost is that of commits of 64 appends of one event each, as of 64 HTTP connections: CPU time of the database's thread,
and bytes written to files, to the write-ahead log and from it to the tables.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from bench.checkouts import Checkout, Round, for_each, in_turn
from bench.queue_types import Arrivals, GroupLimits, NewEvent
from bench.stock import KNOWN, knowing, new_events, open_store
from bench.table import Column, Table
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.sqlite.store import SqliteStore

ROUNDS: Final = 3
PAYLOAD: Final = b'{"event":"PlaceAnOrder","x":"' + b"x" * 1150 + b'"}'
SHAPES: Final = ((64, 1, 20_000), (64, 10, 60_000), (8, 100, 80_000))
GROUP: Final = 64
GROUPS: Final = 800
_WARM_UP_GROUPS: Final = 200
_TABLE: Final = Table(
    (("appenders", 10), ("events each", 12)),
    (Column("events/s", 10), Column("append p50 ms", 14, ",.1f"), Column("p99 ms", 7, ",.1f")),
)
_WRITER_TABLE: Final = Table(
    (("known keys", 10),), (Column("writer CPU us/event", 20, ",.1f"), Column("bytes written/event", 20))
)


async def _cycle(concurrent: int, per_append: int, events: int) -> tuple[float, list[float]]:
    """Events per second through the whole cycle, and the seconds each append took."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "events.db")
        waits: list[float] = []
        numbers = iter(range(events // per_append))

        async def append() -> None:
            for number in numbers:
                batch = [
                    NewEvent("cn", 1, "2.0", "PlaceAnOrder", f"{number}-{each}", PAYLOAD, (number,))
                    for each in range(per_append)
                ]
                began = time.perf_counter()
                await store.append(Arrivals(batch, {}, 1_735_689_600_000))
                waits.append(time.perf_counter() - began)

        async def deliver() -> None:
            settled = 0
            while settled < events:
                lease = await store.lease("cn", GroupLimits(), 1_735_689_600_000, 60)
                if lease is None:
                    await asyncio.sleep(0.005)
                    continue
                await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, 1_735_689_600_000)
                settled += len(lease.events)

        began = time.perf_counter()
        await asyncio.gather(deliver(), *(append() for _ in range(concurrent)))
        elapsed = time.perf_counter() - began
        await store.close()
        return events / elapsed, waits


def cycle(concurrent: int, per_append: int, events: int) -> tuple[float, float, float]:
    """Return events per second, and the median and 99th percentile of the appends in milliseconds."""
    rate, waits = asyncio.run(_cycle(concurrent, per_append, events))
    waits.sort()
    return rate, waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000


def _written_bytes() -> int:
    """Return how many bytes this process has written to files.

    Linux's own count of what reaches a disk has the size of a whole folio, up to megabytes, for each page in it.
    """
    return int(Path("/proc/self/io").read_text().partition("wchar:")[2].split()[0])


def writer_cost(data_dir: str, first: int) -> tuple[float, float]:
    """Return the CPU microseconds of the database's thread and the bytes written to disk for an event."""

    async def measure() -> tuple[float, float]:
        async with open_store(data_dir) as (store, connection_id):
            cpu_before, bytes_before = 0.0, 0
            for number in range(_WARM_UP_GROUPS + GROUPS):
                if number == _WARM_UP_GROUPS:
                    cpu_before, bytes_before = _other_threads_seconds(), _written_bytes()
                events = new_events(connection_id, first + number * GROUP, GROUP)
                now_ms = time.time_ns() // 1_000_000
                await asyncio.gather(*(store.append(Arrivals([event], {}, now_ms)) for event in events))
            cpu_seconds, written = _other_threads_seconds() - cpu_before, _written_bytes() - bytes_before
        return cpu_seconds / (GROUPS * GROUP) * 1e6, written / (GROUPS * GROUP)

    return asyncio.run(measure())


def _other_threads_seconds() -> float:
    """Return the CPU time of all threads but this one: only the database has another."""
    return time.process_time() - time.thread_time()


def _print_cycle(concurrent: int, per_append: int, events: int) -> None:
    measured = in_turn(ROUNDS, lambda checkout, _: checkout.call(cycle, concurrent, per_append, events))
    _TABLE.print_row((concurrent, per_append), measured)


def _print_writer_cost(keys: int) -> None:
    def measure(checkout: Checkout, number: int) -> Round:
        return checkout.call(writer_cost, str(paths[checkout]), number * 10**9)

    with for_each(lambda checkout: knowing(keys, checkout=checkout)) as paths:
        _WRITER_TABLE.print_row((keys,), in_turn(ROUNDS, measure))


def run() -> None:
    """Print events per second and append times for each shape, then the writer's cost by known keys."""
    print(
        f"Store: append + de-duplicate + lease + settle, synchronous=FULL, 1.2 KB payloads (medians of {ROUNDS} rounds)"
    )
    _TABLE.print_head()
    for shape in SHAPES:
        _print_cycle(*shape)
    print(f"The writer: commits of {GROUP} appends of one event (medians of {ROUNDS} rounds)")
    _WRITER_TABLE.print_head()
    for keys in (0, *KNOWN):
        _print_writer_cost(keys)
