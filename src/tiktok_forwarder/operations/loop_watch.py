"""Watches the event loop: everything runs on one, so whatever holds it up holds up everybody."""

import asyncio
from typing import Final, Protocol

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.operations.watch import Watch

_EVERY_SECONDS: Final = 0.25


class LoopObserver(Protocol):
    def lagged(self, seconds: float) -> None:
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
            await asyncio.sleep(_EVERY_SECONDS)
            self._observer.lagged(max(0.0, self._clock.monotonic_seconds() - asked - _EVERY_SECONDS))
