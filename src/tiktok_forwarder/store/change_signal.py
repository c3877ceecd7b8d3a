"""Waits for changes of documents: woken by those of this process, and looking again for those of others."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tiktok_forwarder.store.documents import DocumentChanges


class ChangeSignal:
    """`wake` lets everyone who waits look again. Without it, they look again each `look_again_seconds`, if given."""

    def __init__(self, look_again_seconds: float | None = None) -> None:
        self._look_again_seconds = look_again_seconds
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()
        self._woken = asyncio.Event()

    async def first_changes(
        self, look: Callable[[], Awaitable[DocumentChanges]], wait_seconds: float
    ) -> DocumentChanges:
        """Return the first changes that `look` finds, or what it found last when the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_seconds
        while True:
            # Taken before looking: a change in between wakes too.
            woken = self._woken
            found = await look()
            left_seconds = deadline - loop.time()
            if found.changed or left_seconds <= 0:
                return found
            if self._look_again_seconds is not None:
                left_seconds = min(left_seconds, self._look_again_seconds)
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), left_seconds)
