"""What the deliverer does with its connections, and what it tells of their events."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import (
    PATIENT,
    QUICK,
    Received,
    Rig,
    answer,
    delivery_rig,
    ids,
    refuse,
    take_all,
    watch_calls,
)
from tiktok_forwarder.delivery.pauses import read_state
from tiktok_forwarder.delivery.send_gate import SendGate
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.store.queue import GroupLimits


async def test_stopped_deliverer_takes_no_connection_up_again() -> None:
    """A change that is saved while the service ends must not start what nobody stops."""
    async with delivery_rig() as rig:
        await rig.deliverer.stop(0.1)
        rig.connections.add("late")
        await rig.deliverer.reload("late")
        assert set(rig.deliverer.statuses()) == {"c"}


async def test_status_of_an_unknown_connection_is_refused() -> None:
    """The message names it."""
    async with delivery_rig() as rig:
        with pytest.raises(UnknownName, match='connection "nobody" not found'):
            rig.deliverer.status("nobody")


async def test_each_outcome_is_counted_under_its_name() -> None:
    """One event is refused, so it becomes a dead letter; the others are delivered, after a first try that failed."""
    async with delivery_rig() as rig:
        answers = [answer(50000)]
        refuse_one = refuse("e1", named="data.{}.event_id: invalid")
        rig.tiktok.judge = lambda received: answers.pop() if answers else refuse_one(received)
        await rig.accept(ids(3))
        await rig.until_empty()
        assert rig.witness.outcomes == {("c", "retry"): 3, ("c", "dead_letter"): 1, ("c", "delivered"): 2}
        assert [attempt[1] for attempt in rig.witness.attempts] == ["try_later", "bad_event", "accepted"]
        assert rig.witness.notes == []
        assert rig.deliverer.status("c").last_note == ""


async def test_rest_of_a_group_follows_within_its_lease() -> None:
    """After a refusal that names one event, the others go with the next request, ahead of what came in the meantime."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = refuse("e1", named="data.{}.event_id: invalid")
        leases = watch_calls(rig, "lease")
        await rig.accept(ids(3))
        await rig.until_empty()
        assert rig.tiktok.groups == [["e0", "e1", "e2"], ["e0", "e2"]]
        assert len(leases) == 1


async def refused_until_paused(rig: Rig, events: int = 30) -> None:
    rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
    await rig.accept(ids(events))
    await rig.until_paused()


async def test_pause_for_refusals_is_stored_with_its_cause_and_reason() -> None:
    """A person learns how often TikTok refused, and where to look; the cause tells it from a pause by hand."""
    async with delivery_rig() as rig:
        await refused_until_paused(rig)
        pause = read_state(await rig.store.get_document("delivery_state", "c")).pause
        assert pause is not None
        assert (pause.cause, pause.code, pause.by, pause.revision) == ("refusals", 40002, "service", 1)
        assert pause.reason == (
            "TikTok refused 20 events in a row, each sent alone, without naming a problem. A setting of the "
            "connection, such as its Pixel ID, is probably wrong."
        )


async def test_events_refused_before_a_pause_have_used_up_no_attempt() -> None:
    """They wait as they came, so that the pause costs none of them a retry."""
    async with delivery_rig() as rig:
        await refused_until_paused(rig)
        await rig.deliverer.stop(1.0)
        rig.clock.advance(86_400)
        lease = await rig.store.lease("c", GroupLimits(), rig.clock.now_ms(), 60)
        assert lease is not None
        assert [(event.attempts, event.unanswered_at_ms) for event in lease.events] == [(0, None)] * 30


async def test_refused_events_of_a_pause_wait_for_two_probes() -> None:
    """The next probe then takes another event, if there is one; so does the one after a probe that is refused."""
    async with delivery_rig(replace(QUICK, probe_seconds=10_000.0)) as rig:
        before_ms = rig.clock.now_ms()
        await refused_until_paused(rig, 20)
        await rig.wait_until(lambda: rig.witness.outcomes["c", "retry"] == 20)
        assert not await rig.is_due(before_ms + 19_999_999)
        assert await rig.is_due(rig.clock.now_ms() + 20_000_000)

        rig.clock.advance(20_000)
        before_ms = rig.clock.now_ms()
        await rig.accept(["late"])
        await rig.wait_until(lambda: rig.witness.outcomes["c", "retry"] == 21)
        await rig.deliverer.stop(1.0)
        (probed,) = rig.tiktok.groups[-1]
        lease = await rig.store.lease("c", GroupLimits(), rig.clock.now_ms(), 60)
        assert lease is not None and probed not in [event.event_id for event in lease.events]
        assert not await rig.is_due(before_ms + 19_999_999)
        assert await rig.is_due(rig.clock.now_ms() + 20_000_000)


async def test_every_request_has_taken_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that divide a group, and the one that is sent before a connection is blamed."""
    turns = 0
    take, give_back = SendGate.take, SendGate.give_back

    async def counted_take(gate: SendGate) -> None:
        nonlocal turns
        await take(gate)
        turns += 1

    def counted_give_back(gate: SendGate) -> None:
        nonlocal turns
        turns -= 1
        give_back(gate)

    monkeypatch.setattr(SendGate, "take", counted_take)
    monkeypatch.setattr(SendGate, "give_back", counted_give_back)
    async with delivery_rig() as rig:
        await refused_until_paused(rig)
        await rig.deliverer.stop(1.0)
        assert turns == len(rig.tiktok.requests) > 20


async def test_paused_connection_is_probed_on_time() -> None:
    """Nothing has to wake it: the probe comes when it is due, and its success ends the pause."""
    async with delivery_rig(replace(QUICK, probe_seconds=0.1)) as rig:
        await rig.refuse_until_paused(1)
        rig.tiktok.judge = take_all
        await rig.until_empty(seconds=3.0)
        await rig.until_condition("live")


async def test_stop_waits_2_seconds_for_requests_that_it_has_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """First the grace period that the caller gives, then a little more for the store to keep what became of them."""
    timeouts: list[float | None] = []
    wait = asyncio.wait

    async def watched(tasks: Any, **options: Any) -> Any:
        timeouts.append(options.get("timeout"))
        return await wait(tasks, **options)

    async with delivery_rig() as rig:
        rig.tiktok.judge = hang
        await rig.accept(["e1"])
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 1)
        monkeypatch.setattr(asyncio, "wait", watched)
        await rig.deliverer.stop(0.05)
        monkeypatch.undo()
        assert timeouts == [None, 0.05, 2.0]
        assert rig.witness.outcomes == {("c", "retry"): 1}


async def hang(_: Received) -> web.StreamResponse:
    await asyncio.sleep(10)
    return answer(0)


async def test_throttled_connection_says_so_and_since_when() -> None:
    """The reason is a sentence for people; the rate is the lowered one, and the request counts as made."""
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = lambda _: answer(40100, "Too many requests", Retry_After="60")
        before_ms = rig.clock.now_ms()
        await rig.accept(["e1"])
        status = await rig.until_condition("throttled")
        await rig.wait_until(lambda: ("c", "throttled") in rig.witness.changes)
        status = rig.deliverer.status("c")
        assert status.reason == "TikTok is limiting the request rate. The rate recovers automatically."
        assert status.by == "service"
        assert status.since_ms is not None and before_ms <= status.since_ms <= rig.clock.now_ms()
        assert status.requests_per_second < QUICK.requests_per_second
        assert status.last_answer is not None and status.last_answer.code == 40100
        assert (await rig.waiting(), await rig.leased(), rig.witness.failures) == (1, 0, [])
