"""A long backlog in PostgreSQL: many events wait, more arrive, and all are delivered, newest and oldest in turn.

Shows what the database does about rows that are written once and deleted once: its size on disk, the dead rows, how
often vacuum ran, and the rates in the meantime. The server is started by the benchmark and syncs every commit.
"""

import asyncio
import os
import time
from typing import Any, Final

import asyncpg
from tests.postgres_server import own_server

from bench.bench_stores import new_events, opened
from bench.checkouts import THIS
from bench.stock import MANY
from bench.table import Column, Table
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.queue import Arrivals, GroupLimits

# BENCH_BACKLOG_SECONDS=3600 runs for an hour.
SECONDS: Final = int(os.environ.get("BENCH_BACKLOG_SECONDS", "300"))
SAMPLES: Final = 10
ARRIVING_PER_SECOND: Final = 2000
_PER_APPEND: Final = 100
_PER_FILLING_APPEND: Final = 1000
_SIZES: Final = """
    SELECT pg_total_relation_size('forwarder.fresh'),
        (SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'forwarder.seen'::regclass),
        n_dead_tup, autovacuum_count FROM pg_stat_user_tables WHERE relid = 'forwarder.fresh'::regclass
"""
_MIB: Final = 1024 * 1024
_TABLE: Final = Table(
    (("seconds", 8),),
    (
        Column("waiting", 10),
        Column("appended/s", 10),
        Column("delivered/s", 11),
        Column("events MiB", 10),
        Column("keys MiB", 8),
        Column("dead rows", 10),
        Column("vacuums", 7),
    ),
)


def backlog(address: str, waiting: int, seconds: int) -> list[tuple[float, ...]]:
    """Fill the store, then append and deliver; return samples: seconds, and the columns of the table."""
    return asyncio.run(_Backlog(address).run(waiting, seconds))


class _Backlog:
    def __init__(self, address: str) -> None:
        self._address = address
        self._numbers = iter(range(10**9))
        self._appended = 0
        self._delivered = 0

    async def run(self, waiting: int, seconds: int) -> list[tuple[float, ...]]:
        async with opened(self._address) as store:
            await asyncio.gather(*(self._fill(store, waiting // 4) for _ in range(4)))
            self._appended = 0
            working = [asyncio.create_task(self._arrive(store)), asyncio.create_task(self._deliver(store))]
            samples = await self._sample(store, seconds)
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
        return samples

    async def _append(self, store: Any, count: int) -> None:
        await store.append(Arrivals(_of_one_connection(next(self._numbers), count), {}, time.time_ns() // 1_000_000))
        self._appended += count

    async def _fill(self, store: Any, events: int) -> None:
        for _ in range(events // _PER_FILLING_APPEND):
            await self._append(store, _PER_FILLING_APPEND)

    async def _arrive(self, store: Any) -> None:
        began = time.monotonic()
        while True:
            await self._append(store, _PER_APPEND)
            due = began + self._appended / ARRIVING_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _deliver(self, store: Any) -> None:
        while True:
            now_ms = time.time_ns() // 1_000_000
            lease = await store.lease("cn_0", GroupLimits(), now_ms, 60)
            if lease is None:
                await asyncio.sleep(0.05)
                continue
            await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, now_ms)
            self._delivered += len(lease.events)

    async def _sample(self, store: Any, seconds: int) -> list[tuple[float, ...]]:
        connection = await asyncpg.connect(self._address)
        began = time.monotonic()
        samples: list[tuple[float, ...]] = []
        for number in range(SAMPLES + 1):
            appended, delivered, started = self._appended, self._delivered, time.monotonic()
            if number:
                await asyncio.sleep(seconds / SAMPLES)
            elapsed = max(time.monotonic() - started, 1e-9)
            events, keys, dead, vacuums = await connection.fetchrow(_SIZES)
            counts = (await store.counts()).get("cn_0")
            samples.append(
                (
                    time.monotonic() - began,
                    counts.waiting if counts is not None else 0,
                    (self._appended - appended) / elapsed,
                    (self._delivered - delivered) / elapsed,
                    events / _MIB,
                    int(keys) / _MIB,
                    dead,
                    vacuums,
                )
            )
        await connection.close()
        return samples


def _of_one_connection(number: int, count: int) -> list[Any]:
    return [new_events(number * 10_000 + each, 1)[0] for each in range(count)]


def run() -> None:
    """Print a row for each part of the time."""
    print(f"PostgreSQL: {MANY:,} waiting, {ARRIVING_PER_SECOND:,} more a second, delivered in groups of 1,000")
    _TABLE.print_head()
    with own_server() as server:
        address = server.address(asyncio.run(server.create_database()))
        for seconds, *figures in THIS.call(backlog, address, MANY, SECONDS):
            _TABLE.print_row((round(seconds),), {THIS: [figures]})
