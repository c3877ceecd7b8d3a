"""Waits for a connection's next group; a full lease is followed by another immediately."""

import asyncio
from typing import Final

from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.queue import EventQueue, GroupLimits, Lease

# A lease limited by its bytes holds a little less than allowed; more events are then waiting.
_FULL_SHARE: Final = 0.9


class WorkWatch:
    """Sleeps until there is something to lease. `wake` ends that: something outside the queue has changed."""

    def __init__(
        self, queue: EventQueue, clock: Clock, policy: DeliveryPolicy, connection_id: str, limits: GroupLimits
    ) -> None:
        self._queue = queue
        self._clock = clock
        self._policy = policy
        self._connection_id = connection_id
        self._limits = limits
        self._sleep: asyncio.Timeout | None = None
        self._was_full = False

    def wake(self) -> None:
        if self._sleep is not None and not self._sleep.expired():
            self._sleep.reschedule(asyncio.get_running_loop().time())
            self._sleep = None

    async def woken_within(self, seconds: float) -> None:
        """Return when woken, after `seconds`, or after a while in which the clock may have been set."""
        try:
            async with asyncio.timeout(min(seconds, self._policy.recheck_seconds)) as self._sleep:
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        finally:
            self._sleep = None

    async def event_is_due(self) -> bool:
        """Return whether an event is due; False after a wait, since things may have changed."""
        return await self._is_ready(0.0)

    async def group_is_ready(self) -> bool:
        """Like `event_is_due`, and the group is full or its first event has waited `max_wait_seconds` for others."""
        return self._was_full or await self._is_ready(self._policy.max_wait_seconds)

    def leased(self, lease: Lease | None) -> None:
        """Record a lease: if it was full, more events are probably waiting."""
        if lease is None:
            self._was_full = False
            return
        payload_bytes = sum(len(event.payload) for event in lease.events)
        self._was_full = (
            len(lease.events) >= self._limits.max_events[lease.wire_form]
            or payload_bytes >= self._limits.payload_bytes * _FULL_SHARE
        )

    async def _is_ready(self, fill_seconds: float) -> bool:
        try:
            async with asyncio.timeout(None) as self._sleep:
                return await self._queue.ready(
                    self._connection_id,
                    self._limits,
                    fill_seconds=fill_seconds,
                    now_ms=self._clock.now_ms(),
                    wait_seconds=self._policy.recheck_seconds,
                )
        except TimeoutError:
            return False
        finally:
            self._sleep = None
