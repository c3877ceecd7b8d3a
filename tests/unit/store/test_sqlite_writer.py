"""How the thread that owns the database groups what waits, in which order it works, and how long it is patient."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path

import apsw
import pytest

from tests.conformance.rig import T0, event, together
from tiktok_forwarder.database.thread import Change
from tiktok_forwarder.domain.errors import LeaseLost, StoreUnavailable
from tiktok_forwarder.domain.outcome import Delivered, Retry
from tiktok_forwarder.store.queue import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.settling import dead_letter_some, settle
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.sqlite.transaction import Transaction


async def _append(store: SqliteStore, event_id: str) -> Sequence[str]:
    return await store.append(Arrivals([event(event_id)], {}, T0))


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def _busy_timeout(store: SqliteStore) -> int:
    timeout_ms: int = await store._writer.look(lambda state: state.connection.pragma("busy_timeout"))
    return timeout_ms


@pytest.mark.parametrize(
    ("weights", "groups"),
    [([1] * 4001, [4000, 1]), ([65_536, 65_536, 1], [2, 1]), ([65_536, 65_535, 1, 1], [3, 1]), ([500_000, 1], [1, 1])],
    ids=["changes", "bytes", "the last byte", "one larger change"],
)
async def test_transaction_is_bounded_in_changes_and_bytes(
    tmp_path: Path, weights: list[int], groups: list[int]
) -> None:
    """However much waits, a transaction takes 4,000 changes, or about what fits into the log of a small store."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=1_048_576)
    changes = [store._writer.write(lambda transaction: transaction, weight_bytes=weight) for weight in weights]
    transactions = await together(store, *changes)
    assert [len(list(group)) for _, group in groupby(transactions, key=id)] == groups
    await store.close()


async def test_gathered_work_is_done_together_and_before_other_changes(tmp_path: Path) -> None:
    """A change sees all that was asked for before it; the requests between two such changes share their statements."""
    store = SqliteStore.open(tmp_path / "events.db")
    done: list[object] = []

    def work(transaction: Transaction, items: list[int]) -> None:
        done.append(items)

    async def gathered(item: int) -> None:
        await store._writer.submit(Change(lambda transaction: transaction.gather(work, item)))

    await together(store, gathered(1), gathered(2), store._writer.write(lambda _: done.append("change")), gathered(3))
    assert done == [[1, 2], "change", [3]]
    await store.close()


async def test_closing_waits_until_the_files_are_closed(tmp_path: Path) -> None:
    """Whoever opens the database next finds no log, the reserve for its start, and everything that was asked for."""
    store = SqliteStore.open(tmp_path / "events.db")
    look = asyncio.create_task(store._writer.look(lambda _: time.sleep(0.05)))
    appending = asyncio.create_task(_append(store, "1"))
    await asyncio.sleep(0)
    await store.close()
    assert sorted(_names(tmp_path)) == ["events.db", "events.reserve"]
    await look
    assert await appending == ["stored"]


async def test_short_lock_of_another_is_waited_for(tmp_path: Path) -> None:
    """A write of another program delays senders, who notice nothing else of it."""
    file = tmp_path / "events.db"
    store = SqliteStore.open(file)
    with closing(apsw.Connection(str(file))) as other:
        other.execute("BEGIN IMMEDIATE")
        appending = asyncio.create_task(_append(store, "1"))
        await asyncio.sleep(0.05)
        assert not appending.done()
        other.execute("ROLLBACK")
    assert await appending == ["stored"]
    assert await _busy_timeout(store) == 5000
    await store.close()


async def test_known_lock_of_another_is_waited_for_briefly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lock was waited for in vain, requests are refused soon; the patience returns with the next write."""
    file = tmp_path / "events.db"
    store = SqliteStore.open(file)
    with closing(apsw.Connection(str(file))) as other:
        other.execute("BEGIN IMMEDIATE")
        with monkeypatch.context() as impatient, pytest.raises(StoreUnavailable):
            impatient.setattr(sqlite_file, "BUSY_MS", 20)
            await _append(store, "1")
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await _append(store, "1")
        assert 0.2 < time.monotonic() - began < 2
        assert await _busy_timeout(store) == 250
    for event_id in ("1", "2"):
        assert await _append(store, event_id) == ["stored"]
    assert await _busy_timeout(store) == 5000
    await store.close()


async def test_undone_transaction_gives_events_back_to_their_lease(tmp_path: Path) -> None:
    """Events that a change at fault has settled or moved are held as before, and their lease settles them."""
    store = SqliteStore.open(tmp_path / "events.db")
    await store.append(Arrivals([event(each) for each in "123"], {}, T0))
    lease = await store.lease("a", GroupLimits(), T0, 60)
    assert lease is not None
    one, two, three = (each.event_no for each in lease.events)

    def fault(transaction: Transaction) -> None:
        settle(transaction, lease, {one: Delivered(), two: Retry(0)}, T0)
        assert dead_letter_some(transaction, "a", "connection_deleted", three + 1, T0) == 2
        settle(transaction, lease, {three: Delivered()}, T0)
        raise ZeroDivisionError

    before = await store.snapshot()
    with pytest.raises(ZeroDivisionError):
        await store._writer.write(fault)
    assert await store.snapshot() == before
    await store.settle(lease, dict.fromkeys((one, two, three), Delivered()), T0)
    with pytest.raises(LeaseLost):
        await store.renew(lease, 60)
    assert await store.counts() == {}
    assert [(row.counter, row.count) for row in await store.totals()] == [("accepted", 3), ("delivered", 3)]
    await store.close()
