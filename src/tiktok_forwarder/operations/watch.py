"""Something that is looked at again and again while the service runs."""

import asyncio
import contextlib


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
