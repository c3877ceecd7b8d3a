"""Connections that another process changes: who is notified, and what becomes of their events."""

import asyncio

import pytest
from tests.unit.parts import Parts

from tiktok_forwarder.connections.deletion import ConnectionDeletion
from tiktok_forwarder.store.queue import Arrivals, NewEvent


class Followed:
    """Parts of two processes; notes which connections the second one is notified of."""

    def __init__(self) -> None:
        self.one = Parts()
        self.notified: list[str] = []

    async def start(self) -> "Followed":
        self.two = await self.one.reopened()
        self.two.connections.on_change(self._on_change)
        return self

    async def _on_change(self, connection_id: str) -> None:
        self.notified.append(connection_id)

    async def notified_now(self) -> list[str]:
        """The notices since the last call."""
        await self.two.shared.catch_up()
        await asyncio.sleep(0)
        notified, self.notified = self.notified, []
        return notified


@pytest.fixture
async def followed() -> Followed:
    return await Followed().start()


async def test_changes_elsewhere_are_reported_once(followed: Followed) -> None:
    """An addition, a change and a removal; not a rewriting in other bytes, and not again what was made here."""
    connection_id = await followed.one.add_connection("Shop")
    assert await followed.notified_now() == [connection_id]
    await followed.one.connections.set("Shop", {"sample_percent": 50}, expected_revision=None, changed_by="ann")
    assert await followed.notified_now() == [connection_id]
    await followed.one.store.rewrite_documents(["connection"], lambda document: document.body)
    assert await followed.notified_now() == []
    await followed.two.connections.set("Shop", {"sample_percent": 60}, expected_revision=None, changed_by="ann")
    assert await followed.notified_now() == [connection_id]
    assert await followed.notified_now() == []
    await followed.one.connections.remove("Shop", "ann")
    assert await followed.notified_now() == [connection_id]
    assert followed.two.connections.all() == []


async def test_differences_are_reported_when_everything_is_read_again(followed: Followed) -> None:
    """As from a promoted standby: what is the same stays undisturbed."""
    same, changed, removed = [await followed.one.add_connection(name) for name in ("Same", "Changed", "Removed")]
    assert sorted(await followed.notified_now()) == sorted([same, changed, removed])
    await followed.one.connections.set("Changed", {"sample_percent": 50}, expected_revision=None, changed_by="ann")
    await followed.one.connections.remove("Removed", "ann")
    await followed.two.connections.load()
    await asyncio.sleep(0)
    assert sorted(followed.notified) == sorted([changed, removed])


async def test_events_of_a_connection_that_was_just_added_elsewhere_stay(followed: Followed) -> None:
    """A process that does not know it yet must not take its events for those of a deleted one."""
    connection_id = await followed.one.add_connection("Shop")
    event = NewEvent(connection_id, 1, "2.0", "Purchase", "e1", b"{}", ())
    await followed.one.store.append(Arrivals([event], {}, 1))
    deletion = ConnectionDeletion(followed.two.connections, followed.two.store, followed.two.clock)
    assert await deletion.sweep() == 0
    await followed.one.connections.remove("Shop", "ann")
    assert await deletion.sweep() == 1
