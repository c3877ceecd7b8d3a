"""The console beside a large backlog and a full activity: its main pages, and what a live view costs the senders.

The backlog waits at a paused connection; the activity is as large as its bound lets it be, with every kind of record.
Ingest is measured as by `bench_ingest`, in turns without and with a live view that somebody watches: by one sender, who
makes about a thousand requests a second, and at full speed.
"""

import asyncio
import contextlib
import re
import statistics
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from bench.checkouts import THIS, Checkout, Measured, Round, for_each, in_turn
from bench.console_reader import Reader
from bench.processes import Process, load, measured_load, service
from bench.queue_types import Arrivals
from bench.stock import MANY, new_events, open_store, payload, stocked
from bench.table import Column, Table
from tiktok_forwarder.activity.event_figures import HOUR_MS, KEPT_HOURS
from tiktok_forwarder.activity.event_names import MAX_NAMES
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.records import ActivityWrite, Facts, Figures, HourKey, NameCounts, NameKey, Record
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DROPS
from tiktok_forwarder.setting_reading import load_settings

ROUNDS: Final = 9
# Of the pages, when two checkouts are compared; each round is many looks.
ROUNDS_COMPARED: Final = 3
SECONDS: Final = 3.0
LOOKS: Final = 15
RECORDS: Final = 500_000
DEAD_LETTERS: Final = 100_000
_PER_WRITE: Final = 5000
_SENDING_SECONDS: Final = 25.0
_GONE: Final = "cn_0000000000000000"
_PAGES: Final = {
    "front page": "/",
    "activity": "/activity",
    "activity, drops of one reason": "/activity?outcome=dropped&reason=missing_ip",
    "activity, one connection": "/activity?connection=Bench",
    "activity, a reason that nothing has": "/activity?reason=connection_full",
    "activity, one event id": "/activity?event_id=e-4000",
    "activity, a name that nothing has": "/activity?source_name=nothing",
    "dead letters": "/dead-letters",
    "dead letters, a page of the list": f"/dead-letters/list?connection={_GONE}&reason=refused",
}
_EVENTS: Final = ("PlaceAnOrder", "AddToCart", "ViewContent", "InitiateCheckout", "AddToWishlist")
_REASONS: Final = [each for each in ADVICE_ON_DROPS if each != "connection_full"]
_PAGES_TABLE: Final = Table(
    (("page", 36),),
    (
        Column("p50 ms", 8, ".1f"),
        Column("max ms", 8, ".1f"),
        Column("p50 ms", 16, ".1f"),
        Column("max ms", 8, ".1f"),
    ),
)
_INGEST_TABLE: Final = Table(
    (("connections", 11),),
    (
        Column("", 10),
        Column("requests/s", 10),
        Column("ratio", 6, ".3f"),
        Column("", 14),
        Column("CPU us/request", 14),
        Column("ratio", 6, ".3f"),
    ),
)
_ROW: Final = re.compile(r'<a href="(/activity/cn_[^"]+)"')


def _record(number: int, connection_id: str, at_ms: int) -> Record:
    """Of four, one is accepted, two are delivered or dropped, and now and then one fails."""
    event_id = f"e-{number // 4}"
    kind = number % 4
    if kind == 0:
        order_id = f"o-{number}"
        return Record(
            at_ms,
            connection_id,
            "accepted",
            "PlaceAnOrder",
            event_id,
            payload=payload(),
            source_name="purchase",
            order_id=order_id,
        )
    if number % 97 == 0:
        facts = Facts(verdict="try_later", answer=Answer(200, 50000, "System error", "r"), attempts=1, due_ms=at_ms)
        return Record(at_ms, connection_id, "retry", "PlaceAnOrder", event_id, "try_later", facts)
    if kind == 3:
        facts = Facts(detail="One sentence that says why it was dropped.", source="custom_event Newsletter Signup")
        reason = _REASONS[number % len(_REASONS)]
        return Record(at_ms, connection_id, "dropped", "", event_id, reason, facts, source_name="newsletter signup")
    facts = Facts(verdict="accepted", answer=Answer(200, 0, "OK", "r"), attempts=1, accepted_at_ms=at_ms)
    return Record(at_ms, connection_id, "delivered", "PlaceAnOrder", event_id, "", facts)


def prepare(data_dir: str) -> None:
    """Fill the activity up to its bound, and have dead letters of a connection that is gone."""
    asyncio.run(_prepare(data_dir))


async def _prepare(data_dir: str) -> None:
    settings = load_settings(None, {}, data_dir=Path(data_dir))
    now_ms = time.time_ns() // 1_000_000
    async with open_store(data_dir) as (store, connection_id):
        for first in range(0, DEAD_LETTERS, _PER_WRITE):
            await store.append(Arrivals(new_events(_GONE, 10**10 + first, _PER_WRITE), {}, now_ms))
        await store.dead_letter_all(_GONE, "refused", now_ms)
    activity = ActivityFile.open(settings.activity_file, max_bytes=settings.activity_max_bytes)
    for first in range(0, RECORDS, _PER_WRITE):
        records = [_record(number, connection_id, now_ms) for number in range(first, first + _PER_WRITE)]
        while not activity.write(ActivityWrite(records, {}, [])):  # noqa: ASYNC110 - its thread sets no event
            await asyncio.sleep(0.05)
    while not activity.write(ActivityWrite((), {}, (), *_counts(connection_id, now_ms))):  # noqa: ASYNC110 - the same
        await asyncio.sleep(0.05)
    await activity.close()


