"""Data directories of earlier versions open with what they hold, and an earlier version refuses a newer one."""

from pathlib import Path

import pytest

from tests.conformance.rig import HOUR, T0, event
from tests.unit.store.earlier_version import (
    BEFORE_EXPIRING,
    BEFORE_FRESH_EVENTS,
    BEFORE_KEY_LOG,
    as_version,
    schema_of,
    write_version,
)
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.outcome import DeadLettered, Delivered, Retry
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.store import SqliteStore

EARLIER = pytest.mark.parametrize("schema", [BEFORE_KEY_LOG, BEFORE_FRESH_EVENTS, BEFORE_EXPIRING])


@EARLIER
@pytest.mark.parametrize("max_recent", [0, 100_000])
async def test_database_of_an_earlier_version_opens_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_recent: int, schema: int
) -> None:
    """Its keys stay known for their 48 hours, and its events are delivered."""
    monkeypatch.setattr(sqlite_file, "_MAX_RECENT_KEYS", max_recent)
    file = tmp_path / "events.db"
    known = [f"e{number}" for number in range(300)]
    write_version(schema, file, known)
    for restart in range(2):
        store = SqliteStore.open(file)
        again = Arrivals([event(name) for name in [*known, f"new{restart}"]], {}, T0 + 48 * HOUR - 1)
        assert await store.append(again) == ["duplicate"] * 300 + ["stored"]
        if not restart:
            await store.close()
    lease = await store.lease("a", GroupLimits({"2.0": 1000}), T0, 60)
    assert lease is not None
    assert [each.event_id for each in lease.events] == [*known, "new0", "new1"]
    await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
    assert await store.counts() == {}
    assert await store.append(Arrivals([event("e7")], {}, T0 + 48 * HOUR)) == ["stored"]
    await store.close()


@EARLIER
async def test_events_of_an_earlier_version_end_in_every_way(tmp_path: Path, schema: int) -> None:
    """Retried, dead-lettered after an attempt and without one, erased, and delivered; their age is known until then."""
    write_version(schema, tmp_path / "events.db", [f"e{number}" for number in range(1, 7)])
    store = SqliteStore.open(tmp_path / "events.db")
    assert (await store.counts())["a"].oldest_accepted_at_ms == T0
    assert await store.ready("a", GroupLimits(), fill_seconds=0, now_ms=T0, wait_seconds=0)
    lease = await store.lease("a", GroupLimits({"2.0": 3}), T0, 60)
    assert lease is not None and [each.event_id for each in lease.events] == ["e1", "e2", "e3"]
    one, two, three = (each.event_no for each in lease.events)
    await store.settle(lease, {one: Delivered(), two: Retry(T0 + 5, counts=True), three: DeadLettered("refused")}, T0)
    assert await store.erase([4], T0) == 1
    lease = await store.lease("a", GroupLimits({"2.0": 10}), T0 + 4, 60)
    assert lease is not None and [each.event_id for each in lease.events] == ["e5", "e6"]
    await store.release(lease)
    assert await store.dead_letter_all("a", "connection_deleted", T0 + 4) == 3
    letters = await store.dead_letters(DeadLetterFilter(), limit=10)
    assert [(letter.event_id, letter.attempts) for letter in letters] == [("e2", 1), ("e3", 0), ("e5", 0), ("e6", 0)]
    await store.close()


@EARLIER
async def test_earlier_version_refuses_a_newer_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: int
) -> None:
    """It would not know the keys that are only in the log, nor the fresh events."""
    file = tmp_path / "events.db"
    await SqliteStore.open(file).close()
    newest = schema_of(file)
    as_version(schema, monkeypatch)
    known = rf"from a newer version of tiktok-forwarder \(schema {newest}; .* knows {schema}\)"
    with pytest.raises(ConfigurationError, match=known):
        SqliteStore.open(file)
    assert schema_of(file) == newest
