"""Periodic checks while the service runs: the event loop and the store.

Everything runs on one loop, so a blocked loop blocks everything. A store that takes no new events is reported once,
with the reason, and again when the problem is over. For a deleted database, the events that it alone contains are
reported too.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.events import EventStore
from tiktok_forwarder.store.totals import QueueCounts

_LOOP_SECONDS: Final = 0.25
_STORE_SECONDS: Final = 0.5
_DELETED: Final = "deleted"


class Watch:
    """Checks periodically from `start` to `stop`. `_watch` defines what and how often, and never ends on its own."""

    _task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        raise NotImplementedError


class LoopObserver(Protocol):
    def on_loop_lag(self, seconds: float) -> None:
        """The loop resumed this much later than requested."""
        ...


class LoopWatch(Watch):
    """Measures the loop's lag from `start` to `stop`."""

    def __init__(self, clock: Clock, observer: LoopObserver) -> None:
        self._clock = clock
        self._observer = observer

    async def _watch(self) -> None:
        while True:
            asked = self._clock.monotonic_seconds()
            await asyncio.sleep(_LOOP_SECONDS)
            self._observer.on_loop_lag(max(0.0, self._clock.monotonic_seconds() - asked - _LOOP_SECONDS))


class StoreObserver(Protocol):
    def on_store_problems(self, problems: Sequence[str]) -> None:
        """Report why no new event can be accepted from now on; empty when events are accepted again."""
        ...

    def on_database_deleted(self, counts: Mapping[str, QueueCounts], *, is_final: bool) -> None:
        """Report which events exist in a deleted database only.

        They can still be delivered while the service runs; `is_final` if it ends now, which loses them.
        """
        ...


class StoreWatch(Watch):
    """Checks from `start` to `stop`.

    The check tries a store that has a problem, so that it recovers without a sender too. Twice a second, so that a
    database that is no longer there is noticed within one.
    """

    def __init__(self, store: EventStore, observer: StoreObserver) -> None:
        self._store = store
        self._observer = observer

    async def _watch(self) -> None:
        reported: list[str] = []
        while True:
            problems = list(await self._store.problems())
            if problems != reported:
                self._observer.on_store_problems(problems)
                await self._report_deletion(problems, is_final=False)
                reported = problems
            await asyncio.sleep(_STORE_SECONDS)

    async def stop(self) -> None:
        await super().stop()
        await self._report_deletion(await self._store.problems(), is_final=True)

    async def _report_deletion(self, problems: Sequence[str], *, is_final: bool) -> None:
        if _DELETED in problems:
            with contextlib.suppress(StoreUnavailable):
                self._observer.on_database_deleted(await self._store.counts(), is_final=is_final)
