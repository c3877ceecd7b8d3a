"""Data directories of earlier versions open with what they hold, and an earlier version refuses a newer one."""

from pathlib import Path

import pytest

from tests.conformance.rig import HOUR, T0, event
from tests.unit.store.version_1 import as_version_1, schema_of, write_version_1
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.events import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.store import SqliteStore


@pytest.mark.parametrize("max_recent", [0, 100_000])
async def test_database_without_a_log_of_keys_opens_with_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_recent: int
) -> None:
    """Its keys stay known for their 48 hours, and its events are delivered."""
    monkeypatch.setattr(sqlite_file, "_MAX_RECENT_KEYS", max_recent)
    file = tmp_path / "events.db"
    known = [f"e{number}" for number in range(300)]
    write_version_1(file, known)
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


async def test_version_1_refuses_a_database_with_a_log_of_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not know the keys that are only in the log."""
    file = tmp_path / "events.db"
    await SqliteStore.open(file).close()
    as_version_1(monkeypatch)
    with pytest.raises(ConfigurationError, match=r"from a newer version of tiktok-forwarder \(schema 2; .* knows 1\)"):
        SqliteStore.open(file)
    assert schema_of(file) == 2
