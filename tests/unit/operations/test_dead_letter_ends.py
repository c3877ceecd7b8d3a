"""When dead letters end, and from when on they do."""

from pathlib import Path

import pytest

from tests.unit.parts import ManualClock
from tiktok_forwarder.domain.errors import RevisionConflict
from tiktok_forwarder.operations.backup import back_up_to, restore_from
from tiktok_forwarder.operations.dead_letter_ends import DAY_MS, DeadLetterEnds, EndRule, end_warnings
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.sqlite.store import SqliteStore

WEEK_MS = 7 * DAY_MS


async def test_nothing_ends_in_the_week_after_the_rule_is_established() -> None:
    """What an earlier version has kept for years does not end at the first start of this one."""
    store, clock = MemoryStore(), ManualClock()
    ends = DeadLetterEnds(store, clock, days=30)
    started_ms = clock.time_ms
    assert (await ends.establish(started_ms)).end_of(0) == started_ms + WEEK_MS
    clock.time_ms += DAY_MS
    again = DeadLetterEnds(store, clock, days=30)
    rule = await again.establish(clock.time_ms)
    assert rule == await again.rule() == EndRule(30, started_ms + WEEK_MS)
    assert rule.end_of(clock.time_ms) == clock.time_ms + 30 * DAY_MS


async def test_restored_backup_passes_a_week_too(tmp_path: Path) -> None:
    """Its dead letters may all be over, and a person may want to replay some."""
    file, backup, clock = tmp_path / "events.db", tmp_path / "backup.db", ManualClock()
    store = SqliteStore.open(file)
    await DeadLetterEnds(store, clock, days=30).establish(clock.time_ms)
    await store.close()
    back_up_to(backup, file, overwrite=False)
    restore_from(backup, file, None, overwrite=True)
    clock.time_ms += 365 * DAY_MS
    store = SqliteStore.open(file)
    assert (await DeadLetterEnds(store, clock, days=30).establish(clock.time_ms)).end_of(0) == clock.time_ms + WEEK_MS
    await store.close()


async def test_rule_that_is_not_established_promises_a_week() -> None:
    """A node that does not deliver shows the earliest end that there can be."""
    clock = ManualClock()
    ends = DeadLetterEnds(MemoryStore(), clock, days=30)
    assert (await ends.rule()).end_of(0) == clock.time_ms + WEEK_MS
    clock.time_ms += DAY_MS
    assert (await ends.rule()).end_of(0) == clock.time_ms + WEEK_MS


async def test_letters_without_an_end_have_none() -> None:
    """0 days is no end, not an immediate one."""
    assert (await DeadLetterEnds(MemoryStore(), ManualClock(), days=0).rule()).end_of(0) is None


async def test_ends_are_put_off_by_a_week_and_stored_once_a_day() -> None:
    """A clock that is wrong for long is noticed every minute."""
    store, clock = MemoryStore(), ManualClock()
    ends = DeadLetterEnds(store, clock, days=30)
    now_ms = clock.time_ms
    await ends.put_off(now_ms)
    for minutes in range(0, 24 * 60, 60):
        await ends.put_off(now_ms + minutes * 60_000)
    assert (await ends.rule()).not_before_ms == now_ms + WEEK_MS
    await ends.put_off(now_ms + DAY_MS + 1)
    assert (await ends.rule()).not_before_ms == now_ms + DAY_MS + 1 + WEEK_MS
    stored = await store.get_expiring("retention", "dead_letters", now_ms)
    assert stored is not None and stored.revision == 2


async def test_node_that_comes_second_changes_nothing() -> None:
    """Two nodes that start at the same time agree on the first one's rule."""
    store, clock = MemoryStore(), ManualClock()
    one, other = DeadLetterEnds(store, clock, 30), DeadLetterEnds(store, clock, 30)
    first = await one.establish(clock.time_ms)
    with pytest.raises(RevisionConflict):
        await other._put(None, clock.time_ms + 5)
    assert await other.establish(clock.time_ms + 5) == first


def test_warning_names_the_end_and_what_to_do() -> None:
    """In words that status and console show."""
    assert end_warnings(None) == []
    assert end_warnings(1_735_689_660_123) == [
        "dead letters end soon: the oldest is deleted after 2025-01-01 00:01 UTC; replay what should still be delivered"
    ]
