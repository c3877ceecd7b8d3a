"""What a store of one process answers to questions about the nodes and the server that it does not have."""

from collections.abc import Sequence

from tiktok_forwarder.store.risks import StoreRisk


class SingleProcess:
    """The part of the stores that only one process uses."""

    remains_after_erasure = ""

    async def risks(self) -> Sequence[StoreRisk]:
        return ()

    async def announce_keys(self, key_ids: Sequence[str]) -> None:
        """Do nothing: there is no other node that could ask."""

    async def count_nodes_without(self, key_id: str) -> int:
        return 0
