"""Finishes deletions of connections while the service runs: what other processes left, or this one in a hurry."""

import asyncio
import contextlib
from typing import Final

from tiktok_forwarder.connections.deletion import ConnectionDeletion
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.operations.watches import Watch

_SWEEP_SECONDS: Final = 30.0


class DeletionWatch(Watch):
    """Dead-letters the events of deleted connections, from `start` to `stop`."""

    def __init__(self, deletion: ConnectionDeletion) -> None:
        self._deletion = deletion

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            with contextlib.suppress(StoreUnavailable):  # the watch over the store reports it
                await self._deletion.sweep()
