"""What ends the wait for a connection's next group, besides the queue."""

import asyncio
import time

from msgspec.structs import replace

from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.delivery.work_watch import WorkWatch
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, Lease, NewEvent
from tiktok_forwarder.system_clock import SystemClock

LIMITS = GroupLimits({"2.0": 10}, payload_bytes=1000)


class Queue:
    """A store with one connection, and the watch over it."""

    def __init__(self, **policy: float) -> None:
        self.store = MemoryStore()
        self.watch = WorkWatch(self.store, SystemClock(), replace(DeliveryPolicy(), **policy), "c", LIMITS)
        self._event_ids = iter(range(10_000))

    async def add(self, count: int, payload: bytes = b"{}") -> None:
        events = [NewEvent("c", 1, "2.0", "x", str(next(self._event_ids)), payload, ()) for _ in range(count)]
        await self.store.append(Arrivals(events, {}, SystemClock().now_ms()))

    async def take(self) -> Lease:
        lease = await self.store.lease("c", LIMITS, SystemClock().now_ms(), 60)
        assert lease is not None
        self.watch.leased(lease)
        return lease


async def test_group_waits_for_more_events_for_one_second_by_default() -> None:
    """People who watch their first event arrive wait no longer than that."""
    clock, store = ManualClock(), MemoryStore()
    watch = WorkWatch(store, clock, replace(DeliveryPolicy(), recheck_seconds=0.0), "c", LIMITS)
    await store.append(Arrivals([NewEvent("c", 1, "2.0", "x", "e1", b"{}", ())], {}, clock.now_ms()))
    clock.time_ms += 990
    assert [await watch.event_is_due(), await watch.group_is_ready()] == [True, False]
    clock.time_ms += 10
    assert await watch.group_is_ready()


async def test_after_a_full_lease_the_next_does_not_wait() -> None:
    """More is waiting, even though events that have just arrived would be worth waiting for."""
    queue = Queue(max_wait_seconds=60)
    await queue.add(15)
    assert len((await queue.take()).events) == 10
    async with asyncio.timeout(1):
        assert await queue.watch.group_is_ready()


async def test_after_a_lease_that_was_not_full_the_next_waits() -> None:
    """Whether an earlier one was full no longer matters."""
    queue = Queue(max_wait_seconds=60, recheck_seconds=0.01)
    await queue.add(15)
    await queue.take()
    await queue.take()
    await queue.add(1)
    assert not await queue.watch.group_is_ready()


async def test_a_lease_full_of_bytes_counts_as_full() -> None:
    """Large events fill a request before their number does."""
    queue = Queue(max_wait_seconds=60)
    await queue.add(9, payload=b'{"a":"' + b"x" * 300 + b'"}')
    assert 2 <= len((await queue.take()).events) < 9
    async with asyncio.timeout(1):
        assert await queue.watch.group_is_ready()


async def test_a_wake_ends_a_wait_for_work() -> None:
    """With nothing to do it sleeps until it is woken, as often as it is asked."""
    queue = Queue(max_wait_seconds=0)
    for _ in range(2):
        waiting = asyncio.create_task(queue.watch.group_is_ready())
        await asyncio.sleep(0.02)
        assert not waiting.done()
        queue.watch.wake()
        queue.watch.wake()
        assert await waiting is False


async def test_a_wake_ends_a_sleep() -> None:
    """Such as that of a paused connection, which does not wait for work."""
    queue = Queue()
    began = time.monotonic()
    sleeping = asyncio.create_task(queue.watch.woken_within(30))
    await asyncio.sleep(0.02)
    queue.watch.wake()
    await sleeping
    assert time.monotonic() - began < 5


async def test_cancelled_wait_is_cancelled() -> None:
    """A wake of the same moment does not hide it."""
    queue = Queue()
    waiting = asyncio.create_task(queue.watch.group_is_ready())
    await asyncio.sleep(0.02)
    waiting.cancel()
    queue.watch.wake()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
