"""This process among those that use the database: its number, by which it counts, and its lanes."""

import uuid
from collections.abc import Iterable, Mapping

from tiktok_forwarder.store.postgres.database import Database

LaneName = tuple[str, str]
"""Connection ID and wire form."""


class Node:
    """The identity of a process. Lanes are never deleted, so their numbers are kept in memory."""

    def __init__(self, database: Database) -> None:
        self.process = uuid.uuid4()
        self.node_no = -1
        self._database = database
        self._lanes: dict[LaneName, int] = {}

    @property
    def append_share(self) -> int:
        """Return the share of the totals and of the lanes' counts that appends change."""
        return 2 * self.node_no

    @property
    def share(self) -> int:
        """Return the share that all other changes use, so that they do not wait for appends."""
        return 2 * self.node_no + 1

    async def claim(self) -> None:
        self.node_no = await self._database.call("claim_node", self.process)

    async def leave(self) -> None:
        """End the leases and claims of this process, and let another have its number."""
        await self._database.run("release_all", self.process)
        await self._database.run("leave_claims", self.process)
        await self._database.run("leave_node", self.process)

    async def lane_numbers(self, names: Iterable[LaneName]) -> Mapping[LaneName, int]:
        """Return the lanes' numbers; lanes that are missing are created."""
        missing = sorted({name for name in names if name not in self._lanes})
        if missing:
            connection_ids, forms = zip(*missing, strict=True)
            await self._database.run("add_lanes", connection_ids, forms)
            await self._load_lanes()
        return self._lanes

    async def lanes_of(self, connection_id: str) -> list[int]:
        """Return the lanes of a connection, also those that another process has created."""
        await self._load_lanes()
        return [lane_no for (owner, _), lane_no in self._lanes.items() if owner == connection_id]

    async def _load_lanes(self) -> None:
        rows = await self._database.rows("lanes")
        self._lanes = {(connection_id, form): lane_no for lane_no, connection_id, form in rows}
