"""What is looked at again and again while the service runs: the event loop and the store.

Everything runs on one loop, so whatever holds it up holds up everything. That the store takes no new events is reported
once, with the reason, and again when it is over.
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
    """Looks from `start` to `stop`: what at, and how often, stands in `_watch`, which never ends by itself."""

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
        """The loop came back so much later than it was asked to."""
        ...


class LoopWatch(Watch):
    """Measures from `start` to `stop`."""

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
        """Why no new event can be taken from now on; empty when they can again."""
        ...


class StoreWatch(Watch):
    """Looks from `start` to `stop`. A store in trouble is tried by that, so that it goes on also without a sender."""

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
