"""Counts that another program has spoiled: they are counted again from the events, and none is ever below zero."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.conformance.rig import T0, event
from tiktok_forwarder.domain.outcome import DeadLettered, Delivered
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite.store import SqliteStore

ALL = DeadLetterFilter()
TEN_BYTES = b"x" * 10


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """Three waiting events and two dead letters of ten bytes each."""
    path = tmp_path / "events.db"
    store = SqliteStore.open(path, max_bytes=2_000_000)
    await store.append(Arrivals([event(f"e{n}", payload=TEN_BYTES, subjects=(n + 1,)) for n in range(5)], {}, T0))
    lease = await store.lease("a", GroupLimits({"2.0": 2}), T0, 60)
    assert lease is not None
    await store.settle(lease, {each.event_no: DeadLettered("refused") for each in lease.events}, T0)
    await store.close()
    return path


def change(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)


def lane(file: Path) -> tuple[int, ...]:
    """Waiting events, their bytes, dead letters and their bytes, as they are stored."""
    with closing(sqlite3.connect(file)) as connection:
        row = connection.execute("SELECT waiting, waiting_bytes, dead_letters, dead_letter_bytes FROM lanes").fetchone()
    return tuple(row)


async def totals(store: SqliteStore) -> dict[str, int]:
    return {row.counter: row.count for row in await store.totals()}


async def figures(store: SqliteStore) -> Sequence[int]:
    counts = (await store.counts())["a"]
    return counts.waiting, counts.waiting_bytes, counts.dead_letters


@pytest.mark.parametrize("column", ["waiting", "waiting_bytes", "dead_letters", "dead_letter_bytes"])
async def test_negative_figure_is_counted_again_at_the_start(column: str, file: Path) -> None:
    """A file that two programs have written may hold one; the events themselves say what is right."""
    change(file, f"UPDATE lanes SET {column} = -1")  # noqa: S608
    store = SqliteStore.open(file, max_bytes=2_000_000)
    assert await figures(store) == (3, 30, 2)
    await store.append(Arrivals([event("e5", payload=TEN_BYTES)], {}, T0))
    await store.close()
    assert lane(file) == (4, 40, 2, 20)


async def test_figure_that_would_become_negative_is_counted_again(file: Path) -> None:
    """Deliveries and discards of more than was counted leave what the queue really holds."""
    change(file, "UPDATE lanes SET waiting = 1, waiting_bytes = 10, dead_letters = 1, dead_letter_bytes = 10")
    store = SqliteStore.open(file, max_bytes=2_000_000)
    lease = await store.lease("a", GroupLimits({"2.0": 2}), T0, 60)
    assert lease is not None
    await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
    assert await figures(store) == (1, 10, 2)
    assert await store.discard(ALL, T0) == 2
    assert await figures(store) == (1, 10, 0)
    await store.close()
    assert lane(file) == (1, 10, 0, 0)


async def test_total_never_falls_below_zero(file: Path) -> None:
    """A replay takes from the dead-lettered, and an erasure too; what is not there cannot be taken."""
    change(file, "UPDATE totals SET count = 1 WHERE counter = 'dead_lettered'")
    store = SqliteStore.open(file, max_bytes=2_000_000)
    assert await store.replay(ALL, T0) == 2
    assert (await totals(store)).get("dead_lettered", 0) == 0
    lease = await store.lease("a", GroupLimits(), T0, 60)
    assert lease is not None
    await store.settle(lease, {each.event_no: DeadLettered("refused") for each in lease.events}, T0)
    assert (await totals(store))["dead_lettered"] == 5
    await store.close()
    change(file, "DELETE FROM totals WHERE counter = 'dead_lettered'")
    store = SqliteStore.open(file, max_bytes=2_000_000)
    assert await store.erase([1], T0) == 1
    assert "dead_lettered" not in await totals(store)
    await store.close()
    change(file, "UPDATE totals SET count = -7 WHERE counter = 'dead_lettered'")
    store = SqliteStore.open(file, max_bytes=2_000_000)
    assert "dead_lettered" not in await totals(store)
    await store.close()
