"""Stores under test and events for them: one suite for every store, so that each keeps the same promises."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tiktok_forwarder.adapters.memory_store import MemoryStore
from tiktok_forwarder.adapters.sqlite_store import SqliteStore
from tiktok_forwarder.domain.outcome import WireForm
from tiktok_forwarder.ports import Arrivals, GroupLimits, Lease, NewEvent

T0 = 1_735_689_600_000
HOUR = 3_600_000
LIMITS = GroupLimits()


class HandClock:
    """Moved by hand; stores use it for their leases."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Rig:
    """A store of one kind, which can be closed and opened again where it is durable."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.clock = HandClock()
        self._file = folder / "events.db"
        self.store: Any = self._open()

    def _open(self) -> Any:
        if self.kind == "sqlite":
            return SqliteStore.open(self._file, max_bytes=64 * 1024 * 1024, monotonic=self.clock)
        return MemoryStore(max_events=20_000, monotonic=self.clock)

    @property
    def is_durable(self) -> bool:
        return self.kind == "sqlite"

    async def reopen(self) -> None:
        """As after a restart: what is in memory only is gone."""
        if self.is_durable:
            await self.store.close()
            self.store = self._open()

    async def append(self, *events: NewEvent, now_ms: int = T0, drops: dict[tuple[str, str], int] | None = None) -> Any:
        return await self.store.append(Arrivals(events, drops or {}, now_ms))

    async def lease(self, connection: str = "a", now_ms: int = T0, limits: GroupLimits = LIMITS) -> Lease | None:
        lease: Lease | None = await self.store.lease(connection, limits, now_ms, 60)
        return lease

    async def must_lease(self, connection: str = "a", now_ms: int = T0, limits: GroupLimits = LIMITS) -> Lease:
        lease = await self.lease(connection, now_ms, limits)
        assert lease is not None
        return lease

    async def ids(self, connection: str = "a", now_ms: int = T0) -> list[str]:
        """The ids that a lease holds, which is given back."""
        lease = await self.lease(connection, now_ms)
        if lease is None:
            return []
        await self.store.release(lease)
        return [event.event_id for event in lease.events]

    async def books(self, connection: str = "a") -> dict[str, int]:
        """Totals of a connection, dropped ones summed; they must balance with what waits."""
        rows = [row for row in await self.store.totals() if row.connection_id == connection]
        totals: dict[str, int] = {}
        for row in rows:
            totals[row.counter] = totals.get(row.counter, 0) + row.count
        counts = (await self.store.counts()).get(connection)
        totals["waiting"] = counts.waiting if counts is not None else 0
        parts = ("waiting", "delivered", "dead_lettered", "dropped", "erased")
        assert totals.get("accepted", 0) == sum(totals.get(part, 0) for part in parts)
        return totals


def event(
    event_id: str,
    connection: str = "a",
    *,
    name: str = "Purchase",
    form: WireForm = "2.0",
    payload: bytes | None = None,
    subjects: tuple[int, ...] = (),
) -> NewEvent:
    return NewEvent(connection, 1, form, name, event_id, payload or f'{{"id":"{event_id}"}}'.encode(), subjects)


@pytest.fixture(params=["memory", "sqlite"])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(request.param, tmp_path)
    yield made
    await made.store.close()
