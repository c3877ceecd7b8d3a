"""Deletes what has reached its end: dead letters and activity.

Only while TikTok's clock confirms this machine's: a clock that is years ahead must not end everything. So without an
answer from TikTok, what has reached its end is kept longer.
"""

import asyncio
import contextlib
from typing import Final, Protocol

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.delivery.clock_comparison import ClockComparison
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import RevisionConflict, StoreUnavailable
from tiktok_forwarder.operations.dead_letter_ends import DAY_MS, DeadLetterEnds
from tiktok_forwarder.operations.watches import Watch
from tiktok_forwarder.store.events import EventStore

_CHECK_SECONDS: Final = 60.0
# How soon TikTok's answer is looked for, while something waits for it.
_WAIT_SECONDS: Final = 5.0
_SWEEP_SECONDS: Final = 3600.0


class RetentionObserver(Protocol):
    def on_dead_letters_expired(self, connection_id: str, count: int) -> None:
        """So many dead letters were deleted, since they were neither replayed nor discarded in time."""
        ...


class RetentionWatch(Watch):
    """Checks from `start` to `stop`. Nodes need not agree who does it: each step deletes what is still there.

    `activity_days` is 0 if the activity is bounded by its size only.
    """

    def __init__(
        self,
        store: EventStore,
        ends: DeadLetterEnds,
        activity: Activity,
        activity_days: int,
        comparison: ClockComparison,
        clock: Clock,
        observer: RetentionObserver,
    ) -> None:
        self._store = store
        self._ends = ends
        self._activity = activity
        self._activity_days = activity_days
        self._comparison = comparison
        self._clock = clock
        self._observer = observer
        self._sweep_at = 0.0
        self._waits_for_time = False

    @property
    def waits_for_time(self) -> bool:
        """Return whether something is kept that may have reached its end, and TikTok's clock is not known."""
        return self._waits_for_time

    async def _watch(self) -> None:
        while True:
            # The watch over the store reports one that cannot be used. In a conflict, another node was first.
            with contextlib.suppress(StoreUnavailable, RevisionConflict):
                await self.check()
            await asyncio.sleep(_WAIT_SECONDS if self._waits_for_time else _CHECK_SECONDS)

    async def check(self) -> None:
        """Delete what has reached its end, once an hour. Raises `StoreUnavailable` and `RevisionConflict`."""
        difference_seconds = self._comparison.recent_difference_seconds
        if difference_seconds is None:
            self._waits_for_time = await self._has_contents()
            return
        self._waits_for_time = False
        now_ms = self._clock.now_ms()
        if self._comparison.is_wrong:
            await self._ends.put_off(now_ms - round(difference_seconds * 1000))
        elif self._clock.monotonic_seconds() >= self._sweep_at:
            await self._sweep(now_ms)
            self._sweep_at = self._clock.monotonic_seconds() + _SWEEP_SECONDS

    async def _sweep(self, now_ms: int) -> None:
        rule = await self._ends.establish(now_ms)
        if rule.days and now_ms >= rule.not_before_ms:
            expired = await self._store.expire(now_ms - rule.days * DAY_MS)
            for connection_id, count in expired.items():
                self._observer.on_dead_letters_expired(connection_id, count)
        if self._activity_days:
            await self._activity.delete_before(now_ms - self._activity_days * DAY_MS)

    async def _has_contents(self) -> bool:
        counts = await self._store.counts()
        return any(each.dead_letters for each in counts.values()) or bool(await self._activity.newest())
