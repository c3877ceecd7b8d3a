"""Leases of a deliverer: what it does when the store gives none, when their time is nearly up, and when it stops."""

import asyncio
import weakref
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import (
    PATIENT,
    QUICK,
    Received,
    answer,
    break_store,
    delivery_rig,
    ids,
    watch_calls,
)
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.queue import GroupLimits

SINGLES = GroupLimits({"1.0": 1, "2.0": 1})


async def hang(_: Received) -> web.Response:
    await asyncio.sleep(30)
    return answer(0)


def gaps(times: list[float]) -> list[float]:
    """The seconds between each time and the next."""
    return [later - earlier for earlier, later in pairwise(times)]


@pytest.mark.parametrize("method", ["ready", "lease"])
async def test_store_in_trouble_is_asked_again_after_a_wait(method: str) -> None:
    """A store that fails gets a pause between two tries, and the log no flood of the same line."""
    async with delivery_rig(replace(QUICK, trouble_wait_seconds=0.02), start=False) as rig:
        await rig.accept(ids(1))
        break_store(rig, method, [StoreUnavailable("disk full")] * 1000)
        calls = watch_calls(rig, method)
        await rig.deliverer.start()
        await rig.wait_until(lambda: len(calls) == 4)
        assert min(gaps(calls)) > 0.019
        assert len(rig.witness.failures) <= 4


async def test_store_that_leases_nothing_is_asked_again_after_a_wait() -> None:
    """An event that is due, yet not leased to this deliverer, must not keep the processor busy."""
    async with delivery_rig(start=False) as rig:
        await rig.accept(ids(1))
        break_store(rig, "lease", [None] * 1000)
        calls = watch_calls(rig, "lease")
        await rig.deliverer.start()
        await rig.wait_until(lambda: len(calls) == 3)
        assert min(gaps(calls)) > 0.049


@pytest.mark.parametrize("result", [StoreUnavailable("disk full"), None], ids=["fails", "gives none"])
async def test_lease_that_is_not_given_occupies_no_request(result: Exception | None) -> None:
    """After more such leases than requests may be on their way, the connection still delivers, all at once."""
    policy = replace(QUICK, limits=SINGLES, max_requests_in_flight=2, trouble_wait_seconds=0.001)
    async with delivery_rig(policy, start=False) as rig:
        rig.tiktok.judge = hang
        await rig.accept(ids(3))
        break_store(rig, "lease", [result] * 3)
        calls = watch_calls(rig, "lease")
        await rig.deliverer.start()
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 2)
        assert len(calls) >= 5


async def test_lease_that_gives_nothing_uses_up_no_turn() -> None:
    """With a low rate, a request that was never made must not delay the one that is."""
    async with delivery_rig(replace(QUICK, requests_per_second=0.1), start=False) as rig:
        await rig.accept(ids(1))
        break_store(rig, "lease", [None] * 2)
        await rig.deliverer.start()
        await rig.until_empty(seconds=2)
        assert len(rig.tiktok.requests) == 1


async def test_group_of_nothing_but_late_events_uses_up_no_turn() -> None:
    """Events that would count twice are not sent, so they take nothing from the rate of those that are."""
    async with delivery_rig(replace(PATIENT, requests_per_second=0.1)) as rig:
        rig.tiktok.judge = lambda _: web.Response(status=504)
        await rig.accept(["doubtful"])
        await rig.wait_until(lambda: rig.witness.outcomes["c", "retry"] == 1)
        rig.tiktok.judge = lambda _: answer(0)
        rig.clock.advance(49 * 3600)
        await rig.until_empty()
        await rig.accept(["fresh"])
        await rig.until_empty(seconds=2)
    assert rig.tiktok.groups == [["doubtful"], ["fresh"]]


async def test_full_lease_sends_what_is_left_without_a_wait() -> None:
    """A backlog leaves at once, although events that arrive meanwhile would be worth waiting for."""
    policy = replace(QUICK, limits=GroupLimits({"2.0": 10}), max_wait_seconds=60.0, recheck_seconds=60.0)
    late = iter(ids(1, "late"))
    async with delivery_rig(policy) as rig:

        async def accept_another() -> None:
            await rig.accept(list(late))

        watch_calls(rig, "lease", accept_another)
        await rig.accept(ids(15))
        await rig.until_empty(seconds=2)
    assert sorted(len(group) for group in rig.tiktok.groups) == [6, 10]


