"""The watch that finishes deletions of connections while the service runs."""

import asyncio

import pytest

from tests.patience import Patience
from tests.unit.parts import Parts
from tiktok_forwarder.connections.deletion import ConnectionDeletion
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.operations import deletion_watch
from tiktok_forwarder.operations.deletion_watch import DeletionWatch
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, NewEvent


async def test_events_that_come_after_the_deletion_become_dead_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not know of it yet accepts them; a store that cannot be used now is asked again."""
    monkeypatch.setattr(deletion_watch, "_SWEEP_SECONDS", 0.01)
    parts = Parts()
    kept, deleted = [await parts.add_connection(name) for name in ("Kept", "Deleted")]
    deletion = ConnectionDeletion(parts.connections, parts.store, parts.clock)
    await deletion.delete("Deleted", "ann")
    events = [NewEvent(each, 1, "2.0", "Purchase", "e1", b"{}", ()) for each in (kept, deleted)]
    await parts.store.append(Arrivals(events, {}, parts.clock.now_ms()))
    failures = [StoreUnavailable("locked")]
    sweep = deletion.sweep

    async def sweep_or_fail() -> int:
        if failures:
            raise failures.pop()
        return await sweep()

    monkeypatch.setattr(deletion, "sweep", sweep_or_fail)
    watch = DeletionWatch(deletion)
    watch.start()
    patience = Patience(5)
    while not (letters := await parts.store.dead_letters(DeadLetterFilter(), limit=10)):
        assert patience.lasts(), "it has not happened in time"
        await asyncio.sleep(0.005)
    await watch.stop()
    assert [(each.connection_id, each.reason) for each in letters] == [(deleted, "connection_deleted")]
    assert (await parts.store.counts())[kept].waiting == 1
