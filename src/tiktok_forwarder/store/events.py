"""The interface of a whole event store: queue, dead letters and totals, and what concerns all of them."""

from collections.abc import Collection, Sequence
from typing import Protocol

from tiktok_forwarder.store.dead_letters import DeadLetterStore
from tiktok_forwarder.store.queue import EventQueue
from tiktok_forwarder.store.totals import StoreTotals


class EventStore(EventQueue, DeadLetterStore, StoreTotals, Protocol):
    """All parts of one store. Most users need one of them, and ask for that."""

    async def problems(self) -> Sequence[str]:
        """Return short names of the problems that prevent accepting events, such as `full`; empty if there are none.

        Never raises.
        """
        ...

    async def erase(self, subjects: Collection[int], now_ms: int) -> int:
        """Delete every event, waiting or dead, of these keyed hashes, for every reader; return how many."""
        ...

    @property
    def remains_after_erasure(self) -> str:
        """Return where the deleted bytes are kept for a time; empty if they are overwritten."""
        ...

    async def close(self) -> None: ...
