"""Durable ingest over HTTP: the service on one core, the load on another, every 202 synced to disk.

The floor is the same HTTP server around an application that reads the body and answers, under the same load. Both take
turns in every round. The connection is paused, so that nothing is delivered meanwhile.
"""

import statistics
from typing import Final, NamedTuple

from bench.load import Load
from bench.processes import Process, data_directory, floor_server, load, service

ROUNDS: Final = 3
SECONDS: Final = 2.0
SHAPES: Final = ((1, 8), (1, 64), (100, 8), (100, 64))


class Round(NamedTuple):
    ours: Load
    cpu_us: float
    floor: Load

    @property
    def ratio(self) -> float:
        return _rate(self.ours) / _rate(self.floor)


def _rate(measured: Load) -> float:
    return measured.requests / measured.seconds


def _round(ours: Process, floor: Process, number: int, events: int, connections: int) -> Round:
    options = {"events": events, "connections": connections, "seconds": SECONDS}
    cpu_before = ours.cpu_seconds()
    measured = load(ours.port, first=number * 10**9, warm_up_seconds=0.0, **options)
    cpu_seconds = ours.cpu_seconds() - cpu_before
    return Round(measured, cpu_seconds / measured.requests * 1e6, load(floor.port, warm_up_seconds=0.0, **options))


def _shape(events: int, connections: int) -> list[Round]:
    with data_directory(paused=True) as path, service(path) as ours, floor_server() as floor:
        _round(ours, floor, 0, events, connections)  # warms both up
        return [_round(ours, floor, number, events, connections) for number in range(1, ROUNDS + 1)]


def run() -> None:
    """Print rates and times of every shape."""
    print(f"Durable ingest over HTTP, a purchase with 3 products each (medians of {ROUNDS} rounds of {SECONDS:g} s)")
    print(
        f"{'events':>6} {'connections':>11} {'requests/s':>10} {'events/s':>9} {'p50 ms':>7} {'p99 ms':>7}"
        f" {'CPU us/request':>14} {'floor requests/s':>16} {'ratio':>6}"
    )
    for events, connections in SHAPES:
        rounds = _shape(events, connections)
        rate, floor, p50, p99, cpu_us, ratio = (
            statistics.median(column)
            for column in zip(
                *(
                    (_rate(each.ours), _rate(each.floor), each.ours.p50_ms, each.ours.p99_ms, each.cpu_us, each.ratio)
                    for each in rounds
                ),
                strict=True,
            )
        )
        print(
            f"{events:>6} {connections:>11} {rate:>10,.0f} {rate * events:>9,.0f} {p50:>7.1f} {p99:>7.1f}"
            f" {cpu_us:>14,.0f} {floor:>16,.0f} {ratio:>6.2f}",
            flush=True,
        )


if __name__ == "__main__":
    run()
