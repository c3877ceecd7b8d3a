"""End to end with 1, 2 and 4 services over one PostgreSQL database, and with one on SQLite.

Each event goes to four connections with access tokens of their own, so that four nodes can deliver: the figures count
deliveries. Services, database, load and sink share all cores; on two of them, more processes only show what sharing
costs. The server is started by the benchmark, with its usual settings and without a standby.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from tests.postgres_server import own_server

from bench.checkouts import Checkout, Round, in_turn
from bench.processes import OTHER_CORES, SERVICE_CORE, STORE_BYTES, Process, answer_of, load, operate, sink
from bench.sink import Arrived
from bench.table import Column, Table
from bench.traffic import KEY, SECRET

ROUNDS: Final = int(os.environ.get("BENCH_NODES_ROUNDS", "3"))
NODES: Final = (1, 2, 4)
TOKENS: Final = 4
EVENTS: Final = int(os.environ.get("BENCH_NODES_EVENTS", "16000"))
PER_REQUEST: Final = 100
CONNECTIONS: Final = 8
_PATIENCE_SECONDS: Final = 120.0
_TABLE: Final = Table(
    (("store", 10), ("services", 8)),
    (Column("deliveries/s", 12), Column("service CPU us/delivery", 23, ".0f"), Column("accepted after s", 16, ".1f")),
)


def run() -> None:
    """Print the rates of one service on SQLite, and of several on PostgreSQL."""
    print(
        f"End to end, {EVENTS:,} events to {TOKENS} connections each, {PER_REQUEST} a request, {CONNECTIONS} senders "
        f"at a time (medians of {ROUNDS})"
    )
    _TABLE.print_head()
    _TABLE.print_row(("SQLite", "1"), in_turn(ROUNDS, lambda checkout, _: _through(checkout, "sqlite", 1)))
    for services in NODES:

        def measure(checkout: Checkout, _number: int, services: int = services) -> Round:
            with own_server() as server:
                return _through(checkout, server.address("postgres"), services)

        _TABLE.print_row(("PostgreSQL", f"{services}"), in_turn(ROUNDS, measure))


def _through(checkout: Checkout, store: str, services: int) -> Round:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, sink() as tiktok, ExitStack() as stack:
        places = [Path(folder) / f"data{number}" for number in range(services)]
        _set_up(places, store, checkout)
        nodes = [stack.enter_context(_service(place, store, tiktok.url, checkout)) for place in places]
        cpu_before = _cpu_seconds(nodes)
        began = time.monotonic()
        with ThreadPoolExecutor(services) as senders:
            requests = EVENTS // PER_REQUEST // services
            options = {"events": PER_REQUEST, "connections": CONNECTIONS // services, "requests": requests}
            sent = [
                senders.submit(load, node.port, first=number * 10**9, **options) for number, node in enumerate(nodes)
            ]
            for each in sent:
                each.result()
        accepted = time.monotonic() - began
        deliveries = requests * services * PER_REQUEST * TOKENS
        _wait_for(deliveries, tiktok.url)
        seconds = time.monotonic() - began
        return deliveries / seconds, (_cpu_seconds(nodes) - cpu_before) / deliveries * 1e6, accepted


def _set_up(places: Sequence[Path], store: str, checkout: Checkout) -> None:
    shared = () if store == "sqlite" else ("--store", store)
    operate(places[0], checkout, "inputs", "add", "--name", "bench", "--key", KEY, "--secret", SECRET, *shared)
    for number in range(TOKENS):
        file = places[0].parent / f"{number}.toml"
        file.write_text(
            f'name = "Bench {number}"\npixel_id = "EXAMPLEPIXEL{number}"\naccess_token = "example-token-{number}"\n'
        )
        operate(places[0], checkout, "connections", "add", str(file), *shared)
    for place in places[1:]:
        place.mkdir(mode=0o700)
        shutil.copy2(places[0] / "encryption.key", place)


def _service(place: Path, store: str, tiktok_url: str, checkout: Checkout) -> Process:
    return Process(
        ["tiktok_forwarder", "serve", "--port", "0", "--data-dir", str(place), "--store", store],
        SERVICE_CORE | OTHER_CORES,
        checkout,
        TIKTOK_FORWARDER_TIKTOK_BASE_URL=tiktok_url,
        TIKTOK_FORWARDER_MAX_STORE_BYTES=str(STORE_BYTES),
        TIKTOK_FORWARDER_MAX_WAIT_SECONDS="0.05",
    )


def _cpu_seconds(nodes: Sequence[Process]) -> float:
    return sum(node.cpu_seconds() for node in nodes)


def _wait_for(deliveries: int, url: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (arrived := msgspec.json.decode(answer_of(f"{url}/arrived")[1], type=Arrived).events) < deliveries:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {arrived} of {deliveries} deliveries have arrived")
        time.sleep(0.01)
