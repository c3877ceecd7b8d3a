"""One connection's trouble stays its own, a stop is clean and bounded, and trouble of the store loses nothing."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import PATIENT, QUICK, Received, answer, break_store, delivery_rig, ids
from tiktok_forwarder.domain.errors import LeaseLost, StoreUnavailable, UnknownName
from tiktok_forwarder.store.queue import GroupLimits

SINGLES = GroupLimits({"1.0": 1, "2.0": 1})


async def hang(_: Received) -> web.Response:
    await asyncio.sleep(30)
    return answer(0)


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(hang, id="hangs"),
        pytest.param(lambda _: answer(40105), id="bad token"),
        pytest.param(lambda _: answer(50000), id="fails"),
        pytest.param(lambda _: answer(40100, Retry_After="300"), id="throttled"),
    ],
)
async def test_a_troubled_connection_delays_no_other(trouble: Callable[[Received], Any]) -> None:
    """While one connection hangs, fails or is refused, another's events pass as if it were alone."""
    async with delivery_rig(replace(QUICK, limits=SINGLES), start=False) as rig:
        rig.connections.add("troubled")
        await rig.deliverer.start()
        rig.tiktok.judge = lambda received: trouble(received) if received.pixel == "pixel-troubled" else answer(0)
        await rig.accept(ids(50), "troubled")
        await rig.wait_until(lambda: rig.tiktok.of_pixel("pixel-troubled") != [])
        await rig.accept(ids(50))
        await rig.until_empty(seconds=20.0)
        assert await rig.waiting("troubled") == 50


async def test_a_connection_has_only_so_many_requests_in_flight() -> None:
    """Four at once, and the status says how many."""
    async with delivery_rig(replace(QUICK, limits=SINGLES)) as rig:
        rig.tiktok.judge = hang
        await rig.accept(ids(20))
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 4)
        await asyncio.sleep(0.05)
        assert rig.deliverer.status("c").requests_in_flight == len(rig.tiktok.requests) == 4
        assert await rig.leased() == 4


async def test_a_stop_lets_running_requests_end() -> None:
    """Requests on their way are settled, nothing new is leased, and nothing is sent twice."""

    async def slow(_: Received) -> web.Response:
        await asyncio.sleep(0.2)
        return answer(0)

    async with delivery_rig(replace(QUICK, limits=SINGLES)) as rig:
        rig.tiktok.judge = slow
        await rig.accept(ids(20))
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 4)
        started = time.monotonic()
        await rig.deliverer.stop(5.0)
        assert time.monotonic() - started < 1
        assert (len(rig.tiktok.requests), await rig.total("delivered")) == (4, 4)
        assert (await rig.waiting(), await rig.leased()) == (16, 0)
        rig.tiktok.judge = lambda _: answer(0)
        await rig.restart()
        await rig.until_empty()
    assert sorted(rig.tiktok.event_ids) == sorted(ids(20))


async def test_a_stop_is_bounded_by_its_grace() -> None:
    """Requests that hang are given up, their events may have arrived, and all leases are free again."""
    async with delivery_rig(replace(PATIENT, limits=SINGLES)) as rig:
        rig.tiktok.judge = hang
        await rig.accept(ids(6))
        await rig.wait_until(lambda: len(rig.tiktok.requests) == 4)
        started = time.monotonic()
        await rig.deliverer.stop(0.2)
        assert time.monotonic() - started < 1
        assert (await rig.waiting(), await rig.leased()) == (6, 0)
        rig.clock.advance(3600)
        lease = await rig.store.lease("c", GroupLimits(), rig.clock.now_ms(), 60)
        assert lease is not None
        assert len(lease.events) == 6
        doubtful = {event.event_id for event in lease.events if event.unanswered_at_ms is not None}
        assert doubtful == set(rig.tiktok.event_ids)


async def test_after_a_stop_nothing_starts_again() -> None:
    """Events and changes that come late are left to the next start."""
    async with delivery_rig() as rig:
        await rig.deliverer.stop(1.0)
        await rig.accept(ids(2))
        await rig.deliverer.reload("c")
        await asyncio.sleep(0.05)
        assert rig.tiktok.requests == []
        assert await rig.waiting() == 2


