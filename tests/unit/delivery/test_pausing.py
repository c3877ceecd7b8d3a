"""Pausing and resuming by hand, with a deliverer and without one."""

import pytest

from tests.integration.delivery_rig import delivery_rig
from tests.unit.parts import Parts
from tiktok_forwarder.delivery.pauses import read_state
from tiktok_forwarder.delivery.pausing import Pausing
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName


@pytest.fixture
def parts() -> Parts:
    return Parts()


def pausing_of(parts: Parts) -> Pausing:
    return Pausing(parts.store, parts.clock, parts.connections)


async def test_a_pause_without_a_deliverer_is_kept(parts: Parts) -> None:
    """It is stored with its reason, its author and the connection's revision, and ends as a past one."""
    connection_id = await parts.add_connection("Shop")
    status = await pausing_of(parts).pause(connection_id, "sale is over", "ann")
    assert (status.condition, status.why, status.by) == ("paused", "sale is over", "ann")
    pause = read_state(await parts.store.get_document("delivery_state", connection_id)).pause
    assert pause is not None
    assert (pause.cause, pause.reason, pause.by, pause.revision) == ("by_hand", "sale is over", "ann", 1)

    parts.clock.time_ms += 500
    status = await pausing_of(parts).resume(connection_id, "ann")
    assert status.condition == "healthy"
    state = read_state(await parts.store.get_document("delivery_state", connection_id))
    assert state.pause is None and state.past == ((pause.since_ms, parts.clock.time_ms),)


async def test_resuming_what_is_not_paused_changes_nothing(parts: Parts) -> None:
    """No state is written for it."""
    connection_id = await parts.add_connection("Shop")
    assert (await pausing_of(parts).resume(connection_id, "ann")).condition == "healthy"
    assert await parts.store.get_document("delivery_state", connection_id) is None


async def test_an_unknown_connection_cannot_be_paused(parts: Parts) -> None:
    """It is named, and nothing is stored for it."""
    with pytest.raises(UnknownName, match="cn_none"):
        await pausing_of(parts).pause("cn_none", "", "ann")
    assert await parts.store.list_documents("delivery_state") == []


async def test_a_pause_made_while_nothing_ran_holds_from_the_next_start_on() -> None:
    """The deliverer starts paused, and delivers what waited once it is resumed through it."""
    async with delivery_rig(start=False) as rig:
        pausing = Pausing(rig.store, rig.clock, rig.connections)
        await pausing.pause("c", "not yet", "ann")
        await rig.accept(["e1"])
        await rig.deliverer.start()
        await rig.give_time()
        assert rig.deliverer.status("c").condition == "paused"
        assert rig.tiktok.requests == []

        pausing.deliverer = rig.deliverer
        assert (await pausing.resume("c", "bob")).condition == "healthy"
        await rig.until_empty()
        assert rig.tiktok.event_ids == ["e1"]


async def test_a_running_deliverer_pauses_at_once() -> None:
    """Its status says so, with reason and author; an unknown connection is told."""
    async with delivery_rig() as rig:
        pausing = Pausing(rig.store, rig.clock, rig.connections)
        pausing.deliverer = rig.deliverer
        status = await pausing.pause("c", "stocktaking", "ann")
        assert (status.condition, status.why, status.by) == ("paused", "stocktaking", "ann")
        await rig.accept(["e1"])
        await rig.give_time()
        assert await rig.waiting() == 1 and rig.tiktok.requests == []
        with pytest.raises(ConfigurationError):
            await pausing.pause("nobody", "", "ann")
