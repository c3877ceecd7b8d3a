"""The deliverer: sends stored events to TikTok, each connection independently."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from msgspec.structs import replace

from tiktok_forwarder.delivery.condition import status_of
from tiktok_forwarder.delivery.connection_delivery import ConnectionDelivery
from tiktok_forwarder.delivery.interfaces import DeliveryStatus, DeliveryTarget
from tiktok_forwarder.delivery.node_answers import decode_statuses, encode_statuses
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.delivery.pauses import BY_SERVICE, PauseControl, stored_pauses
from tiktok_forwarder.delivery.rate_limit import TokenRates
from tiktok_forwarder.domain.errors import SecretUnreadable, StoreUnavailable, UnknownName
from tiktok_forwarder.store.claim_keeper import ClaimKeeper
from tiktok_forwarder.store.claims import DELIVERY
from tiktok_forwarder.store.documents import Document

_RELOAD_GRACE_SECONDS: Final = 5.0


class Deliverer:
    """Runs the deliveries of connections, from `start` to `stop`.

    The connections of one access token are delivered by one node at a time: the node that holds the token's claim.

    Events reach TikTok at least once. A repeat has the same event id and bytes: TikTok ignores it for 48 hours.
    """

    def __init__(self, parts: DeliveryParts) -> None:
        self._parts = parts
        self._token_rates = TokenRates(parts.clock, parts.policy.requests_per_second)
        self._claims = ClaimKeeper(parts.claims, DELIVERY, self._wanted_claims, self._on_renewed)
        self._renewed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        # By connection: the name of its claim, its pause; the delivery, and the claim for which it was started.
        self._claim_names: dict[str, str] = {}
        self._pauses: dict[str, PauseControl] = {}
        self._deliveries: dict[str, ConnectionDelivery] = {}
        self._delivered_claims: dict[str, str] = {}
        self._changing = asyncio.Lock()
        self._is_stopped = False
        self.is_running = False
        parts.nodes.on_question("delivery_status", self._own_statuses)
        parts.checks.on_change(self._on_check)

    async def start(self) -> None:
        """Start delivery of this node's connections in their stored state: paused ones stay paused."""
        self.is_running = True
        async with self._changing:
            for connection_id in self._parts.connections.connection_ids():
                self._claim_names[connection_id] = self._claim_of(connection_id)
            await self._claims.start()
            for connection_id in self._claim_names:
                await self._begin(connection_id)
        self._following = asyncio.create_task(self._follow_claims(), name="follow claims")

    async def reload(self, connection_id: str) -> None:
        """Apply that the connection was added, changed or removed: continue with its current settings.

        A change ends a pause made by the service. The events of a removed connection are left to the caller.
        """
        async with self._changing:
            if self._is_stopped:
                return
            await self._end(connection_id)
            if self._parts.connections.target(connection_id) is None:
                self._claim_names.pop(connection_id, None)
                self._pauses.pop(connection_id, None)
                await self._forget(connection_id)
                return
            name = self._claim_names[connection_id] = self._claim_of(connection_id)
            if not self._claims.holds(name):
                # Without the store, a later renewal starts the delivery.
                with suppress(StoreUnavailable):
                    await self._claims.renew()
            await self._begin(connection_id)

    def follow_state(self, connection_id: str, stored: Document | None) -> None:
        """Apply a pause, or its end, that another process has stored."""
        pauses, delivery = self._pauses.get(connection_id), self._deliveries.get(connection_id)
        if pauses is not None and pauses.follow(stored) and delivery is not None:
            delivery.on_pause_followed()

    def _on_check(self, connection_id: str) -> None:
        if (delivery := self._deliveries.get(connection_id)) is not None:
            delivery.on_check()

    async def pause(self, connection_id: str, reason: str, by: str) -> DeliveryStatus:
        """Keep the connection's events until a person resumes it: it is not probed, and stays paused over a restart.

        While this node does not deliver it, the pause is stored for the node that does. Raises `UnknownName`.
        """
        if (delivery := self._deliveries.get(connection_id)) is not None:
            await delivery.pause(reason, by)
            return delivery.status()
        target = self._target(connection_id)
        await (await self._latest_pauses(connection_id)).pause_by_hand(reason, by, target.revision)
        return self._stored_status(target)

    async def resume(self, connection_id: str, by: str) -> DeliveryStatus:
        """End a pause, whether a person or the service made it. Raises `UnknownName`."""
        if (delivery := self._deliveries.get(connection_id)) is not None:
            await delivery.resume(by)
            return delivery.status()
        target = self._target(connection_id)
        await (await self._latest_pauses(connection_id)).resume(by)
        return self._stored_status(target)

    def status(self, connection_id: str) -> DeliveryStatus:
        """Return the connection's status. Raises `UnknownName`."""
        if (delivery := self._deliveries.get(connection_id)) is not None:
            return delivery.status()
        return self._stored_status(self._target(connection_id))

    def statuses(self) -> Mapping[str, DeliveryStatus]:
        """Return the status of each connection by ID; empty while nothing is delivered."""
        known = [each for each in self._claim_names if self._parts.connections.target(each) is not None]
        return {connection_id: self.status(connection_id) for connection_id in known}

    async def statuses_of_nodes(self) -> Mapping[str, DeliveryStatus]:
        """Return the status of each connection by ID, as the node knows it that delivers the connection.

        Of a node that does not answer, only what is stored is known; while nothing is delivered here, not even that.
        """
        statuses = dict(self.statuses())
        if self.is_running and not any(each.is_elsewhere for each in statuses.values()):
            return statuses
        for answer in await self._parts.nodes.ask("delivery_status"):
            for status in decode_statuses(answer):
                own = statuses.get(status.connection_id)
                if own is None or own.is_elsewhere:
                    statuses[status.connection_id] = replace(status, is_elsewhere=True)
        return statuses

    async def stored_statuses(self) -> Sequence[DeliveryStatus]:
        """Return the status of each connection as far as it is stored: the same on every node, which asks no other.

        Raises `StoreUnavailable`.
        """
        pauses = await stored_pauses(self._parts.documents)
        targets = map(self._parts.connections.target, self._parts.connections.connection_ids())
        return [
            status_of(target, pauses.get(target.connection_id), self._parts.checks.find(target))
            for target in targets
            if target is not None
        ]

    def _own_statuses(self, _: bytes) -> bytes:
        return encode_statuses(each for each in self.statuses().values() if not each.is_elsewhere)

    async def stop(self, grace_seconds: float) -> None:
        """Lease nothing more, let running requests end within the grace period, and release everything else.

        Another node can then deliver the connections.
        """
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        async with self._changing:
            self._is_stopped = True
            await asyncio.gather(*[delivery.stop(grace_seconds) for delivery in self._deliveries.values()])
            with suppress(StoreUnavailable):
                await self._claims.stop()

    # --- claims ------------------------------------------------------------------------------------------------------

    def _claim_of(self, connection_id: str) -> str:
        try:
            return self._parts.token_hash(self._parts.connections.access_token(connection_id))
        except SecretUnreadable:
            # Nothing is sent for the connection until it has another token.
            return connection_id

    def _wanted_claims(self) -> Collection[str]:
        return {*self._claim_names.values(), *self._delivered_claims.values()}

    def _on_renewed(self) -> None:
        self._renewed.set()

    async def _follow_claims(self) -> None:
        while True:
            await self._renewed.wait()
            self._renewed.clear()
            async with self._changing:
                await self._adjust()

    async def _adjust(self) -> None:
        """Deliver what this node holds and nothing else, and give back what is more than its share."""
        lost = {name for name in self._delivered_claims.values() if name not in self._claims.names}
        await self._end_claims(lost)
        if surplus := self._claims.surplus:
            given_back = sorted(self._claims.names)[:surplus]
            await self._end_claims(given_back)
            with suppress(StoreUnavailable):
                await self._claims.give_back(given_back)
        for connection_id in list(self._claim_names):
            try:
                await self._begin(connection_id)
            except Exception as error:  # the other connections are delivered; the next renewal tries this one again
                self._parts.observer.on_failed(connection_id, error)

    async def _begin(self, connection_id: str) -> None:
        """Start the delivery of a connection, if this node holds its claim."""
        target, name = self._parts.connections.target(connection_id), self._claim_names[connection_id]
        if target is None or connection_id in self._deliveries:
            return
        if not self._claims.holds(name):
            if connection_id not in self._pauses:
                await self._latest_pauses(connection_id)
            return
        pauses = await self._latest_pauses(connection_id)
        holds_claim = partial(self._claims.holds, name)
        delivery = ConnectionDelivery(self._parts, self._token_rates, target, pauses, holds_claim)
        await delivery.start()
        self._deliveries[connection_id], self._delivered_claims[connection_id] = delivery, name

    async def _end(self, connection_id: str) -> None:
        """Stop the delivery of a connection, if there is one; its claim can be given back then."""
        delivery = self._deliveries.get(connection_id)
        if delivery is not None:
            await delivery.stop(_RELOAD_GRACE_SECONDS)
            del self._deliveries[connection_id], self._delivered_claims[connection_id]

    async def _end_claims(self, names: Collection[str]) -> None:
        ending = [connection_id for connection_id, name in self._delivered_claims.items() if name in names]
        await asyncio.gather(*[self._end(connection_id) for connection_id in ending])

    # --- what is stored ----------------------------------------------------------------------------------------------

    def _target(self, connection_id: str) -> DeliveryTarget:
        target = self._parts.connections.target(connection_id)
        if target is None:
            raise UnknownName(f'connection "{connection_id}" not found')
        return target

    def _stored_status(self, target: DeliveryTarget) -> DeliveryStatus:
        pauses = self._pauses.get(target.connection_id)
        status = status_of(target, pauses.current if pauses else None, self._parts.checks.find(target))
        return replace(status, is_elsewhere=self.is_running)

    async def _latest_pauses(self, connection_id: str) -> PauseControl:
        """Return the connection's pause as it is stored by now, or newer: one may apply that could not be stored."""
        if connection_id not in self._pauses:
            self._pauses[connection_id] = PauseControl(self._parts.documents, self._parts.clock, connection_id)
        pauses = self._pauses[connection_id]
        pauses.follow(await self._parts.documents.get_document("delivery_state", connection_id))
        return pauses

    async def _forget(self, connection_id: str) -> None:
        await self._parts.documents.remove_document(
            "delivery_state", connection_id, changed_by=BY_SERVICE, now_ms=self._parts.clock.now_ms()
        )
        await self._parts.checks.remove(connection_id, BY_SERVICE)
