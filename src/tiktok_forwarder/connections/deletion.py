"""Deletes a connection: it receives and sends nothing more, and its waiting events become dead letters."""

from typing import Final

from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.events import EventStore

_REASON: Final = "connection_deleted"


class ConnectionDeletion:
    """Deletes connections. Needs a deliverer that is notified of the connections' changes, or none at all."""

    def __init__(self, connections: Connections, store: EventStore, clock: Clock) -> None:
        self._connections = connections
        self._store = store
        self._clock = clock

    async def delete(self, name_or_id: str, changed_by: str) -> int:
        """Delete the connection; return how many waiting events became dead letters. Raises `UnknownName`."""
        # In this order, a crash in between leaves events without a connection, which `sweep` finds.
        connection = await self._connections.remove(name_or_id, changed_by)
        return await self._store.dead_letter_all(connection.id, _REASON, self._clock.now_ms())

    async def sweep(self) -> int:
        """Dead-letter the waiting events of deleted connections; return how many.

        A crash in the middle of a deletion leaves some, and so does a process that accepts events of a connection
        before it knows that another process has deleted it.
        """
        waiting = [name for name, counts in (await self._store.counts()).items() if counts.waiting]
        # Only now: a connection that another process has added is known before its first event is counted.
        await self._connections.catch_up()
        known = set(self._connections.connection_ids())
        orphans = [name for name in waiting if name not in known]
        moved = [await self._store.dead_letter_all(name, _REASON, self._clock.now_ms()) for name in orphans]
        return sum(moved)
