"""What every part of the deliverer works with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tiktok_forwarder.delivery.check_records import CheckRecords
from tiktok_forwarder.delivery.interfaces import ConnectionSource, DeliveryObserver, DeliveryPolicy, EventSender
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.claims import Claims
from tiktok_forwarder.store.dead_letters import DeadLetterStore
from tiktok_forwarder.store.documents import DocumentStore
from tiktok_forwarder.store.nodes import Nodes, OnlyNode
from tiktok_forwarder.store.queue import EventQueue


@dataclass(frozen=True)
class DeliveryParts:
    """What every part of the deliverer works with.

    `checks` are TikTok's latest answers about pixels and access tokens. `token_hash` returns a keyed hash of an access
    token, the same on every node: other nodes see it.
    """

    queue: EventQueue
    dead_letters: DeadLetterStore
    documents: DocumentStore
    claims: Claims
    sender: EventSender
    clock: Clock
    connections: ConnectionSource
    checks: CheckRecords
    token_hash: Callable[[str], str]
    observer: DeliveryObserver
    policy: DeliveryPolicy = field(default_factory=DeliveryPolicy)
    nodes: Nodes = field(default_factory=OnlyNode)
    chance: Callable[[], float] = field(default_factory=lambda: Random().random)  # noqa: S311 - jitter is no secret
