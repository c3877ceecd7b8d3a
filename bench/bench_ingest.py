"""Durable ingest over HTTP: the service on one core, the load on another, every 202 synced to disk.

The floor is the same HTTP server around an application that reads the body and answers, under the same load. Both take
turns in every round. The connection is paused, so that nothing is delivered meanwhile.

At half load, requests are due on a schedule, half as many a second as the slowest service that was measured took.
"""

import statistics
from contextlib import AbstractContextManager
from typing import Final

from bench.checkouts import Checkout, Measured, Round, checkouts, for_each, in_turn
from bench.processes import Process, data_directory, floor_server, load, measured_load, service_on
from bench.table import Column, Table

ROUNDS: Final = 3
SECONDS: Final = 2.0
HALF_SECONDS: Final = 3.0
SHAPES: Final = ((1, 8), (1, 64), (100, 8), (100, 64))
_LABELS: Final = (("events", 6), ("connections", 11))
_TABLE: Final = Table(
    _LABELS,
    (
        Column("requests/s", 10),
        Column("events/s", 9),
        Column("p50 ms", 7, ",.1f"),
        Column("p99 ms", 7, ",.1f"),
        Column("CPU us/request", 14),
        Column("floor requests/s", 16),
        Column("ratio", 6, ".2f"),
    ),
)
_HALF_TABLE: Final = Table(
    _LABELS,
    (
        Column("requests/s", 10),
        Column("p50 ms", 7, ",.1f"),
        Column("p99 ms", 7, ",.1f"),
        Column("CPU us/request", 14),
    ),
)


def _shape(events: int, connections: int) -> tuple[Measured, Measured]:
    """Measure at full speed, then at half of it."""

    def start(checkout: Checkout) -> AbstractContextManager[Process]:
        return service_on(data_directory(paused=True, checkout=checkout), checkout)

    with for_each(start) as services, floor_server() as floor:

        def full(checkout: Checkout, number: int) -> Round:
            options = {"events": events, "connections": connections, "seconds": SECONDS}
            ours, cpu_us = measured_load(services[checkout], first=number * 10**9, **options)
            at_floor = load(floor.port, **options).rate
            return (ours.rate, ours.rate * events, ours.p50_ms, ours.p99_ms, cpu_us, at_floor, ours.rate / at_floor)

        def half(checkout: Checkout, number: int) -> Round:
            options = {"events": events, "connections": connections, "seconds": HALF_SECONDS, "rate": rate}
            ours, cpu_us = measured_load(services[checkout], first=(100 + number) * 10**9, **options)
            return (ours.rate, ours.p50_ms, ours.p99_ms, cpu_us)

        for checkout in checkouts():
            full(checkout, 0)  # warms up
        at_full = in_turn(ROUNDS, full)
        rate = min(statistics.median(figures[0] for figures in rounds) for rounds in at_full.values()) / 2
        return at_full, in_turn(ROUNDS, half)


def run() -> None:
    """Print rates and times of every shape, then times at half load."""
    print(f"Durable ingest over HTTP, a purchase with 3 products each (medians of {ROUNDS} rounds of {SECONDS:g} s)")
    _TABLE.print_head()
    at_half: list[tuple[tuple[int, int], Measured]] = []
    for shape in SHAPES:
        at_full, half = _shape(*shape)
        _TABLE.print_row(shape, at_full)
        at_half.append((shape, half))
    print(f"At half of that rate, on a schedule (medians of {ROUNDS} rounds of {HALF_SECONDS:g} s)")
    _HALF_TABLE.print_head()
    for shape, measured in at_half:
        _HALF_TABLE.print_row(shape, measured)
