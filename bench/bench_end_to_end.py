"""From the load through the service to TikTok's stand-in, each a process: accepted, mapped, stored, sent, settled.

The service has one core; load and stand-in share the others. The sandbox checks every event as TikTok does, which on
two cores is most of what one waits for, so what it takes by itself stands beside it; the sink only counts.
"""

import http.client
import time
from collections.abc import Callable
from typing import Final

import msgspec

from bench.checkouts import Checkout, Round, in_turn
from bench.processes import PIXEL, Process, answer_of, data_directory, load, sandbox, service, sink
from bench.sink import Arrived
from bench.stock import new_events
from bench.table import Column, Table
from tiktok_forwarder.tiktok.v2_0 import V2_0
from tiktok_sandbox.records import Counts

ROUNDS: Final = 3
EVENTS: Final = 60_000
PER_REQUEST: Final = 100
CONNECTIONS: Final = 8
_GROUP: Final = 1000
_PATIENCE_SECONDS: Final = 120.0
_TABLE: Final = Table(
    (("to", 8),),
    (
        Column("events/s", 9),
        Column("service CPU us/event", 20, ".0f"),
        Column("stand-in alone events/s", 23),
        Column("ratio", 6, ".2f"),
    ),
)


def _in_sandbox(url: str) -> int:
    return msgspec.json.decode(answer_of(f"{url}/sandbox/counts")[1], type=Counts).events


def _in_sink(url: str) -> int:
    return msgspec.json.decode(answer_of(f"{url}/arrived")[1], type=Arrived).events


def _wait_for_all(received: Callable[[str], int], url: str) -> None:
    deadline = time.perf_counter() + _PATIENCE_SECONDS
    while (arrived := received(url)) < EVENTS:
        if time.perf_counter() > deadline:
            raise RuntimeError(f"only {arrived} of {EVENTS} events have arrived")
        time.sleep(0.01)


def _through(checkout: Checkout, start: Callable[[], Process], received: Callable[[str], int]) -> tuple[float, float]:
    """Events per second until all have arrived, and the service's CPU time for each in microseconds."""
    with (
        data_directory(paused=False, checkout=checkout) as path,
        start() as tiktok,
        service(path, tiktok.url, checkout, max_wait_seconds="0.05") as ours,
    ):
        cpu_before = ours.cpu_seconds()
        loaded = load(ours.port, events=PER_REQUEST, connections=CONNECTIONS, requests=EVENTS // PER_REQUEST)
        _wait_for_all(received, tiktok.url)
        return EVENTS / (time.monotonic() - loaded.began_at), (ours.cpu_seconds() - cpu_before) / EVENTS * 1e6


def _alone(start: Callable[[], Process], received: Callable[[str], int]) -> float:
    """Events per second that the stand-in takes when groups lie ready."""
    groups = [
        V2_0.build_request(PIXEL, [event.payload for event in new_events("", first, _GROUP)], None)
        for first in range(0, EVENTS, _GROUP)
    ]
    with start() as tiktok:
        connection = http.client.HTTPConnection("127.0.0.1", tiktok.port)
        began = time.perf_counter()
        for path, body in groups:
            connection.request("POST", path, body, {"Access-Token": "example", "Content-Type": "application/json"})
            connection.getresponse().read()
        _wait_for_all(received, tiktok.url)
        return EVENTS / (time.perf_counter() - began)


def run() -> None:
    """Print rates to the sandbox and to the sink."""
    print(f"End to end, {EVENTS:,} events, {PER_REQUEST} a request, {CONNECTIONS} connections (medians of {ROUNDS})")
    _TABLE.print_head()
    for start, received in ((sandbox, _in_sandbox), (sink, _in_sink)):

        def measure(
            checkout: Checkout,
            _number: int,
            start: Callable[[], Process] = start,
            received: Callable[[str], int] = received,
        ) -> Round:
            rate, cpu_us = _through(checkout, start, received)
            alone = _alone(start, received)
            return (rate, cpu_us, alone, rate / alone)

        _TABLE.print_row((start.__name__,), in_turn(ROUNDS, measure))
