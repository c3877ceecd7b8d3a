"""What a store of one process answers to questions about the nodes and the server that it does not have."""

import math
from collections.abc import Collection, Sequence

from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.store.claims import HeldClaims
from tiktok_forwarder.store.nodes import Nodes, OnlyNode
from tiktok_forwarder.store.risks import StoreRisk


class SingleProcess:
    """The part of the stores that only one process uses."""

    remains_after_erasure = ""

    def nodes(self, _box: SecretBox) -> Nodes:
        return OnlyNode()

    async def risks(self) -> Sequence[StoreRisk]:
        return ()

    async def announce_keys(self, key_ids: Sequence[str]) -> None:
        """Do nothing: there is no other node that could ask."""

    async def count_nodes_without(self, key_id: str) -> int:
        return 0

    async def renew_claims(self, topic: str, wanted: Collection[str]) -> HeldClaims:
        """Grant everything, forever: no other process wants it."""
        return HeldClaims(frozenset(wanted), seconds=math.inf)

    async def give_back_claims(self, topic: str, names: Collection[str]) -> None:
        """Do nothing: there is no other process that could take them."""
