"""Decides when a connection's next group is ready: it is full, or its oldest event has waited long enough."""

import asyncio
from typing import Final

from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.queue import EventQueue, GroupLimits, Lease

# A lease limited by its bytes holds a little less than allowed; more events are then waiting.
_FULL_SHARE: Final = 0.9


class WorkWatch:
    """Sleeps until there is something to lease; `notify` reports new events, `wake` anything else."""

    def __init__(
        self, queue: EventQueue, clock: Clock, policy: DeliveryPolicy, connection_id: str, limits: GroupLimits
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._policy = policy
        self._connection_id = connection_id
        self._limits = limits
        self._group_size = max(limits.max_events.values())
        self._woken = asyncio.Event()
        self._is_holding = False
        self._new_events = 0
        self._first_new_at: float | None = None
        self._was_full = False

    def notify(self, new_events: int) -> None:
        """Report new events in the store; while a group is being gathered, only a full one wakes the loop."""
        self._new_events += new_events
        if self._first_new_at is None:
            self._first_new_at = self._clock.monotonic_seconds()
        if not self._is_holding or self._new_events >= self._group_size:
            self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    async def woken_within(self, seconds: float) -> None:
        """Return when woken, after `seconds`, or after a while in which the clock may have been set."""
        try:
            async with asyncio.timeout(min(seconds, self._policy.recheck_seconds)):
                await self._woken.wait()
        except TimeoutError:
            pass
        self._woken.clear()

    async def event_is_due(self) -> bool:
        """Return whether an event is due; False after a wait, since things may have changed."""
        due_ms = await self._queue.next_due_ms(self._connection_id, self._clock.now_ms())
        if due_ms is None:
            await self.woken_within(self._policy.recheck_seconds)
            return False
        wait_ms = due_ms - self._clock.now_ms()
        if wait_ms > 0:
            await self.woken_within(wait_ms / 1000)
            return False
        return True

    async def group_is_ready(self) -> bool:
        """Like `event_is_due`, and the group is full or its oldest event has waited `max_wait_seconds`."""
        now_ms = self._clock.now_ms()
        due_ms = await self._queue.next_due_ms(self._connection_id, now_ms)
        if due_ms is None or due_ms > now_ms:
            return await self.event_is_due()
        hold_seconds = self._policy.max_wait_seconds - self._waited_seconds(due_ms, now_ms)
        if hold_seconds <= 0 or self._was_full or self._new_events >= self._group_size:
            return True
        self._is_holding = True
        await self.woken_within(hold_seconds)
        self._is_holding = False
        return False

    def leasing(self) -> None:
        """Record that all events notified so far are about to be leased."""
        self._new_events = 0
        self._first_new_at = None

    def leased(self, lease: Lease | None) -> None:
        """Record a lease: whether it was full decides whether to wait for more events next time."""
        self._was_full = False
        if lease is None:
            return
        self._group_size = self._limits.max_events[lease.wire_form]
        payload_bytes = sum(len(event.payload) for event in lease.events)
        self._was_full = (
            len(lease.events) >= self._group_size or payload_bytes >= self._limits.payload_bytes * _FULL_SHARE
        )

    def _waited_seconds(self, due_ms: int, now_ms: int) -> float:
        """Return how long an event has waited: a fresh one (due 0) since notified of it, a retry since its due time."""
        if due_ms > 0:
            return (now_ms - due_ms) / 1000
        if self._first_new_at is None:
            return self._policy.max_wait_seconds
        return self._clock.monotonic_seconds() - self._first_new_at
