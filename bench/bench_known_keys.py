"""Durable ingest, as by `bench_ingest`, when many events were taken in within the last 48 hours.

The keys of all of them are known, and each new event is looked up among them. Services with few and with many known
keys take turns in every round, so that their ratio holds. What the keys alone take is that of a service at rest.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import apsw

from bench.checkouts import Checkout, Round, for_each, in_turn
from bench.processes import Process, measured_load, service, service_on
from bench.stock import KNOWN, knowing
from bench.table import Column, Table

ROUNDS: Final = 3
SECONDS: Final = 2.0
SHAPES: Final = ((1, 64), (100, 8))
_SETTLE_SECONDS: Final = 1.0
_COUNTS: Final = (0, *KNOWN)
_TABLE: Final = Table(
    (("events", 6), ("connections", 11), ("known keys", 10)),
    (
        Column("requests/s", 10),
        Column("events/s", 9),
        Column("p99 ms", 7, ",.1f"),
        Column("CPU us/request", 14),
        Column("rate/none known", 15, ".2f"),
    ),
)
_REST_TABLE: Final = Table(
    (("known keys", 10),),
    (Column("ready s", 7, ",.2f"), Column("resident MiB", 12, ",.1f"), Column("database MiB", 12, ",.1f")),
)


@contextlib.contextmanager
def _services(checkout: Checkout) -> Iterator[Mapping[int, Process]]:
    """A service for each number of known keys."""
    with contextlib.ExitStack() as stack:
        yield {keys: stack.enter_context(service_on(knowing(keys, checkout=checkout), checkout)) for keys in _COUNTS}


def _print_shape(events: int, connections: int) -> None:
    def measure(checkout: Checkout, number: int) -> Mapping[int, Round]:
        figures: dict[int, tuple[float, ...]] = {}
        options = {"events": events, "connections": connections, "seconds": SECONDS, "first": number * 10**9}
        for keys in _COUNTS if number % 2 else reversed(_COUNTS):
            ours, cpu_us = measured_load(services[checkout][keys], **options)
            figures[keys] = (ours.rate, ours.rate * events, ours.p99_ms, cpu_us)
        return {keys: (*each, each[0] / figures[0][0]) for keys, each in figures.items()}

    with for_each(_services) as services:
        for checkout in services:
            measure(checkout, 0)  # warms up
        measured = in_turn(ROUNDS, measure)
    for keys in _COUNTS:
        rounds = {checkout: [each[keys] for each in every_round] for checkout, every_round in measured.items()}
        _TABLE.print_row((events, connections, keys), rounds)


def _used_mib(database: Path) -> float:
    """Return the size of the pages in use: those of delivered events are free."""
    with contextlib.closing(apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        pages = connection.pragma("page_count") - connection.pragma("freelist_count")
        return float(pages * connection.pragma("page_size") / 1024**2)


def _at_rest(checkout: Checkout, keys: int) -> Round:
    with knowing(keys, checkout=checkout) as path:
        used_mib = _used_mib(path / "events.db")
        with service(path, checkout=checkout) as ours:
            ready_seconds = time.perf_counter() - ours.started_at
            time.sleep(_SETTLE_SECONDS)
            return (ready_seconds, ours.memory_mib()[0], used_mib)


def _print_rest(keys: int) -> None:
    _REST_TABLE.print_row((keys,), in_turn(ROUNDS, lambda checkout, _: _at_rest(checkout, keys)))


def run() -> None:
    """Print rates and times by shape and number of known keys, then what the keys take."""
    print(f"Durable ingest with many known keys (medians of {ROUNDS} rounds of {SECONDS:g} s)")
    _TABLE.print_head()
    for shape in SHAPES:
        _print_shape(*shape)
    print(f"At rest, after a start (medians of {ROUNDS} rounds)")
    _REST_TABLE.print_head()
    for keys in _COUNTS:
        _print_rest(keys)
