"""Checks of connections that were saved: beside the request that saved them, which waits for no answer of TikTok."""

import asyncio
from collections.abc import Collection
from typing import Final, Protocol

from tiktok_forwarder.connections.check import ConnectionCheck
from tiktok_forwarder.connections.connections import Connections

_MAX_CHECKS_AT_ONCE: Final = 4


class CheckObserver(Protocol):
    def on_internal_error(self, error: Exception) -> None: ...


class BackgroundChecks:
    """Runs checks until `stop`. Their results are kept, and shown as the condition of the connection."""

    def __init__(self, connections: Connections, check: ConnectionCheck, observer: CheckObserver) -> None:
        self._connections = connections
        self._check = check
        self._observer = observer
        self._slots = asyncio.Semaphore(_MAX_CHECKS_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, names_or_ids: Collection[str]) -> None:
        """Begin to check these connections, except those whose settings TikTok has answered about already."""
        for name_or_id in names_or_ids:
            connection = self._connections.find(name_or_id)
            if connection is not None and self._check.is_needed(connection):
                task = asyncio.create_task(self._run(connection.id), name=f"check {connection.id}")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, connection_id: str) -> None:
        async with self._slots:
            # Only now: it may have been changed or deleted while others were checked.
            connection = self._connections.find(connection_id)
            if connection is None:
                return
            try:
                await self._check.check(connection)
            except Exception as error:  # no request waits that could report it
                self._observer.on_internal_error(error)
