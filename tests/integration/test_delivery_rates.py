"""What a rate limit changes within moments: who waits, who does not, and since when the status says so."""

import asyncio
import time
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import PATIENT, QUICK, Received, Rig, answer, delivery_rig, ids, refuse, take_all
from tiktok_forwarder.store.queue import GroupLimits, Lease

SINGLES = GroupLimits({"1.0": 1, "2.0": 1})


class HeldAnswers:
    """A TikTok that answers about each event when the test says so."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._answers: dict[str, asyncio.Future[web.Response]] = {}
        rig.tiktok.judge = self._apply_verdict

    async def give(self, event_id: str, reply: web.Response) -> None:
        """Answer, and let the deliverer draw its conclusions."""
        attempts = len(self._rig.witness.attempts)
        self._answers[event_id].set_result(reply)
        await self._rig.wait_until(lambda: len(self._rig.witness.attempts) > attempts)
        await self._rig.give_time(0.02)

    async def _apply_verdict(self, received: Received) -> web.Response:
        (event_id,) = received.event_ids
        self._answers[event_id] = asyncio.get_running_loop().create_future()
        return await self._answers[event_id]


def too_frequent() -> web.Response:
    return answer(40100, "Too many requests.", Retry_After="1")


async def test_throttled_connection_shows_when_the_first_refusal_came() -> None:
    """Answers that follow do not renew that time; once the full rate is back, the next refusal begins anew."""
    async with delivery_rig(
        replace(PATIENT, limits=SINGLES, max_requests_in_flight=5, requests_per_second=50.0)
    ) as rig:
        answers = HeldAnswers(rig)
        await rig.accept(ids(5))
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 5)
        await answers.give("e0", answer(0))
        rig.clock.advance(100)
        refused_ms = rig.clock.now_ms()
        await answers.give("e1", too_frequent())
        first = rig.deliverer.status("c")
        assert (first.condition, first.by) == ("throttled", "service")
        assert first.since_ms is not None
        assert 0 <= first.since_ms - refused_ms < 10_000

        rig.clock.advance(100)
        for event_id in ("e2", "e3"):
            await answers.give(event_id, answer(0))
            assert rig.deliverer.status("c").since_ms == first.since_ms

        while rig.deliverer.status("c").condition == "throttled":
            rig.clock.advance(1000)
        await answers.give("e4", answer(0))
        assert rig.witness.changes == [("c", "live"), ("c", "throttled"), ("c", "live")]


async def test_connection_throttled_again_shows_the_new_refusal() -> None:
    """A time from an earlier slowdown would make a new one look days old."""
    async with delivery_rig(replace(PATIENT, limits=SINGLES, requests_per_second=50.0)) as rig:
        answers = HeldAnswers(rig)
        await rig.accept(ids(3))
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 3)
        await answers.give("e0", too_frequent())
        while rig.deliverer.status("c").condition == "throttled":
            rig.clock.advance(1000)
        await answers.give("e1", answer(0))
        refused_ms = rig.clock.now_ms()
        await answers.give("e2", too_frequent())
        since_ms = rig.deliverer.status("c").since_ms
        assert since_ms is not None
        assert since_ms >= refused_ms


async def test_throttled_events_wait_without_an_attempt_being_counted() -> None:
    """Nothing leaves before the time that TikTok names, and the refusal brings no event nearer to its end."""
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = lambda _: too_frequent()
        await rig.accept(ids(3))
        await rig.until_condition("throttled")
        await rig.accept(ids(1, "later"))
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1
        assert (await rig.waiting(), await rig.leased(), rig.witness.outcomes) == (4, 0, {})
        lease = await rig.store.lease("c", GroupLimits(), rig.clock.now_ms(), 60)
    assert lease is not None
    assert {(event.attempts, event.unanswered_at_ms) for event in lease.events} == {(0, None)}


async def test_lease_made_when_the_token_is_refused_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another connection's refusal is obeyed even by events that are leased already."""
    async with delivery_rig(PATIENT, start=False) as rig:
        rig.connections.add("a", token="shared")
        rig.connections.add("b", token="shared")
        lease = rig.store.lease

        async def slow_lease(connection_id: str, *rest: Any) -> Lease | None:
            made = await lease(connection_id, *rest)
            if connection_id == "b":
                await rig.until_condition("throttled", "a")
            return made

        monkeypatch.setattr(rig.store, "lease", slow_lease)
        rig.tiktok.judge = lambda _: too_frequent()
        await rig.deliverer.start()
        await rig.accept(ids(1), "b")
        await rig.accept(ids(1), "a")
        await rig.until_condition("throttled", "a")
        await rig.give_time()
        assert rig.tiktok.of_pixel("pixel-b") == []
        assert (await rig.waiting("b"), await rig.leased("b")) == (1, 0)


async def test_requests_wait_for_their_turn() -> None:
    """Beyond a burst of a tenth of a second, no more requests leave in a second than are set."""
    async with delivery_rig(replace(QUICK, limits=SINGLES, requests_per_second=20.0)) as rig:
        started = time.monotonic()
        await rig.accept(ids(5))
        await rig.until_empty()
    assert rig.tiktok.requests[-1].at - started > 0.99 * (5 - 2) / 20


async def test_parts_of_a_divided_group_wait_for_their_turn() -> None:
    """Halving makes many requests, which count like any other."""
    async with delivery_rig(replace(QUICK, requests_per_second=20.0)) as rig:
        rig.tiktok.judge = refuse("e0")
        started = time.monotonic()
        await rig.accept(ids(4))
        await rig.until_empty()
    assert len(rig.tiktok.requests) == 5
    assert rig.tiktok.requests[-1].at - started > 0.99 * (5 - 2) / 20


async def test_connections_with_tokens_of_their_own_do_not_share_a_limit() -> None:
    """One connection's refusal is nothing to another with another access token."""
    async with delivery_rig(PATIENT, start=False) as rig:
        rig.connections.add("a")
        await rig.deliverer.start()
        rig.tiktok.judge = lambda received: too_frequent() if received.pixel == "pixel-a" else take_all(received)
        await rig.accept(ids(1), "a")
        await rig.until_condition("throttled", "a")
        await rig.accept(ids(1))
        await rig.until_empty(seconds=0.9)
        await rig.until_condition("live")