async def test_waiting_events_are_delivered_after_a_start() -> None:
    """What is in the store at the start needs no notification."""
    async with delivery_rig(start=False) as rig:
        await rig.accept(ids(3))
        await rig.deliverer.start()
        await rig.until_empty()
    assert rig.tiktok.groups == [ids(3)]


async def test_a_new_connection_is_delivered_without_a_restart() -> None:
    """A connection that is added later begins at once."""
    async with delivery_rig() as rig:
        rig.connections.add("new")
        await rig.deliverer.reload("new")
        await rig.accept(ids(1), "new")
        await rig.until_empty("new")
    assert rig.tiktok.requests[0].pixel == "pixel-new"


async def test_an_unknown_connection_is_an_error_of_the_caller() -> None:
    """Asking for one says so."""
    async with delivery_rig() as rig:
        with pytest.raises(UnknownName, match="nobody"):
            rig.deliverer.status("nobody")
        with pytest.raises(UnknownName, match="nobody"):
            await rig.deliverer.pause("nobody", "why", "ann")


@pytest.mark.parametrize("method", ["lease", "ready", "settle"])
async def test_trouble_with_the_store_passes(method: str) -> None:
    """A store that cannot be used for a moment is tried again; no event is sent more often for it."""
    async with delivery_rig() as rig:
        break_store(rig, method, [StoreUnavailable("disk full")] * 2)
        await rig.accept(ids(3))
        await rig.until_empty()
    assert rig.tiktok.groups == [ids(3)]
    assert [str(error) for error in rig.witness.failures] == ["disk full"] * 2


async def test_a_pause_holds_even_if_it_cannot_be_kept() -> None:
    """A store in trouble does not make the service hammer a refused token."""
    async with delivery_rig() as rig:
        break_store(rig, "put_document", [StoreUnavailable("disk full")])
        rig.tiktok.judge = lambda _: answer(40105)
        await rig.accept(ids(3))
        await rig.until_paused()
        assert len(rig.witness.failures) == 1
        await rig.deliverer.reload("c")
        await rig.give_time()
        assert rig.deliverer.status("c").is_paused
        assert len(rig.tiktok.requests) == 1
        assert await rig.leased() == 0


async def test_a_pause_by_hand_that_cannot_be_kept_is_refused() -> None:
    """A person is not told that something is paused which would run again after a restart."""
    async with delivery_rig() as rig:
        break_store(rig, "put_document", [StoreUnavailable("disk full")])
        with pytest.raises(StoreUnavailable):
            await rig.deliverer.pause("c", "why", "ann")
        assert not rig.deliverer.status("c").is_paused


async def test_a_lost_lease_settles_nothing() -> None:
    """An outcome that comes after the lease has passed to somebody else changes nothing."""
    async with delivery_rig() as rig:
        break_store(rig, "settle", [LeaseLost("taken over")])
        await rig.accept(ids(3))
        await rig.wait_until(lambda: len(rig.witness.failures) == 1)
        assert rig.witness.outcomes == {}
        assert isinstance(rig.witness.failures[0], LeaseLost)


async def test_a_fault_of_the_program_does_not_stop_the_connection() -> None:
    """An unforeseen error is told, the events are given back, and delivery goes on."""
    async with delivery_rig() as rig:
        tokens = rig.connections.tokens
        del tokens["c"]
        rig.connections.tokens = {}
        await rig.accept(ids(1))
        await rig.wait_until(lambda: len(rig.witness.failures) >= 1)
        rig.connections.tokens = {"c": "token-c"}
        await rig.until_empty()
    assert isinstance(rig.witness.failures[0], KeyError)
    assert await rig.total("delivered") == 1


async def test_delivery_that_cannot_be_started_is_started_later() -> None:
    """Whoever changes the connection is told of the store's problem, and need not change it again."""
    async with delivery_rig() as rig:
        await rig.refuse_until_paused()
        rig.tiktok.judge = lambda _: answer(0)
        rig.connections.change("c")
        break_store(rig, "put_document", [StoreUnavailable("disk full")])
        with pytest.raises(StoreUnavailable):
            await rig.deliverer.reload("c")
        await rig.until_empty()
        assert not rig.deliverer.status("c").is_paused
