"""Probes: when a paused connection tries an event, what the answer changes, and that a manual pause outlasts them."""

from functools import partial
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import (
    PATIENT,
    Received,
    Rig,
    answer,
    delivery_rig,
    ids,
    refuse_token,
    take_all,
    watch_calls,
)
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.store.queue import Lease

HOUR_SECONDS = 3600.0
PROBE_SECONDS = 300.0


def reply_with(reply: web.Response, _: Received) -> web.Response:
    return reply


async def probe(rig: Rig, reply: web.Response) -> None:
    """Let the time of the next probe come, and answer it so."""
    sent = len(rig.tiktok.requests)
    rig.tiktok.judge = partial(reply_with, reply)
    rig.clock.advance(PROBE_SECONDS + 1)
    await rig.until_requests(sent + 1)


async def test_probe_waits_its_time_when_the_pause_begins_long_after_the_start() -> None:
    """The five minutes count from the pause: the request that was refused a moment ago has told enough."""
    async with delivery_rig(PATIENT) as rig:
        rig.clock.advance(PROBE_SECONDS + 1)
        await rig.refuse_until_paused()
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1
        rig.clock.advance(PROBE_SECONDS - 10)
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1
        rig.clock.advance(11)
        await rig.until_requests(2)


@pytest.mark.parametrize("wire_form", ["1.0", "2.0"])
async def test_probe_holds_one_event_of_either_wire_form(wire_form: WireFormName) -> None:
    """One event is enough to ask with, and no more than that one is at stake."""
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = refuse_token
        await rig.accept(ids(3), wire_form=wire_form)
        await rig.until_paused()
        await probe(rig, refuse_token(rig.tiktok.requests[0]))
    assert [len(group) for group in rig.tiktok.groups] == [3, 1]


async def test_probe_takes_another_event_when_one_was_no_help() -> None:
    """An event that is itself refused must not keep the connection paused for all the others."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused(events=2)
        await probe(rig, answer(40002, "A parameter is wrong."))
        await probe(rig, answer(0))
        await rig.until_condition("live")
    _, first, second, *_ = rig.tiktok.groups
    assert sorted([*first, *second]) == ids(2)


async def test_probe_that_is_refused_for_another_reason_renews_the_reason_of_the_pause() -> None:
    """People need the fault that is left to fix; the pause itself goes on from where it began."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        before = rig.deliverer.status("c")
        await probe(rig, answer(40001, status=400))
        after = rig.deliverer.status("c")
    assert (after.condition, after.code, after.since_ms) == ("refused", 40001, before.since_ms)
    assert "permission" in after.reason
    assert rig.witness.changes == [("c", "refused")]


async def test_probe_with_nothing_left_to_send_leaves_the_connection_paused() -> None:
    """No answer means no sign that the fault is gone; the turn that was not used serves the next request."""
    async with delivery_rig(replace(PATIENT, requests_per_second=0.1)) as rig:
        await rig.refuse_until_paused(events=1)
        await probe(rig, web.Response(status=504))
        rig.clock.advance(49 * HOUR_SECONDS)
        await rig.until_empty()
        (dead,) = await rig.dead_letters()
        assert dead.reason == "unconfirmed"
        await rig.give_time()
        assert rig.deliverer.status("c").is_paused
        assert len(rig.tiktok.requests) == 2
        rig.tiktok.judge = take_all
        await rig.deliverer.resume("c", "ann")
        await rig.accept(["fresh"])
        await rig.until_empty(seconds=2)


CLEAR_ANSWERS = [
    pytest.param(answer(50000), id="50000"),
    pytest.param(answer(40002), id="40002"),
    pytest.param(answer(40061), id="40061"),
    pytest.param(answer(40100, Retry_After="1"), id="40100"),
    pytest.param(web.Response(status=503), id="503"),
]


@pytest.mark.parametrize("reply", CLEAR_ANSWERS)
async def test_event_that_a_probe_was_answered_about_may_be_sent_after_48_hours(reply: web.Response) -> None:
    """The answer says that the event was not taken, so sending it again cannot count it twice."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused(events=1)
        await probe(rig, reply)
        rig.tiktok.judge = take_all
        rig.clock.advance(49 * HOUR_SECONDS)
        await rig.until_empty()
        assert await rig.dead_letters() == []
    assert await rig.total("delivered") == 1


async def test_event_that_a_probe_was_not_answered_about_is_not_sent_after_48_hours() -> None:
    """TikTok may hold the event, and would count it twice by then."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused(events=1)
        await probe(rig, web.Response(status=504))
        await rig.deliverer.resume("c", "ann")
        rig.clock.advance(49 * HOUR_SECONDS)
        await rig.until_empty()
        (dead,) = await rig.dead_letters()
    assert (dead.reason, dead.event_id) == ("unconfirmed", "e0")
    assert len(rig.tiktok.requests) == 2


async def test_manually_paused_connection_is_not_probed() -> None:
    """Whatever time passes and whatever arrives, its events are not even leased until a person resumes it."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        await rig.deliverer.pause("c", "stocktaking", "ann")
        leases = watch_calls(rig, "lease")
        for _ in range(3):
            rig.clock.advance(PROBE_SECONDS + 1)
            await rig.accept([f"at {rig.clock.now_ms()}"])
            await rig.give_time()
        assert leases == []
        assert await rig.waiting() == 6


async def test_manual_pause_holds_when_a_probe_is_on_its_way() -> None:
    """A person who pauses a connection just then has decided; TikTok's answer ends the service's own pauses only."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()

        async def pause_and_take(received: Received) -> web.Response:
            await rig.deliverer.pause("c", "stocktaking", "ann")
            return answer(0)

        rig.tiktok.judge = pause_and_take
        rig.clock.advance(PROBE_SECONDS + 1)
        await rig.wait_until(lambda: rig.witness.outcomes["c", "delivered"] >= 1)
        await rig.give_time()
        status = rig.deliverer.status("c")
        assert (status.condition, status.reason, status.by) == ("paused", "stocktaking", "ann")
        assert len(rig.tiktok.requests) == 2


async def test_manual_pause_holds_back_a_probe_that_is_not_sent_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment in which a person pauses the connection, nothing leaves, whatever was about to."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        lease = rig.store.lease

        async def pause_and_lease(*asked: Any) -> Lease | None:
            await rig.deliverer.pause("c", "stocktaking", "ann")
            return await lease(*asked)

        monkeypatch.setattr(rig.store, "lease", pause_and_lease)
        rig.clock.advance(PROBE_SECONDS + 1)
        await rig.wait_until(lambda: rig.deliverer.status("c").by == "ann")
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1
        assert (await rig.waiting(), await rig.leased()) == (3, 0)
