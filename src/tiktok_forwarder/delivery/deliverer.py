"""The deliverer: sends stored events to TikTok, each connection independently."""

import asyncio
from collections.abc import Mapping
from typing import Final

from tiktok_forwarder.delivery.connection_delivery import ConnectionDelivery
from tiktok_forwarder.delivery.interfaces import (
    DeliveryParts,
    DeliveryStatus,
)
from tiktok_forwarder.delivery.pauses import BY_SERVICE, PauseControl
from tiktok_forwarder.delivery.rate_limit import TokenRates
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.store.documents import Document

_RELOAD_GRACE_SECONDS: Final = 5.0


class Deliverer:
    """Runs the deliveries of all connections, from `start` to `stop`.

    Events reach TikTok at least once. A repeat has the same event id and bytes: TikTok ignores it for 48 hours.
    """

    def __init__(self, parts: DeliveryParts) -> None:
        self._parts = parts
        self._token_rates = TokenRates(parts.clock, parts.policy.requests_per_second)
        self._deliveries: dict[str, ConnectionDelivery] = {}
        self._changing = asyncio.Lock()
        self._is_stopped = False
        self.is_running = False

    async def start(self) -> None:
        """Start delivery of every connection in its stored state: paused ones stay paused."""
        self.is_running = True
        for connection_id in self._parts.connections.connection_ids():
            await self.reload(connection_id)

    async def reload(self, connection_id: str) -> None:
        """Apply that the connection was added, changed or removed: continue with its current settings.

        A change ends a pause made by the service. The events of a removed connection are left to the caller.
        """
        async with self._changing:
            if self._is_stopped:
                return
            target = self._parts.connections.target(connection_id)
            old = self._deliveries.get(connection_id)
            pauses = old.pauses if old is not None else await self._stored_pauses(connection_id)
            if old is not None:
                await old.stop(_RELOAD_GRACE_SECONDS)
                del self._deliveries[connection_id]
            if target is None:
                await self._forget(connection_id)
                return
            delivery = ConnectionDelivery(self._parts, self._token_rates, target, pauses)
            self._deliveries[connection_id] = delivery
            if old is None:
                # What was stored after the state was read found no delivery to follow it.
                delivery.follow(await self._stored_state(connection_id))
            await delivery.start()

    def follow_state(self, connection_id: str, stored: Document | None) -> None:
        """Apply a pause, or its end, that another process has stored."""
        if (delivery := self._deliveries.get(connection_id)) is not None:
            delivery.follow(stored)

    async def pause(self, connection_id: str, reason: str, by: str) -> DeliveryStatus:
        """Keep the connection's events until a person resumes it: it is not probed, and stays paused over a restart.

        While nothing is delivered, the pause applies from the next start. Raises `UnknownName`.
        """
        if self.is_running:
            await self._delivery(connection_id).pause(reason, by)
            return self.status(connection_id)
        target = self._parts.connections.target(connection_id)
        if target is None:
            raise UnknownName(f'connection "{connection_id}" not found')
        await (await self._stored_pauses(connection_id)).pause_by_hand(reason, by, target.revision)
        return DeliveryStatus(connection_id, "paused", reason, since_ms=self._parts.clock.now_ms(), by=by)

    async def resume(self, connection_id: str, by: str) -> DeliveryStatus:
        """End a pause, whether a person or the service made it."""
        if self.is_running:
            await self._delivery(connection_id).resume(by)
            return self.status(connection_id)
        await (await self._stored_pauses(connection_id)).resume(by)
        return DeliveryStatus(connection_id, "healthy")

    def status(self, connection_id: str) -> DeliveryStatus:
        """Return the connection's status. Raises `ConfigurationError` for an unknown connection."""
        return self._delivery(connection_id).status()

    def statuses(self) -> Mapping[str, DeliveryStatus]:
        """Return the status of each connection by ID; empty while nothing is delivered."""
        return {connection_id: delivery.status() for connection_id, delivery in self._deliveries.items()}

    async def stop(self, grace_seconds: float) -> None:
        """Lease nothing more, let running requests end within the grace period, and release everything else."""
        async with self._changing:
            self._is_stopped = True
            stopping = [delivery.stop(grace_seconds) for delivery in self._deliveries.values()]
            await asyncio.gather(*stopping)

    def _delivery(self, connection_id: str) -> ConnectionDelivery:
        try:
            return self._deliveries[connection_id]
        except KeyError:
            raise ConfigurationError([f'connection "{connection_id}" not found']) from None

    async def _stored_pauses(self, connection_id: str) -> PauseControl:
        stored = await self._stored_state(connection_id)
        return PauseControl(self._parts.documents, self._parts.clock, connection_id, stored)

    async def _stored_state(self, connection_id: str) -> Document | None:
        return await self._parts.documents.get_document("delivery_state", connection_id)

    async def _forget(self, connection_id: str) -> None:
        await self._parts.documents.remove_document(
            "delivery_state", connection_id, changed_by=BY_SERVICE, now_ms=self._parts.clock.now_ms()
        )
