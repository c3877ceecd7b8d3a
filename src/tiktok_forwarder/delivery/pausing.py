"""Pausing and resuming by hand, also while nothing is being delivered: the pause then holds from the next start on."""

from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.interfaces import ConnectionSource, DeliveryStatus
from tiktok_forwarder.delivery.pauses import PauseBook, read_state
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.store.documents import DocumentStore


class Pausing:
    """`deliverer` is None until delivery begins."""

    def __init__(self, documents: DocumentStore, clock: Clock, connections: ConnectionSource) -> None:
        self._documents = documents
        self._clock = clock
        self._connections = connections
        self.deliverer: Deliverer | None = None

    async def pause(self, connection_id: str, reason: str, by: str) -> DeliveryStatus:
        if self.deliverer is not None:
            await self.deliverer.pause(connection_id, reason, by)
            return self.deliverer.status(connection_id)
        book = await self._book(connection_id)
        target = self._connections.target(connection_id)
        if target is None:
            raise UnknownName(f"there is no connection {connection_id}")
        await book.pause_by_hand(reason, by, target.revision)
        return DeliveryStatus(connection_id, "paused", reason, since_ms=self._clock.now_ms(), by=by)

    async def resume(self, connection_id: str, by: str) -> DeliveryStatus:
        if self.deliverer is not None:
            await self.deliverer.resume(connection_id, by)
            return self.deliverer.status(connection_id)
        await (await self._book(connection_id)).resume(by)
        return DeliveryStatus(connection_id, "healthy")

    async def _book(self, connection_id: str) -> PauseBook:
        state = read_state(await self._documents.get_document("delivery_state", connection_id))
        return PauseBook(self._documents, self._clock, connection_id, state)
