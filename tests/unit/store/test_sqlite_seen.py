"""The memory of what was taken within 48 hours: its turns, and what a wrong clock does to it."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

from tests.conformance.rig import HOUR, T0, event, together
from tiktok_forwarder.store.queue import Arrivals
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.file import open_reader
from tiktok_forwarder.store.sqlite.statements import SEEN_SLOTS
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.sqlite.transaction import Transaction


@pytest.fixture(autouse=True, params=[None, 0, 7], ids=["all in memory", "merged", "partly merged"])
def max_recent_keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether keys are in memory or in tables makes no difference for what is a repeat."""
    if request.param is not None:
        monkeypatch.setattr(sqlite_file, "_MAX_RECENT_KEYS", request.param)


def _open(folder: Path) -> SqliteStore:
    return SqliteStore.open(folder / "events.db", max_bytes=50_000_000)


async def _admissions(store: SqliteStore, names: Sequence[str], hours: float) -> Sequence[str]:
    return await store.append(Arrivals([event(name) for name in names], {}, T0 + round(hours * HOUR)))


@pytest.mark.parametrize("step_hours", [3, 9, 10, 12, 13, 40])
async def test_window_is_exact_whatever_the_turns(tmp_path: Path, step_hours: int) -> None:
    """A repeat within 48 hours is one, a later one is not, through many turns and a restart in the middle."""
    store = _open(tmp_path)
    taken_at: dict[str, int] = {}
    for hours in range(0, 200, step_hours):
        taken_at.setdefault(f"e{hours}", -48)
        expected = ["duplicate" if hours - taken < 48 else "stored" for taken in taken_at.values()]
        assert await _admissions(store, list(taken_at), hours) == expected
        taken_at = {name: hours if hours - taken >= 48 else taken for name, taken in taken_at.items()}
        if hours in range(100, 100 + step_hours):
            await store.close()
            store = _open(tmp_path)
    await store.close()


@pytest.mark.parametrize("turns", [[13], [13, 26]], ids=["one", "two"])
async def test_turns_begun_in_an_undone_transaction_are_begun_again(tmp_path: Path, turns: list[int]) -> None:
    """Events that are stored once the change at fault is set apart are still known after a restart."""
    store = _open(tmp_path)
    assert await _admissions(store, ["e0"], 0) == ["stored"]

    def fault(_: Transaction) -> None:
        raise ZeroDivisionError

    # The change after each makes it begin a turn of its own.
    changes = [(_admissions(store, [f"e{hours}"], hours), store._writer.write(lambda _: None)) for hours in turns]
    *answers, failed = await together(store, *chain.from_iterable(changes), store._writer.write(fault))
    assert (answers, type(failed)) == ([["stored"], None] * len(turns), ZeroDivisionError)
    await store.close()
    store = _open(tmp_path)
    assert await _admissions(store, ["e0", *[f"e{hours}" for hours in turns]], 27) == ["duplicate"] * (1 + len(turns))
    await store.close()


async def test_clock_set_far_ahead_and_back_costs_no_recent_memory(tmp_path: Path) -> None:
    """What was taken in the last 36 hours is still known."""
    store = _open(tmp_path)
    for hours in (0, 12, 24, 36):
        assert await _admissions(store, [f"e{hours}"], hours) == ["stored"]
    assert await _admissions(store, ["ahead"], 30 * 24) == ["stored"]
    assert await _admissions(store, ["e12", "e24", "e36"], 37) == ["duplicate"] * 3
    await store.close()


async def test_old_keys_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After many days the tables hold the keys of the turns that are kept, but for those that are in memory."""
    monkeypatch.setattr(sqlite_file, "_MAX_RECENT_KEYS", 0)
    store = _open(tmp_path)
    for turn in range(20):
        await _admissions(store, [f"e{turn}"], turn * 12)
    await store.close()
    connection = open_reader(tmp_path / "events.db")
    kept = [connection.execute(f"SELECT count(*) FROM seen_{slot}").fetchall() for slot in range(SEEN_SLOTS)]  # noqa: S608
    assert kept == [[(1,)]] * SEEN_SLOTS
    connection.close()


async def test_repeat_after_47_hours_is_one_at_whatever_hour(tmp_path: Path) -> None:
    """An event may have come at the end of a turn of the memory: also then its key is kept for all of the 48 hours."""
    store = SqliteStore.open(tmp_path / "events.db")
    for hour in range(120):
        now_ms = T0 + hour * HOUR
        assert await store.append(Arrivals([event(f"e{hour}")], {}, now_ms)) == ["stored"]
        if hour >= 47:
            assert await store.append(Arrivals([event(f"e{hour - 47}")], {}, now_ms)) == ["duplicate"], hour
    await store.close()
