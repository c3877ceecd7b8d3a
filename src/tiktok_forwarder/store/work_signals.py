"""Waits for a group that is ready, and is woken by new events of the same process."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from tiktok_forwarder.store.readiness import Readiness

# The least time between two looks, so that rounding cannot keep the processor busy.
_SHORTEST_WAIT_SECONDS: Final = 0.001


class WorkSignals:
    """The waiting calls of a store's `ready`, by connection. While none waits, `add` costs nothing.

    `poll_seconds` is for a store whose events are added by other processes too.
    """

    def __init__(self, poll_seconds: float | None = None) -> None:
        self._poll_seconds = poll_seconds
        # Replaced as a whole, since `add` may read a value in another thread.
        self._waiting: dict[str, tuple[_Waiter, ...]] = {}

    def add(self, connection_id: str, events: int) -> None:
        """Report that events of the connection were added and can be found. Any thread may call this."""
        for waiter in self._waiting.get(connection_id, ()):
            waiter.add(events)

    async def wait(
        self, connection_id: str, look: Callable[[int], Awaitable[Readiness]], *, now_ms: int, wait_seconds: float
    ) -> bool:
        """Return whether `look`, given the time in ms, finds a group ready within `wait_seconds`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            with self._waiter(connection_id) as waiter:
                elapsed_ms = round((loop.time() - began) * 1000)
                readiness = await _whole(look(now_ms + elapsed_ms))
                if readiness.is_ready:
                    return True
                left_seconds = wait_seconds - (loop.time() - began)
                if left_seconds <= 0:
                    return False
                waits = [each for each in (left_seconds, readiness.seconds, self._poll_seconds) if each is not None]
                await waiter.wait(readiness.missing, max(min(waits), _SHORTEST_WAIT_SECONDS))

    @contextmanager
    def _waiter(self, connection_id: str) -> "Iterator[_Waiter]":
        waiter = _Waiter(asyncio.get_running_loop())
        self._waiting[connection_id] = (*self._waiting.get(connection_id, ()), waiter)
        try:
            yield waiter
        finally:
            others = tuple([each for each in self._waiting[connection_id] if each is not waiter])
            if others:
                self._waiting[connection_id] = others
            else:
                del self._waiting[connection_id]


async def _whole(look: Awaitable[Readiness]) -> Readiness:
    """Return what is found. A caller that stops waiting does not break off a statement that is on its way."""
    looking = asyncio.ensure_future(look)
    try:
        return await asyncio.shield(looking)
    except asyncio.CancelledError:
        # No one is left to receive its error.
        looking.add_done_callback(lambda looked: looked.cancelled() or looked.exception())
        raise


class _Waiter:
    """One waiting call. It counts from before its look, which may or may not have seen what was added since."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._has_enough = asyncio.Event()
        self._added = 0
        self._missing: int | None = None

    def add(self, events: int) -> None:
        self._added += events
        if self._missing is not None and self._added >= self._missing:
            # A loop that has ended waits for nothing.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._has_enough.set)

    async def wait(self, missing: int, seconds: float) -> None:
        # In this order, with `add` in the opposite one, one of the two sees that there is enough.
        self._missing = missing
        if self._added >= missing:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_enough.wait()
