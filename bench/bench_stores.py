"""SQLite and PostgreSQL in turn: append with de-duplication, also by two processes; then lease and settle.

Both write to the temporary directory and sync every commit. The PostgreSQL server is started by the benchmark, with its
usual settings, and has no standby. Only PostgreSQL can be used by two processes.
"""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.postgres_server import OwnServer, own_server

from bench.checkouts import Checkout, Round, in_turn
from bench.processes import STORE_BYTES
from bench.table import Column, Table
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore

ROUNDS: Final = 3
SECONDS: Final = 3.0
# Processes start and warm up until then.
_START_SECONDS: Final = 3.0
SHAPES: Final = ((64, 1), (64, 10))
LEASED: Final = 60_000
PAYLOAD: Final = b'{"event":"PlaceAnOrder","x":"' + b"x" * 1150 + b'"}'
CONNECTIONS: Final = ("cn_0", "cn_1", "cn_2", "cn_3")
_NOW_MS: Final = 1_735_689_600_000

_SQLITE: Final = "SQLite"
_POSTGRES: Final = "PostgreSQL"
# Rows of the table: which store, and how many processes.
_APPENDERS: Final = ((_SQLITE, 1), (_POSTGRES, 1), (_POSTGRES, 2))
_APPENDS: Final = Table(
    (("store", 10), ("processes", 9), ("appenders", 9), ("events each", 11)),
    (Column("events/s", 9), Column("append p50 ms", 13, ",.1f"), Column("p99 ms", 7, ",.1f")),
)
_LEASES: Final = Table(
    (("store", 10),), (Column("events/s", 9), Column("lease ms", 8, ",.1f"), Column("settle ms", 9, ",.1f"))
)


@contextlib.asynccontextmanager
async def opened(place: str) -> AsyncIterator[Any]:
    """Open the store at an address, or at a path."""
    if "://" in place:
        store: Any = await PostgresStore.open(place)
    else:
        store = SqliteStore.open(Path(place), max_bytes=STORE_BYTES)
    try:
        yield store
    finally:
        await store.close()


def new_events(number: int, count: int) -> list[NewEvent]:
    return [
        NewEvent(CONNECTIONS[each % 4], 1, "2.0", "PlaceAnOrder", f"{number}-{each}", PAYLOAD, (number,))
        for each in range(count)
    ]


def append(place: str, process: int, concurrent: int, per_append: int, begin_at: float) -> tuple[float, float, float]:
    """Append from a moment on; return events per second, and median and 99th percentile of the calls in ms."""
    waits: list[float] = []
    numbers = iter(range(process * 10**9, 2 * 10**9))

    async def sender(store: Any) -> None:
        for number in numbers:
            began = time.time()
            if began > begin_at + SECONDS:
                return
            await store.append(Arrivals(new_events(number, per_append), {}, _NOW_MS))
            if began > begin_at:
                waits.append(time.time() - began)

    async def run() -> None:
        async with opened(place) as store:
            await asyncio.gather(*(sender(store) for _ in range(concurrent)))

    asyncio.run(run())
    waits.sort()
    rate = len(waits) * per_append / SECONDS
    return rate, waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000


def lease_and_settle(place: str) -> tuple[float, float, float]:
    """Deliver waiting events in groups of 1,000; return events per second, and the medians of both calls in ms."""

    async def run() -> tuple[float, float, float]:
        async with opened(place) as store:
            for number in range(LEASED // 1000):
                await store.append(Arrivals(new_events(number, 1000), {}, _NOW_MS))
            leases, settlements = [], []
            began = time.perf_counter()
            for connection in CONNECTIONS:
                while True:
                    started = time.perf_counter()
                    lease = await store.lease(connection, GroupLimits(), _NOW_MS, 60)
                    if lease is None:
                        break
                    leased = time.perf_counter()
                    await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, _NOW_MS)
                    leases.append(leased - started)
                    settlements.append(time.perf_counter() - leased)
            elapsed = time.perf_counter() - began
        return LEASED / elapsed, statistics.median(leases) * 1000, statistics.median(settlements) * 1000

    return asyncio.run(run())


@contextlib.contextmanager
def new_place(store: str, server: OwnServer) -> Iterator[str]:
    """An empty store: a path or an address."""
    if store == _SQLITE:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            yield f"{folder}/events.db"
        return
    name = asyncio.run(server.create_database())
    try:
        yield server.address(name)
    finally:
        asyncio.run(server.drop_database(name))


def _append_together(checkout: Checkout, place: str, processes: int, shape: tuple[int, int]) -> Round:
    """Return the sum of the rates, and the means of the processes' times."""
    begin_at = time.time() + _START_SECONDS
    with ThreadPoolExecutor(processes) as threads:
        running = [
            threads.submit(partial(checkout.call, append), place, each, *shape, begin_at) for each in range(processes)
        ]
        rates, medians, most = zip(*(each.result() for each in running), strict=True)
    return sum(rates), statistics.mean(medians), statistics.mean(most)


def _print_in_turn(
    table: Table, rows: Sequence[Sequence[object]], measure: Callable[[Checkout, Sequence[object]], Round]
) -> None:
    """Measure every row once a round, and print each."""

    def measure_rows(checkout: Checkout, _: int) -> Mapping[Sequence[object], Round]:
        return {row: measure(checkout, row) for row in rows}

    measured = in_turn(ROUNDS, measure_rows)
    for row in rows:
        table.print_row(row, {checkout: [each[row] for each in rounds] for checkout, rounds in measured.items()})


def run() -> None:
    """Print the appends for each store and shape, then lease and settle."""
    with own_server() as server:

        def measure_appends(checkout: Checkout, row: Any) -> Round:
            store, processes, *shape = row
            with new_place(store, server) as place:
                return _append_together(checkout, place, processes, shape)

        def measure_leases(checkout: Checkout, row: Any) -> Round:
            with new_place(row[0], server) as place:
                return checkout.call(lease_and_settle, place)

        print(f"Append with de-duplication, {SECONDS:g} s, 1.2 KB payloads, 4 connections (medians of {ROUNDS} rounds)")
        _APPENDS.print_head()
        for shape in SHAPES:
            _print_in_turn(_APPENDS, [(*appenders, *shape) for appenders in _APPENDERS], measure_appends)
        print(f"Lease and settle, 1,000 events a lease, {LEASED:,} waiting (medians of {ROUNDS} rounds)")
        _LEASES.print_head()
        _print_in_turn(_LEASES, [(_SQLITE,), (_POSTGRES,)], measure_leases)
