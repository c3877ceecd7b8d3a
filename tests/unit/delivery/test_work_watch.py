"""When a group is ready to be leased."""

import asyncio
import time

from msgspec.structs import replace

from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.delivery.work_watch import WorkWatch
from tiktok_forwarder.domain.outcome import Retry
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, Lease, NewEvent
from tiktok_forwarder.system_clock import SystemClock

LIMITS = GroupLimits({"2.0": 10}, payload_bytes=1000)


class Queue:
    """A store with one connection, and the watch over it."""

    def __init__(self, max_wait_seconds: float, limits: GroupLimits = LIMITS) -> None:
        self.store = MemoryStore()
        self.limits = limits
        policy = replace(DeliveryPolicy(), max_wait_seconds=max_wait_seconds)
        self.watch = WorkWatch(self.store, SystemClock(), policy, "c", limits)
        self._event_ids = iter(range(10_000))

    async def add(self, count: int, payload: bytes = b"{}") -> None:
        events = [NewEvent("c", 1, "2.0", "x", str(next(self._event_ids)), payload, ()) for _ in range(count)]
        await self.store.append(Arrivals(events, {}, 0))
        self.watch.notify(count)

    async def take(self) -> Lease:
        self.watch.leasing()
        lease = await self.store.lease("c", self.limits, SystemClock().now_ms(), 60)
        assert lease is not None
        self.watch.leased(lease)
        return lease

    async def ready_after(self) -> float:
        """Seconds until a group is ready."""
        began = time.monotonic()
        async with asyncio.timeout(5):
            while not await self.watch.group_is_ready():
                pass
        return time.monotonic() - began


async def test_few_events_wait_for_more() -> None:
    """The group leaves when its oldest event has waited long enough, however many followed."""
    queue = Queue(max_wait_seconds=0.2)
    await queue.add(1)
    await asyncio.sleep(0.1)
    await queue.add(1)
    assert 0.0 < await queue.ready_after() < 0.2


async def test_group_waits_for_more_events_for_one_second_by_default() -> None:
    """People who watch their first event arrive wait no longer than that."""
    clock, store = ManualClock(), MemoryStore()
    watch = WorkWatch(store, clock, DeliveryPolicy(), "c", LIMITS)
    await store.append(Arrivals([NewEvent("c", 1, "2.0", "x", "e1", b"{}", ())], {}, 0))
    watch.notify(1)
    clock.time_ms += 990
    assert not await watch.group_is_ready()
    clock.time_ms += 10
    assert await watch.group_is_ready()


async def test_retry_waits_for_more_events_for_one_second_from_its_due_time() -> None:
    """Retries of one failure are due within moments of each other, so that they leave together again."""
    clock, store = ManualClock(), MemoryStore()
    watch = WorkWatch(store, clock, DeliveryPolicy(), "c", LIMITS)
    await store.append(Arrivals([NewEvent("c", 1, "2.0", "x", "e1", b"{}", ())], {}, 0))
    lease = await store.lease("c", LIMITS, clock.now_ms(), 60)
    assert lease is not None
    await store.settle(lease, {lease.events[0].event_no: Retry(clock.now_ms())}, clock.now_ms())
    clock.time_ms += 999
    assert not await watch.group_is_ready()
    clock.time_ms += 1
    assert await watch.group_is_ready()


async def test_events_that_were_there_before_do_not_wait() -> None:
    """What nobody has told of has waited already."""
    queue = Queue(max_wait_seconds=60)
    await queue.add(1)
    queue.watch.leasing()
    assert await queue.ready_after() < 0.05


async def test_a_group_that_fills_up_is_ready_at_once() -> None:
    """Waiting ends with the event that makes the group full."""
    queue = Queue(max_wait_seconds=60)
    await queue.add(9)
    waiting = asyncio.create_task(queue.ready_after())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await queue.add(1)
    assert await waiting < 0.2


async def test_first_group_is_full_with_the_events_of_the_larger_form() -> None:
    """Until a lease shows which form of the Events API the events have, a group may still fill up to the larger one."""
    queue = Queue(max_wait_seconds=60, limits=GroupLimits({"1.0": 3, "2.0": 10}))
    await queue.add(9)
    waiting = asyncio.create_task(queue.ready_after())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await queue.add(1)
    await waiting


async def test_after_a_full_lease_the_next_does_not_wait() -> None:
    """More is waiting, even though events that have just arrived would be worth waiting for."""
    queue = Queue(max_wait_seconds=60)
    await queue.add(15)
    assert len((await queue.take()).events) == 10
    await queue.add(1)
    assert await queue.ready_after() < 0.05


async def test_a_lease_full_of_bytes_counts_as_full() -> None:
    """Large events fill a request before their number does."""
    queue = Queue(max_wait_seconds=60)
    await queue.add(9, payload=b'{"a":"' + b"x" * 300 + b'"}')
    assert 2 <= len((await queue.take()).events) < 9
    await queue.add(1)
    assert await queue.ready_after() < 0.05


async def test_a_wake_ends_a_wait_for_work() -> None:
    """With nothing to do it sleeps until it is woken."""
    queue = Queue(max_wait_seconds=0)
    waiting = asyncio.create_task(queue.watch.group_is_ready())
    await asyncio.sleep(0.02)
    assert not waiting.done()
    queue.watch.wake()
    assert await waiting is False
