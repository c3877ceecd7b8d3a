"""Requests of one event at a steady rate, accepted and delivered to the sink at the same time.

BENCH_SUSTAINED_SECONDS=3600 makes an hour of it. The times count from when a request was due; the queue is flat if the
depth at the end of each tenth is.
"""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import msgspec

from bench.checkouts import Checkout, in_turn
from bench.load import Load
from bench.processes import answer_of, data_directory, load, queue_depth, service, sink
from bench.sink import Arrived
from bench.table import Column, Table

SECONDS: Final = float(os.environ.get("BENCH_SUSTAINED_SECONDS", "60"))
RATE: Final = float(os.environ.get("BENCH_SUSTAINED_RATE", "5000"))
CONNECTIONS: Final = 64
_PARTS: Final = 10
_PATIENCE_SECONDS: Final = 30.0
_PARTS_TABLE: Final = Table(
    (("seconds", 10),), (Column("p99 ms", 7, ",.1f"), Column("events waiting", 14), Column("MiB", 5))
)
_TABLE: Final = Table(
    (("", 10),),
    (
        Column("requests/s", 10),
        Column("p50 ms", 7, ",.1f"),
        Column("p99 ms", 7, ",.1f"),
        Column("CPU us/event", 12),
        Column("delivered", 10),
    ),
)


class _Run(msgspec.Struct, frozen=True):
    load: Load
    waiting: Sequence[int]
    memory_mib: Sequence[float]
    cpu_us: float
    delivered: int


def _run(checkout: Checkout, _number: int) -> _Run:
    with (
        data_directory(paused=False, checkout=checkout) as path,
        sink() as tiktok,
        service(path, tiktok.url, checkout) as ours,
        ThreadPoolExecutor(1) as sender,
    ):
        cpu_before = ours.cpu_seconds()
        options = {"events": 1, "connections": CONNECTIONS, "rate": RATE, "seconds": SECONDS}
        sending = sender.submit(load, ours.port, **options)
        waiting: list[int] = []
        memory_mib: list[float] = []
        began = time.monotonic()
        for part in range(1, _PARTS + 1):
            time.sleep(max(0.0, began + part * SECONDS / _PARTS - time.monotonic()))
            waiting.append(queue_depth(ours))
            memory_mib.append(ours.memory_mib()[0])
        loaded = sending.result()
        delivered = _delivered(tiktok.url, loaded.requests)
        cpu_us = (ours.cpu_seconds() - cpu_before) / loaded.requests * 1e6
    return _Run(loaded, waiting, memory_mib, cpu_us, delivered)


def _delivered(url: str, requests: int) -> int:
    """Wait for all to arrive, and return how many did."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        events = msgspec.json.decode(answer_of(f"{url}/arrived")[1], type=Arrived).events
        if events >= requests or time.monotonic() > deadline:
            return events
        time.sleep(0.1)


def run() -> None:
    """Print the 99th percentile, the queue and the memory over time, then the whole."""
    print(f"{RATE:,g} requests of 1 event a second for {SECONDS:,g} seconds, delivered to the sink meanwhile")
    runs = {checkout: every_round[0] for checkout, every_round in in_turn(1, _run).items()}
    _PARTS_TABLE.print_head()
    for part in range(_PARTS):
        figures = {
            checkout: [(each.load.p99_ms_of_parts[part], each.waiting[part], each.memory_mib[part])]
            for checkout, each in runs.items()
        }
        _PARTS_TABLE.print_row((f"{(part + 1) * SECONDS / _PARTS:,g}",), figures)
    _TABLE.print_head()
    totals = {
        checkout: [(each.load.rate, each.load.p50_ms, each.load.p99_ms, each.cpu_us, each.delivered)]
        for checkout, each in runs.items()
    }
    _TABLE.print_row(("all",), totals)
