"""Pauses: what makes them, what ends them, and that they cost no event anything."""

from functools import partial

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import (
    BAD_TOKEN,
    PATIENT,
    QUICK,
    Received,
    answer,
    delivery_rig,
    ids,
    refuse_token,
)
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import NoAnswer, OutboundRequest

HOUR_SECONDS = 3600.0


def reply_with(reply: web.Response, _: Received) -> web.Response:
    return reply


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(BAD_TOKEN), "access token"),
        (answer(40001, status=400), "permission"),
        (answer(40104, status=401), "access token"),
        (web.Response(status=404, text="404 page not found"), "tiktok_base_url"),
        (web.Response(status=301, headers={"Location": "http://127.0.0.1:9/"}), "redirect"),
        (web.Response(status=403), "403"),
    ],
)
async def test_a_misconfiguration_pauses_after_one_request(reply: web.Response, words: str) -> None:
    """The events wait, nothing more is sent, and the status says in plain words what to do."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: reply
        await rig.accept(ids(3))
        status = await rig.until_paused()
        assert words in status.reason
        assert (status.by, status.last_answer is not None) == ("service", True)
        await rig.accept(ids(3, "later"))
        await rig.give_time()
        assert (await rig.waiting(), await rig.dead_letters()) == (6, [])
        assert len(rig.tiktok.requests) == 1
        # Without a code, what answered was not TikTok.
        assert rig.witness.changes == [("c", "refused" if status.code is not None else "paused")]


async def test_an_unverified_server_pauses() -> None:
    """A TLS failure is never worked around."""

    class Unverified(TikTokHttpSender):
        async def send(self, request: OutboundRequest) -> NoAnswer:
            return NoAnswer("tls", "certificate has expired", may_have_arrived=False)

    async with delivery_rig(start=False) as rig:
        sender = Unverified(rig.tiktok.url)
        await rig.sender.close()
        rig.sender = sender
        await rig.restart()
        await rig.accept(ids(1))
        status = await rig.until_paused()
        assert "verification cannot be disabled" in status.reason


async def test_an_unreadable_token_pauses_without_a_request() -> None:
    """A token that cannot be opened is told to people, and nothing is sent without one."""
    async with delivery_rig(start=False) as rig:
        rig.connections.tokens["c"] = None
        await rig.deliverer.start()
        await rig.accept(ids(2))
        status = await rig.until_paused()
        assert "another key" in status.reason
        await rig.give_time()
        assert rig.tiktok.requests == []
        assert await rig.waiting() == 2


async def test_a_probe_resumes_the_connection() -> None:
    """Every five minutes one event is tried; the first that is taken ends the pause."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        for probes in (1, 2):
            rig.clock.advance(290)
            await rig.give_time()
            assert len(rig.tiktok.requests) == probes
            rig.clock.advance(11)
            await rig.until_requests(1 + probes)
        assert [len(group) for group in rig.tiktok.groups] == [3, 1, 1]
        rig.tiktok.judge = lambda _: answer(0)
        rig.clock.advance(301)
        await rig.until_empty()
        await rig.until_condition("live")
    assert [len(group) for group in rig.tiktok.groups] == [3, 1, 1, 1, 2]
    assert rig.witness.changes == [("c", "refused"), ("c", "live")]


async def test_a_paused_connection_is_not_probed_early() -> None:
    """At most one probe in five minutes, however many events arrive."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        rig.clock.advance(290)
        for event_id in ids(20, "more"):
            await rig.accept([event_id])
        await rig.give_time()
        await rig.deliverer.reload("c")  # unchanged settings are no reason to try
        await rig.give_time()
        assert await rig.waiting() == 23
    assert len(rig.tiktok.requests) == 1


async def test_a_probe_that_fails_otherwise_uses_up_nothing() -> None:
    """Passing trouble, throttling or a refusal while probing neither counts nor loses the event."""
    replies = [answer(50000), answer(40100, Retry_After="1"), answer(40002)]
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused(events=1)
        for number, reply in enumerate(replies, start=2):
            rig.tiktok.judge = partial(reply_with, reply)
            rig.clock.advance(700)
            await rig.until_requests(number)
        rig.clock.advance(700)
        lease = await rig.store.lease("c", rig.policy.limits, rig.clock.now_ms(), 60)
        assert lease is not None
        assert (lease.events[0].attempts, await rig.dead_letters()) == (0, [])
        assert rig.deliverer.status("c").is_paused


async def test_changed_settings_resume_at_once() -> None:
    """A new token or pixel deserves a try without waiting for the probe."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        rig.tiktok.judge = lambda received: (
            answer(0) if received.headers["Access-Token"] == "new" else refuse_token(received)
        )
        rig.connections.tokens["c"] = "new"
        rig.connections.change("c")
        await rig.deliverer.reload("c")
        await rig.until_empty()
    assert len(rig.tiktok.requests) == 2


