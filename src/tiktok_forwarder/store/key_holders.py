"""The interface of a store that knows which of its nodes have which encryption key."""

from collections.abc import Sequence
from typing import Protocol


class KeyHolders(Protocol):
    """The nodes that use a store. Its methods raise `StoreUnavailable`."""

    async def announce_keys(self, key_ids: Sequence[str]) -> None:
        """Let the other nodes know which keys this one can open secrets with."""
        ...

    async def count_nodes_without(self, key_id: str) -> int:
        """Return how many other nodes that were seen in the last seconds do not have the key."""
        ...