def _counts(connection_id: str, now_ms: int) -> tuple[dict[HourKey, Figures], dict[NameKey, NameCounts]]:
    """Return figures of every hour that is kept, and as many names as a connection may have."""
    figures = {
        "mapped": 50,
        "delivered": 49,
        "valued.EUR": 50,
        "value.EUR": 10**9,
        "match_events": 50,
        "match.email": 9,
    }
    last = now_ms // HOUR_MS
    hours = [(hour, connection_id, name) for hour in range(last - KEPT_HOURS + 1, last + 1) for name in _EVENTS]
    names = [(connection_id, "custom_event", f"Event {number}") for number in range(MAX_NAMES)]
    return {each: figures for each in hours}, {each: NameCounts(now_ms, now_ms, 1, 2, 3) for each in names}


class _Console(NamedTuple):
    ours: Process
    reader: Reader


@contextlib.contextmanager
def _console(checkout: Checkout) -> Iterator[_Console]:
    with stocked(MANY, paused=True, checkout=checkout) as path:
        checkout.call(prepare, str(path))
        with service(path, checkout=checkout) as ours:
            yield _Console(ours, Reader(ours.port, path, checkout))


def _times(reader: Reader, path: str) -> tuple[float, float]:
    """Median and longest, in milliseconds."""
    reader.page(path)
    taken = [reader.seconds(path) * 1000 for _ in range(LOOKS)]
    return statistics.median(taken), max(taken)


class _Pages(NamedTuple):
    """The times of each page without and with a sender, and the sender's events per second."""

    times: Mapping[str, Round]
    rate: float


def _pages(ours: Process, reader: Reader) -> _Pages:
    found = _ROW.search(reader.page("/activity?outcome=accepted"))
    if found is None:
        raise RuntimeError("the activity shows no accepted event")
    pages = {**_PAGES, "an event": found[1], "health, a week": f"/health/{found[1].split('/')[2]}?period=week"}
    quiet = {name: _times(reader, path) for name, path in pages.items()}
    with ThreadPoolExecutor(1) as sender:
        options = {"first": 5 * 10**11, "events": 1, "connections": 1, "seconds": _SENDING_SECONDS}
        sending = sender.submit(load, ours.port, **options)
        time.sleep(1)
        busy = {name: _times(reader, path) for name, path in pages.items()}
        is_over = sending.done()
        rate = sending.result().rate
    if is_over:
        raise RuntimeError(f"the pages took longer than the {_SENDING_SECONDS:g} seconds of sending")
    return _Pages({name: (*quiet[name], *busy[name]) for name in pages}, rate)


def _print_pages(consoles: Mapping[Checkout, _Console]) -> None:
    rounds = ROUNDS_COMPARED if len(consoles) > 1 else 1
    measured = in_turn(rounds, lambda checkout, _: _pages(*consoles[checkout]))
    rate = statistics.mean(pages.rate for every_round in measured.values() for pages in every_round)
    print(f"{'':>36} {'no senders':>17} {f'{rate:,.0f} events/s received':>25}")
    _PAGES_TABLE.print_head()
    for name in measured[THIS][0].times:
        figures = {checkout: [pages.times[name] for pages in every_round] for checkout, every_round in measured.items()}
        _PAGES_TABLE.print_row((name,), figures)


def _ingest(ours: Process, number: int, connections: int) -> tuple[float, float]:
    """Return requests per second, and CPU microseconds for a request."""
    options = {"events": 1, "connections": connections, "seconds": SECONDS, "first": number * 10**9}
    measured, cpu_us = measured_load(ours, **options)
    return measured.rate, cpu_us


def _watched_ingest(consoles: Mapping[Checkout, _Console], connections: int, first: int) -> Measured:
    """Measure without and with a live view in each round."""

    def measure(checkout: Checkout, number: int) -> Round:
        ours, reader = consoles[checkout]
        rate, cpu_us = _ingest(ours, first + 2 * number, connections)
        with reader.watching("/activity/live") as sizes:
            watched_rate, watched_cpu_us = _ingest(ours, first + 2 * number + 1, connections)
        if not sizes:
            raise RuntimeError("the live view showed nothing")
        return (rate, watched_rate, watched_rate / rate, cpu_us, watched_cpu_us, watched_cpu_us / cpu_us)

    for ours, _ in consoles.values():
        _ingest(ours, first, connections)  # warms up
    return in_turn(ROUNDS, measure)


def run() -> None:
    """Print times of pages, then rates of ingest."""
    with for_each(_console) as consoles:
        print(f"The console's pages beside {MANY:,} waiting events and a full activity ({LOOKS} looks each)")
        _print_pages(consoles)
        print(f"Ingest, 1 event a request, without | with a live view ({ROUNDS} rounds of {SECONDS:g} s)")
        _INGEST_TABLE.print_head()
        for number, connections in enumerate((1, 8)):
            _INGEST_TABLE.print_row((connections,), _watched_ingest(consoles, connections, first=1 + number * 100))
