"""What an event costs, and how much memory the service uses, with few and with many events waiting.

Each number of waiting events has a data directory of its own, whose keys are known too. A service takes in requests
there while its connection is paused; another one drains it to a sink. BENCH_GROWTH=full adds 5,000,000 and 10,000,000,
which needs 20 GB of disk and most of an hour; BENCH_GROWTH="1000 50000" measures these numbers.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench.checkouts import Checkout, in_turn
from bench.processes import Process, answer_of, measured_load, service, sink
from bench.sink import Arrived
from bench.stock import fill, make, resume
from bench.table import Column, Table

_QUICK: Final = (1_000, 100_000, 1_000_000)
_FULL: Final = (*_QUICK, 5_000_000, 10_000_000)
ROUNDS: Final = 3
SECONDS: Final = float(os.environ.get("BENCH_GROWTH_SECONDS", "2"))
DRAIN_SECONDS: Final = 6.0
# All have arrived when nothing has for so long.
_END_SECONDS: Final = 1.0
# Of the database's file, and what the loads add.
_BYTES_PER_EVENT: Final = 1_900
_LOADS_BYTES: Final = 2 * 1024**3
_LABELS: Final = (("waiting", 10),)
_TABLE: Final = Table(
    _LABELS,
    (
        Column("ready s", 7, ",.2f"),
        Column("1 x 64: requests/s", 18),
        Column("CPU us/event", 12, ",.1f"),
        Column("100 x 8: events/s", 17),
        Column("CPU us/event", 12, ",.1f"),
        Column("drain events/s", 14),
        Column("CPU us/event", 12, ",.1f"),
    ),
)
_MEMORY_TABLE: Final = Table(_LABELS, (Column("at rest", 8), Column("after ingest", 12), Column("most in drain", 13)))
_RATIO_TABLE: Final = Table(
    _LABELS,
    (
        Column("1 x 64", 7, ".2f"),
        Column("100 x 8", 7, ".2f"),
        Column("drain", 7, ".2f"),
        Column("most MiB more", 13),
    ),
)


class _Costs(Struct, frozen=True):
    """The figures of one number of waiting events: rates a second, CPU microseconds an event, MiB."""

    ready_seconds: float
    ones_rate: float
    ones_cpu_us: float
    bulk_rate: float
    bulk_cpu_us: float
    drain_rate: float
    drain_cpu_us: float
    memory_mib: tuple[float, float, float]


def _ingest(ours: Process, events: int, connections: int, first: int) -> tuple[float, float]:
    """Return the medians of events per second and of CPU microseconds an event, after a round to warm up."""
    rounds = [
        measured_load(ours, events=events, connections=connections, seconds=SECONDS, first=(first + number) * 10**9)
        for number in range(ROUNDS + 1)
    ][1:]
    return (
        statistics.median(each.rate * events for each, _ in rounds),
        statistics.median(cpu_us / events for _, cpu_us in rounds),
    )


def _drain(ours: Process, url: str) -> tuple[float, float]:
    """Return events per second and CPU microseconds an event, from the first arrival on."""

    def arrived() -> int:
        return msgspec.json.decode(answer_of(f"{url}/arrived")[1], type=Arrived).events

    while (events := arrived()) == 0:
        time.sleep(0.001)
    first = last = (events, time.monotonic(), ours.cpu_seconds())
    while (now := time.monotonic()) - first[1] < DRAIN_SECONDS and now - last[1] < _END_SECONDS:
        time.sleep(0.02)
        if (events := arrived()) > last[0]:
            last = (events, time.monotonic(), ours.cpu_seconds())
    drained, seconds, cpu_seconds = (end - begin for begin, end in zip(first, last, strict=True))
    return drained / seconds, cpu_seconds / drained * 1e6


def _costs(checkout: Checkout, waiting: int) -> _Costs:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "data"
        make(path, fill, waiting, checkout)
        with service(path, checkout=checkout) as ours:
            ready_seconds = time.perf_counter() - ours.started_at
            at_rest, _ = ours.memory_mib()
            ones_rate, ones_cpu_us = _ingest(ours, 1, 64, 1)
            bulk_rate, bulk_cpu_us = _ingest(ours, 100, 8, 101)
            after_ingest, _ = ours.memory_mib()
        resume(path, checkout)
        with sink() as tiktok, service(path, tiktok.url, checkout) as ours:
            drain_rate, drain_cpu_us = _drain(ours, tiktok.url)
            _, in_drain = ours.memory_mib()
    memory_mib = (at_rest, after_ingest, in_drain)
    return _Costs(ready_seconds, ones_rate, ones_cpu_us, bulk_rate, bulk_cpu_us, drain_rate, drain_cpu_us, memory_mib)


def _chosen() -> Sequence[int]:
    given = os.environ.get("BENCH_GROWTH", "")
    return _FULL if given == "full" else [int(number) for number in given.split()] or _QUICK


def _fitting() -> list[int]:
    """Return the numbers that the disk has space for; print the others."""
    free_bytes = shutil.disk_usage(tempfile.gettempdir()).free
    fitting = [waiting for waiting in _chosen() if waiting * _BYTES_PER_EVENT + _LOADS_BYTES < free_bytes]
    for waiting in _chosen():
        if waiting not in fitting:
            print(f"{waiting:,} waiting are left out: only {free_bytes / 1024**3:,.0f} GiB of the disk are free")
    return fitting


def _measured(waiting: int) -> dict[Checkout, _Costs]:
    rounds = in_turn(1, lambda checkout, _: _costs(checkout, waiting))
    return {checkout: costs for checkout, (costs,) in rounds.items()}


def _print_rows(waiting: int, costs: dict[Checkout, _Costs]) -> None:
    figures = {
        checkout: [
            (
                each.ready_seconds,
                each.ones_rate,
                each.ones_cpu_us,
                each.bulk_rate,
                each.bulk_cpu_us,
                each.drain_rate,
                each.drain_cpu_us,
            )
        ]
        for checkout, each in costs.items()
    }
    _TABLE.print_row((waiting,), figures)


def run() -> None:
    """Print rates and costs, then memory, then both against the smallest number."""
    print(f"Growth: ingest (medians of {ROUNDS} rounds of {SECONDS:g} s), then a drain of {DRAIN_SECONDS:g} s at most")
    measured: dict[int, dict[Checkout, _Costs]] = {}
    counts = _fitting()
    _TABLE.print_head()
    for waiting in counts:
        measured[waiting] = _measured(waiting)
        _print_rows(waiting, measured[waiting])
    print("Memory of the service, MiB")
    _MEMORY_TABLE.print_head()
    for waiting, costs in measured.items():
        _MEMORY_TABLE.print_row((waiting,), {checkout: [each.memory_mib] for checkout, each in costs.items()})
    print(f"CPU for an event against {counts[0]:,} waiting")
    _RATIO_TABLE.print_head()
    for waiting, costs in measured.items():
        first = measured[counts[0]]
        _RATIO_TABLE.print_row(
            (waiting,),
            {checkout: [_against(first[checkout], each)] for checkout, each in costs.items()},
        )


def _against(first: _Costs, costs: _Costs) -> tuple[float, float, float, float]:
    return (
        costs.ones_cpu_us / first.ones_cpu_us,
        costs.bulk_cpu_us / first.bulk_cpu_us,
        costs.drain_cpu_us / first.drain_cpu_us,
        max(costs.memory_mib) - max(first.memory_mib),
    )