async def test_lease_is_renewed_after_a_third_of_its_time() -> None:
    """Two renewals may fail before the lease is lost, and none is made for a request that is answered soon."""
    async with delivery_rig(replace(QUICK, send_timeout_seconds=0.2, lease_margin_seconds=0.1, limits=SINGLES)) as rig:
        break_store(rig, "renew", [None] * 100)
        leases, renewals = watch_calls(rig, "lease"), watch_calls(rig, "renew")
        rig.tiktok.judge = hang
        await rig.accept(ids(1))
        await rig.wait_until(lambda: len(renewals) == 2)
        assert min(gaps([leases[0], *renewals])) > 0.099


async def test_lease_whose_renewal_fails_is_renewed_later() -> None:
    """A store that is in trouble for a moment does not cost the lease, and so sends nothing twice."""
    async with delivery_rig(replace(QUICK, send_timeout_seconds=0.2, lease_margin_seconds=0.1)) as rig:
        break_store(rig, "renew", [StoreUnavailable("disk full")])
        renewals = watch_calls(rig, "renew")
        rig.tiktok.judge = hang
        await rig.accept(ids(3))
        await rig.wait_until(lambda: len(renewals) == 2)
        assert [str(error) for error in rig.witness.failures] == ["disk full"]


async def test_outcome_is_offered_to_the_store_five_times() -> None:
    """After growing waits the lease is left to expire: events sent again at once would meet the same store."""
    async with delivery_rig(replace(QUICK, trouble_wait_seconds=0.002)) as rig:
        break_store(rig, "settle", [StoreUnavailable("disk full")] * 1000)
        offers = watch_calls(rig, "settle")
        await rig.accept(ids(3))
        await rig.wait_until(lambda: len(rig.witness.failures) == 6)
        await rig.give_time()
        assert len(offers) == 5
        assert all(gap > 0.0019 * 2**number for number, gap in enumerate(gaps(offers)))
        assert (await rig.leased(), len(rig.tiktok.requests)) == (3, 1)
    assert "events are sent again" in str(rig.witness.failures[-1])


async def test_stop_waits_for_a_lease_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a connection runs on after its stop, and no event stays leased to nobody."""
    async with delivery_rig(start=False) as rig:
        lease = rig.store.lease
        is_leased = asyncio.Event()

        async def slow_lease(*asked: Any) -> Any:
            made = await lease(*asked)
            is_leased.set()
            await asyncio.sleep(0.05)
            return made

        monkeypatch.setattr(rig.store, "lease", slow_lease)
        await rig.accept(ids(3))
        await rig.deliverer.start()
        await is_leased.wait()
        await rig.deliverer.stop(1.0)
        assert (await rig.waiting(), await rig.leased(), rig.tiktok.requests) == (3, 0, [])


async def test_stop_waits_until_the_store_has_noted_what_may_have_arrived() -> None:
    """Events given up on their way are remembered as doubtful before the service ends."""
    async with delivery_rig(PATIENT) as rig:

        async def take_long() -> None:
            await asyncio.sleep(0.05)

        rig.tiktok.judge = hang
        watch_calls(rig, "settle", take_long)
        await rig.accept(ids(2))
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 1)
        await rig.deliverer.stop(0.01)
        assert (await rig.leased(), rig.witness.outcomes) == (0, {("c", "retry"): 2})


async def test_stop_between_two_parts_of_a_group_leaves_no_doubt() -> None:
    """TikTok has answered what was sent, so nothing may have arrived and no attempt is counted."""
    async with delivery_rig(replace(PATIENT, requests_per_second=0.1)) as rig:
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        await rig.accept(ids(4))
        await rig.until_requests(1)
        await rig.deliverer.stop(0.01)
        lease = await rig.store.lease("c", GroupLimits(), rig.clock.now_ms(), 60)
        assert lease is not None
        assert [(event.attempts, event.unanswered_at_ms) for event in lease.events] == [(0, None)] * 4


async def test_finished_groups_are_not_kept() -> None:
    """A connection that delivers for months must not grow by a task for each of its requests."""
    tasks: list[weakref.ref[asyncio.Task[Any]]] = []

    # From Python 3.14 on, libraries pass more options.
    def make_task(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(work, loop=loop, **options)
        tasks.append(weakref.ref(task))
        return task

    async with delivery_rig(replace(QUICK, limits=SINGLES)) as rig:
        asyncio.get_running_loop().set_task_factory(make_task)
        await rig.accept(ids(30))
        await rig.until_empty()
        await rig.give_time()
        kept = [task for task in (each() for each in tasks) if task is not None]
        assert len(tasks) > 60
        assert len(kept) < 20
