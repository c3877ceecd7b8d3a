"""The console beside a large backlog and a full activity: its main pages, and what a live view costs the senders.

The backlog waits at a paused connection; the activity is as large as its bound lets it be, with every kind of record.
Ingest is measured as by `bench_ingest`, in turns without and with a live view that somebody watches: by one sender, who
makes about a thousand requests a second, and at full speed.
"""

import asyncio
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from bench.console_reader import Reader
from bench.processes import STORE_BYTES, Process, load, service
from bench.stock import MANY, new_events, payload, stocked
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.records import ActivityWrite, Facts, Record
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.mapping.explanation.advice import ADVICE_ON_DROPS
from tiktok_forwarder.settings import load_settings
from tiktok_forwarder.store.events import Arrivals
from tiktok_forwarder.store.sqlite.store import SqliteStore

ROUNDS: Final = 9
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
    "dead letters": "/dead-letters",
    "dead letters, a page of the list": f"/dead-letters/list?connection={_GONE}&reason=refused",
}
_REASONS: Final = [each for each in ADVICE_ON_DROPS if each != "connection_full"]
_ROW: Final = re.compile(r'<a href="(/activity/cn_[^"]+)"')


def _record(number: int, connection_id: str, at_ms: int) -> Record:
    """Of four, one is accepted, two are delivered or dropped, and now and then one fails."""
    event_id = f"e-{number // 4}"
    kind = number % 4
    if kind == 0:
        return Record(at_ms, connection_id, "accepted", "PlaceAnOrder", event_id, payload=payload())
    if number % 97 == 0:
        facts = Facts(verdict="try_later", answer=Answer(200, 50000, "System error", "r"), attempts=1, due_ms=at_ms)
        return Record(at_ms, connection_id, "retry", "PlaceAnOrder", event_id, "try_later", facts)
    if kind == 3:
        facts = Facts(detail="One sentence that says why it was dropped.", source="custom_event Newsletter Signup")
        return Record(at_ms, connection_id, "dropped", "", event_id, _REASONS[number % len(_REASONS)], facts)
    facts = Facts(verdict="accepted", answer=Answer(200, 0, "OK", "r"), attempts=1, accepted_at_ms=at_ms)
    return Record(at_ms, connection_id, "delivered", "PlaceAnOrder", event_id, "", facts)


async def _prepare(data_dir: Path) -> None:
    """Fill the activity up to its bound, and have dead letters of a connection that is gone."""
    settings = load_settings(None, {}, data_dir=data_dir)
    now_ms = time.time_ns() // 1_000_000
    store = SqliteStore.open(settings.database_file, max_bytes=STORE_BYTES)
    connection_id = (await store.list_documents("connection"))[0].id
    for first in range(0, DEAD_LETTERS, _PER_WRITE):
        await store.append(Arrivals(new_events(_GONE, 10**10 + first, _PER_WRITE), {}, now_ms))
    await store.dead_letter_all(_GONE, "refused", now_ms)
    await store.close()
    activity = ActivityFile.open(settings.activity_file, max_bytes=settings.activity_max_bytes)
    for first in range(0, RECORDS, _PER_WRITE):
        records = [_record(number, connection_id, now_ms) for number in range(first, first + _PER_WRITE)]
        while not activity.write(ActivityWrite(records, {}, [])):  # noqa: ASYNC110 - its thread sets no event
            await asyncio.sleep(0.05)
    await activity.close()


def _times(reader: Reader, path: str) -> tuple[float, float]:
    """Median and longest, in milliseconds."""
    reader.page(path)
    taken = [reader.seconds(path) * 1000 for _ in range(LOOKS)]
    return statistics.median(taken), max(taken)


def _print_pages(ours: Process, reader: Reader) -> None:
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
        rate = sending.result().requests / _SENDING_SECONDS
    if is_over:
        raise RuntimeError(f"the pages took longer than the {_SENDING_SECONDS:g} seconds of sending")
    print(f"{'':>36} {'nobody sends':>17} {f'{rate:,.0f} events/s come in':>25}")
    print(f"{'page':>36} {'p50 ms':>8} {'max ms':>8} {'p50 ms':>16} {'max ms':>8}")
    for name in pages:
        (median, longest), (busy_median, busy_longest) = quiet[name], busy[name]
        print(f"{name:>36} {median:>8.1f} {longest:>8.1f} {busy_median:>16.1f} {busy_longest:>8.1f}", flush=True)


class _Ingest(NamedTuple):
    requests_per_second: float
    cpu_us: float


def _ingest(ours: Process, number: int, connections: int) -> _Ingest:
    cpu_before = ours.cpu_seconds()
    options = {"events": 1, "connections": connections, "seconds": SECONDS}
    measured = load(ours.port, first=number * 10**9, **options)
    cpu_seconds = ours.cpu_seconds() - cpu_before
    return _Ingest(measured.requests / measured.seconds, cpu_seconds / measured.requests * 1e6)


def _print_ingest(ours: Process, reader: Reader, connections: int, first: int) -> None:
    _ingest(ours, first, connections)  # warms up
    alone: list[_Ingest] = []
    watched: list[_Ingest] = []
    for number in range(first + 1, first + 2 * ROUNDS, 2):
        alone.append(_ingest(ours, number, connections))
        with reader.watching("/activity/live") as sizes:
            watched.append(_ingest(ours, number + 1, connections))
        if not sizes:
            raise RuntimeError("the live view showed nothing")
    pairs = list(zip(alone, watched, strict=True))
    cpu_ratio = statistics.median(with_it.cpu_us / without.cpu_us for without, with_it in pairs)
    rate_ratio = statistics.median(
        with_it.requests_per_second / without.requests_per_second for without, with_it in pairs
    )
    columns = zip(*alone, *watched, strict=True)
    rates, cpu_us = ((statistics.median(each[:ROUNDS]), statistics.median(each[ROUNDS:])) for each in columns)
    print(
        f"{connections:>11} {rates[0]:>10,.0f} {rates[1]:>10,.0f}"
        f" {rate_ratio:>6.3f} {cpu_us[0]:>14,.0f} {cpu_us[1]:>14,.0f} {cpu_ratio:>6.3f}",
        flush=True,
    )


def run() -> None:
    """Print times of pages, then rates of ingest."""
    with stocked(MANY, paused=True) as path:
        asyncio.run(_prepare(path))
        with service(path) as ours:
            reader = Reader(ours.port, path)
            print(f"The console's pages beside {MANY:,} waiting events and a full activity ({LOOKS} looks each)")
            _print_pages(ours, reader)
            print(f"Ingest, 1 event a request, while nobody | somebody watches ({ROUNDS} rounds of {SECONDS:g} s)")
            print(f"{'connections':>11} {'requests/s':>21} {'ratio':>6} {'CPU us/request':>29} {'ratio':>6}")
            for number, connections in enumerate((1, 8)):
                _print_ingest(ours, reader, connections, first=1 + number * 100)
