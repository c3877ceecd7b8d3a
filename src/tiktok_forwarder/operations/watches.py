"""Periodic checks while the service runs: the event loop and the store.

Everything runs on one loop, so a blocked loop blocks everything. A store that takes no new events is reported once,
with the reason, and again when the problem is over.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final, Protocol

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.events import EventStore

_LOOP_SECONDS: Final = 0.25
_STORE_SECONDS: Final = 1.0


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


class StoreWatch(Watch):
    """Checks from `start` to `stop`.

    The check tries a store that has a problem, so that it recovers without a sender too.
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
                reported = problems
            await asyncio.sleep(_STORE_SECONDS)
