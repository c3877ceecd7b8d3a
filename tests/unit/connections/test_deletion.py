"""Deleting a connection: nothing of it is lost, also when the process ends between."""

import pytest
from tests.unit.parts import Parts

from tiktok_forwarder.connections.deletion import ConnectionDeletion
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent


@pytest.fixture
def parts() -> Parts:
    return Parts()


def deletion_of(parts: Parts) -> ConnectionDeletion:
    return ConnectionDeletion(parts.connections, parts.store, parts.clock)


async def keep_events(parts: Parts, connection_id: str, *event_ids: str) -> None:
    events = [NewEvent(connection_id, 1, "2.0", "Purchase", each, b"{}", ()) for each in event_ids]
    await parts.store.append(Arrivals(events, {}, parts.clock.now_ms()))


async def buried(parts: Parts, connection_id: str) -> list[tuple[str, str]]:
    letters = await parts.store.dead_letters(DeadLetterFilter(connection_id), limit=100)
    return [(each.event_id, each.reason) for each in letters]


async def test_waiting_events_become_dead_letters(parts: Parts) -> None:
    """Leased ones too, with the reason; other connections' events go on waiting, and the books balance."""
    shop, other = await parts.add_connection("Shop"), await parts.add_connection("Other")
    await keep_events(parts, shop, "e1", "e2")
    await parts.store.lease(shop, GroupLimits({"2.0": 1}), parts.clock.now_ms(), 60)
    await keep_events(parts, other, "o1")
    assert await deletion_of(parts).delete("shop", "ann") == 2
    assert await buried(parts, shop) == [("e1", "connection_deleted"), ("e2", "connection_deleted")]
    counts = await parts.store.counts()
    assert counts[shop].waiting == 0 and counts[other].waiting == 1
    assert await parts.total(shop, "accepted") == await parts.total(shop, "dead_lettered") == {"": 2}
    assert parts.connections.find("Shop") is None


async def test_an_unknown_connection_is_told(parts: Parts) -> None:
    """Nothing is moved."""
    await keep_events(parts, await parts.add_connection("Shop"), "e1")
    with pytest.raises(UnknownName, match="nobody"):
        await deletion_of(parts).delete("nobody", "ann")
    assert await deletion_of(parts).sweep() == 0


async def test_a_deletion_that_was_cut_short_is_finished_at_the_next_start(parts: Parts) -> None:
    """The connection is gone and its events wait: that is what a crash between the two steps leaves."""
    shop, other = await parts.add_connection("Shop"), await parts.add_connection("Other")
    await keep_events(parts, shop, "e1", "e2")
    await keep_events(parts, other, "o1")
    await parts.connections.remove("Shop", "ann")
    again = await parts.reopened()
    assert await deletion_of(again).sweep() == 2
    assert await buried(again, shop) == [("e1", "connection_deleted"), ("e2", "connection_deleted")]
    assert (await again.store.counts())[other].waiting == 1
    assert await deletion_of(again).sweep() == 0
