"""SIGKILL of `migrate` at every step and at random moments: repeated, it moves every row once, in both directions."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.conformance.moving_rig import Side, SqliteSide, fill, new_side
from tests.conformance.rig import T0, event
from tests.crash.conftest import PrintAtEnd, Soak
from tests.crash.nursery import ProcessSpawner, SpawnRequest
from tests.integration.service_process import environment
from tests.postgres_server import OwnServer, own_server
from tiktok_forwarder.store.queue import Arrivals

MOST_STEPS = 9
EVENTS = 20_000
SOAK_EVENTS = 1_000_000
APPENDED_AT_ONCE = 1000
PAYLOAD_BYTES = 600

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]


@pytest.fixture
def nursery() -> Iterator[ProcessSpawner]:
    spawner = ProcessSpawner()
    yield spawner
    spawner.close()


@pytest.fixture(params=[("sqlite", "postgres"), ("postgres", "sqlite")], ids="-to-".join)
async def sides(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Side, Side]]:
    async with AsyncExitStack() as stack:
        kinds = zip(request.param, ("from", "to"), strict=True)
        source, target = [await stack.enter_async_context(new_side(kind, tmp_path / name)) for kind, name in kinds]
        yield source, target


async def test_migration_that_is_killed_at_any_step_continues(
    sides: tuple[Side, Side], tmp_path: Path, nursery: ProcessSpawner, seed: int
) -> None:
    """Before, in and after each transaction of either store, one life after the other."""
    source, target = sides
    store = await source.open()
    await fill(store, 200)
    await store.close()
    before = await source.contents()
    chance = random.Random(seed)
    log = tmp_path / "log"
    migrating = ("migrate", "--from", source.address, "--to", target.address)
    kills = 0
    while True:
        nursery.start(SpawnRequest(migrating, environment(), str(log), ("mid-move", chance.randint(1, MOST_STEPS))))
        if (status := await asyncio.to_thread(nursery.ended)) == 0:
            break
        assert status == -signal.SIGKILL, log.read_text()
        kills += 1
    assert kills > 10
    assert await target.contents() == before == await source.contents()


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server() as started:
        yield started


async def test_many_events_migrate_there_and_back_over_kills(
    server: OwnServer, tmp_path: Path, soak: Soak, seed: int, print_at_end: PrintAtEnd
) -> None:
    """Number, order, sizes and totals are those of the beginning, whenever the command was killed."""
    events = soak.choose(EVENTS, SOAK_EVENTS, SOAK_EVENTS)
    address = server.address(await server.create_database())
    chance = random.Random(seed)
    await _append(tmp_path / "from", events)
    before = _sums(tmp_path / "from")
    lines = []
    for source, target in ((tmp_path / "from", address), (address, tmp_path / "back")):
        began = time.monotonic()
        killed, lasting = await asyncio.to_thread(_migrate_over_kills, str(source), str(target), chance)
        lines.append(
            f"{events:,} events to {'SQLite' if source == address else 'PostgreSQL'}: {killed} kills in "
            f"{time.monotonic() - began:.0f} s; the last life took {lasting:.1f} s"
        )
    assert _sums(tmp_path / "back") == before
    print_at_end("\n".join(lines))


async def _append(folder: Path, events: int) -> None:
    store = await SqliteSide(folder).open()
    starts = iter(range(0, events, APPENDED_AT_ONCE))

    async def append() -> None:
        for start in starts:
            numbers = range(start, start + APPENDED_AT_ONCE)
            new = [event(f"{number}", payload=b"%0*d" % (PAYLOAD_BYTES, number)) for number in numbers]
            await store.append(Arrivals(new, {}, T0))

    await asyncio.gather(append(), append())
    await store.close()


def _sums(folder: Path) -> Sequence[Any]:
    with closing(apsw.Connection(str(folder / "events.db"))) as connection:
        assert connection.pragma("integrity_check") == "ok"
        rows: Sequence[Any] = connection.execute(
            "SELECT count(*), count(DISTINCT event_id), sum((row_no & ((1 << 46) - 1)) * CAST(event_id AS INTEGER)), "
            "sum(length(payload)), sum(CAST(payload AS INTEGER) = CAST(event_id AS INTEGER)), "
            "(SELECT waiting FROM lanes), (SELECT group_concat(counter || count) FROM totals), "
            "(SELECT next FROM sequences) FROM fresh"
        ).fetchall()
    return rows


def _migrate_over_kills(source: str, target: str, chance: random.Random) -> tuple[int, float]:
    """Kill the command ever later; return how often, and the seconds of the life that was let go on."""
    command = (sys.executable, "-m", "tiktok_forwarder", "migrate", "--from", source, "--to", target)
    kills = 0
    while True:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            output, errors = process.communicate(timeout=chance.uniform(0.3, 1 + kills))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0, errors
        assert json.loads(output)["waiting"] > 0
        return kills, time.monotonic() - began
