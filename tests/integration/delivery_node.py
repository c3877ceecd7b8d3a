"""A node that only delivers: a deliverer over a PostgreSQL database that it shares with others.

As a program it is one more node, which a test can kill: `python -m tests.integration.delivery_node DATABASE TIKTOK`.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec.structs import replace

from tests.integration.delivery_rig import QUICK, Connections, RecordingObserver, payload
from tiktok_forwarder.delivery.check_records import CheckRecords
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent
from tiktok_forwarder.system_clock import SystemClock

CONNECTIONS = ("a", "b", "c", "d")
# As the service has them: a node wakes for what is due, and not because it looks often.
POLICY = replace(QUICK, recheck_seconds=30.0, limits=GroupLimits({"2.0": 10}))


class DeliveryNode:
    """A deliverer with a store of its own over the common database."""

    def __init__(self, store: PostgresStore, url: str, connections: Connections, policy: DeliveryPolicy) -> None:
        self.store = store
        self.witness = RecordingObserver()
        self.sender = TikTokHttpSender(url)
        self.checks = CheckRecords(store, SystemClock(), connections, lambda text: f"hash of {text}")
        self.deliverer = Deliverer(
            DeliveryParts(
                queue=store,
                dead_letters=store,
                documents=store,
                claims=store,
                sender=self.sender,
                clock=SystemClock(),
                connections=connections,
                checks=self.checks,
                token_hash=lambda token: f"hash of {token}",
                observer=self.witness,
                policy=policy,
            )
        )

    @property
    def delivers(self) -> set[str]:
        """The connections that this node delivers."""
        return {each for each, status in self.deliverer.statuses().items() if not status.is_elsewhere}

    async def accept(self, event_ids: Sequence[str], connection_id: str) -> None:
        """Store events as a node does that receives them; which of the nodes delivers them is another matter."""
        events = [NewEvent(connection_id, 1, "2.0", "AddToCart", each, payload(each), ()) for each in event_ids]
        await self.store.append(Arrivals(events, {}, SystemClock().now_ms()))

    async def stop(self) -> None:
        await self.deliverer.stop(1.0)
        await self.sender.close()
        await self.store.close()


@asynccontextmanager
async def delivery_node(
    address: str, url: str, connections: Connections, policy: DeliveryPolicy = POLICY
) -> AsyncIterator[DeliveryNode]:
    node = DeliveryNode(await PostgresStore.open(address), url, connections, policy)
    await node.deliverer.start()
    try:
        yield node
    finally:
        await node.stop()


def every_connection(token: str | None = None) -> Connections:
    """Four connections with a token each, or with one that they share."""
    connections = Connections()
    for connection_id in CONNECTIONS:
        connections.add(connection_id, token)
    return connections


async def _run(address: str, url: str) -> None:
    async with delivery_node(address, url, every_connection()) as node:
        while True:
            sys.stdout.write(" ".join(sorted(node.delivers)) + "\n")
            sys.stdout.flush()
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
