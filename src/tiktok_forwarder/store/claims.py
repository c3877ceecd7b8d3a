"""The interface of claims: work that one process at a time does, of all that share a store."""

from collections.abc import Collection
from typing import Final, NamedTuple, Protocol

CLAIM_SECONDS: Final = 3.5

# Topics.
DELIVERY: Final = "delivery"
TOTALS: Final = "totals"
NOTICES: Final = "notices"


class HeldClaims(NamedTuple):
    """The names that a process holds, for `seconds` from the call that returned them.

    `surplus` is how many of them are more than its share: other processes wait for as many.
    """

    names: frozenset[str] = frozenset()
    surplus: int = 0
    seconds: float = 0.0


class Claims(Protocol):
    """Claims by topic. They end `CLAIM_SECONDS` after the last renewal, by a clock that all processes share.

    A claim is not a lock: a process that was suspended may act on one that has ended. What must not happen then is
    prevented by the leases: those of a process without claims of the topic `DELIVERY` are lost.
    """

    async def renew_claims(self, topic: str, wanted: Collection[str]) -> HeldClaims:
        """Renew this process's claims to the wanted names, give others back, and take free ones up to its share.

        Its share is the number of wanted names, divided by the number of processes that want any, rounded up. Raises
        `StoreUnavailable`.
        """
        ...

    async def give_back_claims(self, topic: str, names: Collection[str]) -> None:
        """Let other processes take these names immediately. Raises `StoreUnavailable`."""
        ...