async def test_a_pause_by_the_service_survives_a_restart() -> None:
    """After a restart the connection is still paused, for the same reason."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        before = rig.deliverer.status("c")
        await rig.restart()
        await rig.accept(ids(1, "later"))
        await rig.give_time()
        after = rig.deliverer.status("c")
        assert (after.condition, after.is_paused) == ("refused", True)
        assert (after.reason, after.code, after.since_ms) == (before.reason, BAD_TOKEN, before.since_ms)
    assert len(rig.tiktok.requests) == 1


async def test_a_change_during_a_restart_resumes() -> None:
    """Settings that were changed while the service was down get their try at its start."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        rig.tiktok.judge = lambda _: answer(0)
        rig.connections.change("c", pixel_id="another")
        await rig.restart()
        await rig.until_empty()
    assert rig.tiktok.requests[-1].pixel == "another"


async def test_a_pause_by_hand_holds_until_it_is_ended_by_hand() -> None:
    """Neither probes nor restarts nor changed settings end it."""
    async with delivery_rig() as rig:
        await rig.deliverer.pause("c", "the shop moves house", "ann")
        await rig.accept(ids(3))
        rig.clock.advance(24 * HOUR_SECONDS)
        await rig.give_time(0.3)
        assert rig.tiktok.requests == []
        rig.connections.change("c", pixel_id="another")
        await rig.deliverer.reload("c")
        await rig.give_time()
        await rig.restart()
        await rig.give_time()
        status = rig.deliverer.status("c")
        assert (status.condition, status.reason, status.by) == ("paused", "the shop moves house", "ann")
        assert rig.tiktok.requests == []
        await rig.deliverer.resume("c", "ben")
        await rig.until_empty()
        await rig.restart()
        assert not rig.deliverer.status("c").is_paused
    assert [document.changed_by for document in await rig.store.list_documents("delivery_state")] == ["ben"]


async def test_a_pause_by_hand_replaces_one_of_the_service() -> None:
    """Once a person has taken over, the service does not probe any more, nor put its own reason back."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        since_ms = rig.deliverer.status("c").since_ms
        await rig.deliverer.pause("c", "asked the agency", "ann")
        rig.clock.advance(HOUR_SECONDS)
        await rig.give_time()
        status = rig.deliverer.status("c")
        assert (status.reason, status.by, status.since_ms) == ("asked the agency", "ann", since_ms)
    assert len(rig.tiktok.requests) == 1


async def test_a_verdict_that_comes_late_does_not_replace_a_pause_by_hand() -> None:
    """A request that was on its way when a person paused the connection changes nothing about that."""
    async with delivery_rig() as rig:

        async def judge(received: Received) -> web.Response:
            await rig.deliverer.pause("c", "by hand", "ann")
            return refuse_token(received)

        rig.tiktok.judge = judge
        await rig.accept(ids(1))
        await rig.wait_until(lambda: len(rig.witness.attempts) == 1)
        await rig.give_time()
        assert rig.deliverer.status("c").reason == "by hand"


async def test_a_pause_takes_nothing_from_the_retry_window() -> None:
    """Events that failed before a pause of three days have their 24 hours after it."""
    async with delivery_rig(replace(QUICK, refusals_before_pause=3)) as rig:
        rig.tiktok.judge = lambda _: answer(50000)
        await rig.accept(ids(1))
        await rig.wait_until(lambda: len(rig.tiktok.requests) >= 4)
        rig.tiktok.judge = refuse_token
        await rig.until_paused()
        rig.clock.advance(72 * HOUR_SECONDS)
        rig.tiktok.judge = lambda _: answer(50000)
        sent = len(rig.tiktok.requests)
        await rig.deliverer.resume("c", "ann")
        await rig.wait_until(lambda: len(rig.tiktok.requests) >= sent + 3)
        assert await rig.dead_letters() == []
        rig.clock.advance(24 * HOUR_SECONDS)
        await rig.until_empty()
        (dead,) = await rig.dead_letters()
    assert dead.reason == "retries_exhausted"


async def test_a_disabled_connection_keeps_its_events() -> None:
    """Nothing is sent for it until it is enabled again."""
    async with delivery_rig() as rig:
        rig.connections.change("c", enabled=False)
        await rig.deliverer.reload("c")
        await rig.accept(ids(2))
        await rig.give_time()
        assert rig.deliverer.status("c").condition == "disabled"
        assert rig.tiktok.requests == []
        rig.connections.change("c", enabled=True)
        await rig.deliverer.reload("c")
        await rig.until_empty()
    assert rig.tiktok.groups == [ids(2)]


async def test_a_removed_connection_leaves_no_state() -> None:
    """Nothing is sent for it any more, and a connection made again under its id is not paused."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        del rig.connections.targets["c"]
        await rig.deliverer.reload("c")
        assert rig.deliverer.statuses() == {}
        assert await rig.store.list_documents("delivery_state") == []
        rig.clock.advance(HOUR_SECONDS)
        await rig.accept(ids(1, "later"))
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1


async def test_manual_pause_and_its_end_are_reported() -> None:
    """Whoever watches the log or the metrics learns of a pause that a person makes, and of its end after a restart."""
    async with delivery_rig() as rig:
        await rig.deliverer.pause("c", "stocktaking", "ann")
        assert rig.witness.changes == [("c", "paused")]
        await rig.restart()
        assert rig.witness.changes == [("c", "paused")]
        await rig.deliverer.resume("c", "ann")
        assert rig.witness.changes == [("c", "paused"), ("c", "not_checked")]
