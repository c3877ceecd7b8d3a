"""Pausing and resuming manually, while events are delivered and while they are not."""

import pytest

from tests.integration.delivery_rig import Rig, delivery_rig
from tiktok_forwarder.delivery.check_records import CheckAnswer
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.delivery.pauses import DeliveryState, read_state
from tiktok_forwarder.domain.errors import UnknownName

# All of its members, written out: people are shown no answer, no time and no rate while nothing is delivered.
AT_REST = DeliveryStatus(
    "c",
    "not_checked",
    reason="",
    code=None,
    since_ms=None,
    by="",
    last_answer=None,
    last_note="",
    requests_per_second=0.0,
    requests_in_flight=0,
    is_elsewhere=False,
    is_paused=False,
    tiktok_message="",
    check=None,
    checked_at_ms=None,
)


async def stored_state(rig: Rig) -> DeliveryState:
    return read_state(await rig.store.get_document("delivery_state", "c"))


async def test_pause_before_the_start_is_stored() -> None:
    """It is stored with its reason, its author and the connection's revision, and ends as a past one."""
    async with delivery_rig(start=False) as rig:
        status = await rig.deliverer.pause("c", "sale is over", "ann")
        assert (status.connection_id, status.condition) == ("c", "paused")
        assert (status.reason, status.by) == ("sale is over", "ann")
        pause = (await stored_state(rig)).pause
        assert pause is not None
        assert (pause.cause, pause.reason, pause.by, pause.revision) == ("by_hand", "sale is over", "ann", 1)

        rig.clock.advance(0.5)
        assert await rig.deliverer.resume("c", "ann") == AT_REST
        state = await stored_state(rig)
        assert state.pause is None
        ((since_ms, until_ms),) = state.past
        assert since_ms == pause.since_ms and until_ms >= since_ms + 500


async def test_resuming_a_connection_that_is_not_paused_changes_nothing() -> None:
    """No state is written for it."""
    async with delivery_rig(start=False) as rig:
        assert (await rig.deliverer.resume("c", "ann")).condition == "not_checked"
        assert await rig.store.get_document("delivery_state", "c") is None


async def test_unknown_connection_cannot_be_paused() -> None:
    """It is named, and nothing is stored for it."""
    async with delivery_rig(start=False) as rig:
        with pytest.raises(UnknownName, match=r'^connection "cn_none" not found$'):
            await rig.deliverer.pause("cn_none", "", "ann")
        assert await rig.store.list_documents("delivery_state") == []


async def test_pause_made_before_the_start_holds_after_it() -> None:
    """The deliverer starts paused, and delivers the waiting events once it is resumed."""
    async with delivery_rig(start=False) as rig:
        await rig.deliverer.pause("c", "not yet", "ann")
        await rig.accept(["e1"])
        await rig.deliverer.start()
        await rig.give_time()
        assert rig.deliverer.status("c").condition == "paused"
        assert rig.tiktok.requests == []

        assert (await rig.deliverer.resume("c", "bob")).condition == "not_checked"
        await rig.until_empty()
        assert rig.tiktok.event_ids == ["e1"]


async def test_running_deliverer_pauses_immediately() -> None:
    """Its status says so, with reason and author; an unknown connection is reported."""
    async with delivery_rig() as rig:
        before_ms = rig.clock.now_ms()
        status = await rig.deliverer.pause("c", "stocktaking", "ann")
        assert (status.condition, status.reason, status.by) == ("paused", "stocktaking", "ann")
        assert status.since_ms is not None and before_ms <= status.since_ms <= rig.clock.now_ms()
        await rig.accept(["e1"])
        await rig.give_time()
        assert await rig.waiting() == 1 and rig.tiktok.requests == []
        with pytest.raises(UnknownName, match=r'^connection "nobody" not found$'):
            await rig.deliverer.pause("nobody", "", "ann")


async def test_pause_that_replaces_another_begins_with_it() -> None:
    """No time between the two is lost, or counted twice, for the events that wait."""
    async with delivery_rig() as rig:
        first = await rig.deliverer.pause("c", "stocktaking", "ann")
        rig.clock.advance(60)
        second = await rig.deliverer.pause("c", "still counting", "bob")
        assert (second.reason, second.by, second.since_ms) == ("still counting", "bob", first.since_ms)


async def test_pause_of_the_service_outlasts_a_restart_without_a_probe() -> None:
    """A service that restarts often must not ask TikTok more often than one that runs on."""
    async with delivery_rig() as rig:
        await rig.refuse_until_paused()
        requests = len(rig.tiktok.requests)
        await rig.restart()
        await rig.give_time()
        assert rig.deliverer.status("c").condition == "refused"
        assert (len(rig.tiktok.requests), rig.witness.failures) == (requests, [])


async def test_stored_statuses_need_no_deliverer_that_runs() -> None:
    """A node that delivers nothing shows pauses and refusals as they are stored; removed connections are omitted."""
    async with delivery_rig(start=False) as rig:
        for name in ("off", "refused", "removed"):
            rig.connections.add(name)
            await rig.deliverer.pause(name, "", "ann")
        await rig.deliverer.resume("refused", "ann")
        rig.connections.change("off", enabled=False)
        del rig.connections.targets["removed"]
        target = rig.connections.target("refused")
        assert target is not None
        await rig.checks.keep("refused", rig.checks.settings_of(target), CheckAnswer("refused", "No.", 40001), "check")
        assert rig.deliverer.statuses() == {}
        found = await rig.deliverer.stored_statuses()
        assert sorted((each.connection_id, each.condition, each.is_paused) for each in found) == [
            ("c", "not_checked", False),
            ("off", "disabled", True),
            ("refused", "refused", False),
        ]
