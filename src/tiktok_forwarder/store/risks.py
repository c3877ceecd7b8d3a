"""What a store risks by the settings of its server, although it accepts events: found by the store, shown to people."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol, get_args

from msgspec import Struct

RiskName = Literal[
    "fsync_off",
    "synchronous_commit_off",
    "standby_not_awaited",
    "standby_not_on_disk",
    "no_synchronous_standby",
]
RISK_NAMES: Final[tuple[RiskName, ...]] = get_args(RiskName)

_MESSAGES: Final[Mapping[RiskName, str]] = {
    "fsync_off": (
        "PostgreSQL does not write its changes to disk (fsync is off): if its machine fails, accepted events can be "
        "lost and the database can be damaged; set fsync = on"
    ),
    "synchronous_commit_off": (
        "PostgreSQL confirms changes before they are on disk (synchronous_commit is off): if the server fails, events "
        "accepted a moment before are lost; set synchronous_commit = on"
    ),
    "standby_not_awaited": (
        "PostgreSQL does not wait for its synchronous standby (synchronous_commit is local): a failover can lose "
        "accepted events; set synchronous_commit = on"
    ),
    "standby_not_on_disk": (
        "the synchronous standby of PostgreSQL confirms changes before they are on its disk (synchronous_commit is "
        "remote_write): if both machines fail at the same time, accepted events can be lost; set "
        "synchronous_commit = on"
    ),
    "no_synchronous_standby": (
        "PostgreSQL has no synchronous standby: if its machine or disk is lost, so are the events accepted since the "
        "last change that another machine has; name one in synchronous_standby_names, and keep it running"
    ),
}


class StoreRisk(Struct, frozen=True):
    """What may lose accepted events. The message says what is so, what that risks, and what to set."""

    name: RiskName

    @property
    def message(self) -> str:
        return _MESSAGES[self.name]


class RiskSource(Protocol):
    """The part of a store that knows what it risks."""

    async def risks(self) -> Sequence[StoreRisk]:
        """Return what may lose accepted events at the moment. Raises `StoreUnavailable`."""
        ...
