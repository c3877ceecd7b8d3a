"""When events are ready to be leased, and what wakes a call that waits for them."""

import asyncio
import time

import pytest

from tests.conformance.rig import HOUR, T0, Rig, event
from tiktok_forwarder.domain.outcome import DeadLettered, Retry
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import GroupLimits

TEN = GroupLimits({"1.0": 3, "2.0": 10})
FILL_SECONDS = 60.0
FILL_MS = 60_000


async def is_worth_leasing(rig: Rig, now_ms: int = T0, limits: GroupLimits = TEN) -> bool:
    """Whether a group is ready that may wait a minute for more events."""
    return await rig.is_ready(now_ms=now_ms, fill_seconds=FILL_SECONDS, limits=limits)


async def append(rig: Rig, first: int, count: int, form: str = "2.0", now_ms: int = T0) -> None:
    await rig.append(*[event(str(number), form=form) for number in range(first, first + count)], now_ms=now_ms)


async def wait(rig: Rig, fill_seconds: float = FILL_SECONDS, wait_seconds: float = 5.0) -> float:
    """The seconds until a group is ready."""
    began = time.monotonic()
    assert await rig.is_ready(limits=TEN, fill_seconds=fill_seconds, wait_seconds=wait_seconds)
    return time.monotonic() - began


async def test_empty_queue_is_never_ready(rig: Rig) -> None:
    """Neither is one whose events are all leased."""
    assert not await rig.is_ready()
    await append(rig, 0, 3)
    await rig.must_lease()
    assert not await rig.is_ready()


async def test_fresh_event_waits_for_others_since_it_was_accepted(rig: Rig) -> None:
    """Also over a restart, and however many events follow it."""
    await append(rig, 0, 1)
    await append(rig, 1, 8, now_ms=T0 + 30_000)
    await rig.reopen()
    assert not await is_worth_leasing(rig, T0 + FILL_MS - 1)
    assert await is_worth_leasing(rig, T0 + FILL_MS)


async def test_full_group_waits_for_nothing(rig: Rig) -> None:
    """What is leased already does not make it full."""
    await append(rig, 0, 12)
    assert await is_worth_leasing(rig)
    lease = await rig.must_lease(limits=GroupLimits({"2.0": 5}))
    assert not await is_worth_leasing(rig)
    await rig.store.release(lease)
    assert await is_worth_leasing(rig)


async def test_forms_do_not_fill_each_others_groups(rig: Rig) -> None:
    """A request contains one form of the Events API, each with a size of its own."""
    await append(rig, 0, 2, form="1.0")
    await append(rig, 2, 9)
    assert not await is_worth_leasing(rig)
    await append(rig, 11, 1, form="1.0")
    assert await is_worth_leasing(rig)


async def test_retry_waits_for_others_since_its_due_time(rig: Rig) -> None:
    """Retries of one failure are due within moments of each other, so that they leave together again."""
    await append(rig, 0, 1)
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Retry(T0 + 1000)}, T0)
    assert not await is_worth_leasing(rig, T0 + 1000 + FILL_MS - 1)
    assert await is_worth_leasing(rig, T0 + 1000 + FILL_MS)


async def test_retries_that_are_not_due_do_not_fill_a_group(rig: Rig) -> None:
    """A backlog of retries does not make a group of each new event."""
    await append(rig, 0, 15)
    lease = await rig.must_lease()
    await rig.store.settle(lease, {each.event_no: Retry(T0 + HOUR) for each in lease.events}, T0)
    await append(rig, 15, 1)
    assert not await is_worth_leasing(rig, T0 + 1000)
    assert await is_worth_leasing(rig, T0 + FILL_MS)
    await append(rig, 16, 9, now_ms=T0 + 1000)
    assert await is_worth_leasing(rig, T0 + 1000)


async def test_replayed_event_does_not_wait_for_others(rig: Rig) -> None:
    """It has waited long enough."""
    await append(rig, 0, 1)
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: DeadLettered("refused")}, T0)
    await rig.store.replay(DeadLetterFilter(), T0)
    assert await is_worth_leasing(rig)


@pytest.mark.parametrize(("back_ms", "is_ready"), [(5000, False), (5001, True)])
async def test_event_accepted_before_the_clock_was_set_back_is_ready(rig: Rig, back_ms: int, is_ready: bool) -> None:
    """It must not wait until the clock has caught up; a small step back only makes it wait a little longer."""
    await append(rig, 0, 1)
    assert await is_worth_leasing(rig, T0 - back_ms) == is_ready


async def test_wait_ends_without_work(rig: Rig) -> None:
    """After its time, and not before."""
    began = time.monotonic()
    assert not await rig.is_ready(wait_seconds=0.1)
    assert 0.1 <= time.monotonic() - began < 2


async def test_wait_ends_when_the_first_event_has_waited_long_enough(rig: Rig) -> None:
    """The call counts the time that it waits itself."""
    await append(rig, 0, 1)
    assert 0.1 <= await wait(rig, fill_seconds=0.1) < 2


async def test_wait_ends_when_a_retry_is_due(rig: Rig) -> None:
    """In time, without anything that happens in between."""
    await append(rig, 0, 1)
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: Retry(T0 + 100)}, T0)
    assert 0.1 <= await wait(rig, fill_seconds=0) < 2


async def test_new_event_ends_the_wait_of_an_empty_queue(rig: Rig) -> None:
    """The deliverer need not ask again and again."""
    waiting = asyncio.create_task(wait(rig, fill_seconds=0))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await append(rig, 0, 1)
    assert await waiting < 2


async def test_wait_ends_with_the_event_that_makes_a_group_full(rig: Rig) -> None:
    """Those before it do not end it, and neither do events of another connection."""
    await append(rig, 0, 3)
    waiting = asyncio.create_task(wait(rig))
    await asyncio.sleep(0.05)
    await rig.append(*[event(str(number), "b") for number in range(20)])
    for number in range(3, 9):
        await append(rig, number, 1)
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await append(rig, 9, 1)
    assert await waiting < 2


async def test_replay_ends_a_wait(rig: Rig) -> None:
    """People see the events leave that they have just replayed."""
    await append(rig, 0, 1)
    lease = await rig.must_lease()
    await rig.store.settle(lease, {lease.events[0].event_no: DeadLettered("refused")}, T0)
    waiting = asyncio.create_task(wait(rig))
    await asyncio.sleep(0.05)
    assert await rig.store.replay(DeadLetterFilter("a"), T0) == 1
    assert await waiting < 2


async def test_every_waiting_call_is_woken(rig: Rig) -> None:
    """One that is cancelled in the meantime disturbs no other."""
    waiting = [asyncio.create_task(wait(rig, fill_seconds=0)) for _ in range(3)]
    await asyncio.sleep(0.1)
    waiting[1].cancel()
    await append(rig, 0, 1)
    assert max(await asyncio.gather(waiting[0], waiting[2])) < 2
