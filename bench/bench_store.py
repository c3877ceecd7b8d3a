"""The SQLite store alone on one core: append with de-duplication, lease and settle, all durable.

Appenders wait for their commit as requests do; a deliverer leases and settles groups of 1,000 meanwhile.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.events import Arrivals, GroupLimits, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore

ROUNDS: Final = 3
PAYLOAD: Final = b'{"event":"PlaceAnOrder","x":"' + b"x" * 1150 + b'"}'
SHAPES: Final = ((64, 1, 20_000), (64, 10, 60_000), (8, 100, 80_000))


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


def run() -> None:
    """Print events per second and append times for each shape."""
    print(
        f"Store: append + de-duplicate + lease + settle, synchronous=FULL, 1.2 KB payloads (medians of {ROUNDS} rounds)"
    )
    print(f"{'appenders':>10} {'events each':>12} {'events/s':>10} {'append p50 ms':>14} {'p99 ms':>7}")
    for concurrent, per_append, events in SHAPES:
        rounds = [asyncio.run(_cycle(concurrent, per_append, events)) for _ in range(ROUNDS)]
        rate = statistics.median(rate for rate, _ in rounds)
        waits = sorted(wait for _, each in rounds for wait in each)
        p50, p99 = waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000
        print(f"{concurrent:>10} {per_append:>12} {rate:>10,.0f} {p50:>14.1f} {p99:>7.1f}")


if __name__ == "__main__":
    run()
