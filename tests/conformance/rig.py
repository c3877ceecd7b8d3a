"""Stores under test and events for them: one suite for every store, so that each keeps the same promises."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import pytest
from msgspec import structs

from tests.postgres_server import shared_server
from tests.store_choice import prepared_database
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, Lease, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.sqlite.transaction import StoreState
from tiktok_forwarder.store.totals import QueueCounts

T0 = 1_735_689_600_000
HOUR = 3_600_000
KINDS = ("memory", "sqlite", "postgres")
RESERVE_SHARE = 0.2
LIMITS = GroupLimits()
NOTHING = QueueCounts(0, 0, 0, None, 0)
NO_DROPS: Mapping[tuple[str, str], int] = {}


class HandClock:
    """Moved by hand; stores use it for their leases."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Rig:
    """A store of one kind, which can be closed and opened again where it is durable."""

    def __init__(self, kind: str, folder: Path, *, max_bytes: int = 64 * 1024 * 1024, max_events: int = 20_000) -> None:
        self.kind = kind
        self.clock = HandClock()
        self._file = folder / "events.db"
        self._database = ""
        self._max_bytes, self._max_events = max_bytes, max_events
        self.store: Any = None

    async def open(self) -> Self:
        self.store = await self.open_another()
        return self

    async def open_another(self) -> Any:
        """Open a store with the same contents, if this kind can be opened twice."""
        if self.kind == "postgres":
            server = shared_server()
            self._database = self._database or await server.create_database(await prepared_database())
            # The reserve, which an SQLite file has within its size, is none of this store's business.
            max_bytes = int(self._max_bytes * (1 - RESERVE_SHARE))
            return await PostgresStore.open(server.address(self._database), max_bytes=max_bytes, clock=self.clock)
        if self.kind == "sqlite":
            return SqliteStore.open(
                self._file, max_bytes=self._max_bytes, reserve_share=RESERVE_SHARE, monotonic=self.clock
            )
        return MemoryStore(self._max_events, monotonic=self.clock)

    @property
    def is_durable(self) -> bool:
        return self.kind != "memory"

    async def reopen(self) -> None:
        """As after a restart: what is in memory only is gone."""
        if self.is_durable:
            await self.store.close()
            await self.open()

    async def close(self) -> None:
        await self.store.close()
        if self._database:
            await shared_server().drop_database(self._database)

    async def append(self, *events: NewEvent, now_ms: int = T0, drops: dict[tuple[str, str], int] | None = None) -> Any:
        return await self.store.append(Arrivals(events, drops or {}, now_ms))

    async def lease(self, connection: str = "a", now_ms: int = T0, limits: GroupLimits = LIMITS) -> Lease | None:
        lease: Lease | None = await self.store.lease(connection, limits, now_ms, 60)
        return lease

    async def is_ready(
        self,
        connection: str = "a",
        now_ms: int = T0,
        *,
        fill_seconds: float = 0.0,
        limits: GroupLimits = LIMITS,
        wait_seconds: float = 0.0,
    ) -> bool:
        """Whether a group is ready; without `fill_seconds`, whether any event is due."""
        found: bool = await self.store.ready(
            connection, limits, fill_seconds=fill_seconds, now_ms=now_ms, wait_seconds=wait_seconds
        )
        return found

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

    async def held(self, connection: str = "a") -> tuple[list[str], list[str]]:
        """The IDs of a connection's waiting events and of its dead letters, found one by one, oldest first.

        Every lease ends. What the store counts must agree with what is found.
        """
        self.clock.seconds += 3600
        leases = []
        while (lease := await self.lease(connection, T0 + 24 * HOUR)) is not None:
            leases.append(lease)
        waiting = sorted((event for lease in leases for event in lease.events), key=lambda event: event.event_no)
        dead = await self.store.dead_letters(DeadLetterFilter(connection_id=connection), limit=10_000)
        counts = (await self.store.counts()).get(connection, NOTHING)
        assert structs.replace(counts, quota_used=0.0) == QueueCounts(
            waiting=len(waiting),
            leased=len(waiting),
            dead_letters=len(dead),
            oldest_accepted_at_ms=min((event.accepted_at_ms for event in waiting), default=None),
            waiting_bytes=sum(len(event.payload) for event in waiting),
        )
        for lease in leases:
            await self.store.release(lease)
        await self.books(connection)
        return [event.event_id for event in waiting], [letter.event_id for letter in dead]

    async def together(self, *works: Coroutine[Any, Any, Any]) -> list[Any]:
        """Do these at the same time; return what each gives or raises."""
        return await together(self.store, *works)

    async def books(self, connection: str = "a") -> dict[str, int]:
        """Totals of a connection, dropped ones summed; they must balance with what waits and what is dead."""
        rows = [row for row in await self.store.totals() if row.connection_id == connection]
        totals: dict[str, int] = {}
        for row in rows:
            totals[row.counter] = totals.get(row.counter, 0) + row.count
        counts = (await self.store.counts()).get(connection, NOTHING)
        totals["waiting"] = counts.waiting
        parts = ("waiting", "delivered", "dead_lettered", "dropped", "erased")
        assert totals.get("accepted", 0) == sum(totals.get(part, 0) for part in parts)
        gone = totals.get("discarded", 0) + totals.get("expired", 0)
        assert counts.dead_letters == totals.get("dead_lettered", 0) - gone
        return totals


async def together(store: Any, *works: Coroutine[Any, Any, Any]) -> list[Any]:
    """Hold up SQLite's thread until all of these wait for it, so that they share a transaction as far as one goes."""
    if not isinstance(store, SqliteStore):
        return await asyncio.gather(*works, return_exceptions=True)
    is_held_up, may_go_on = threading.Event(), threading.Event()

    def hold_up(_: StoreState) -> None:
        is_held_up.set()
        may_go_on.wait(10)

    holding = asyncio.create_task(store._writer.look(hold_up))
    await asyncio.to_thread(is_held_up.wait, 10)
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.sleep(0)
    may_go_on.set()
    await holding
    return await asyncio.gather(*tasks, return_exceptions=True)


async def append_to(store: Any, events: Iterable[NewEvent], drops: Mapping[tuple[str, str], int] = NO_DROPS) -> Any:
    """Append when this is first run: the store's own method does so when it is called."""
    return await store.append(Arrivals(list(events), drops, T0))


def event(
    event_id: str,
    connection: str = "a",
    *,
    name: str = "Purchase",
    form: WireFormName = "2.0",
    payload: bytes | None = None,
    subjects: tuple[int, ...] = (),
) -> NewEvent:
    return NewEvent(connection, 1, form, name, event_id, payload or f'{{"id":"{event_id}"}}'.encode(), subjects)


@pytest.fixture(params=KINDS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    made = await Rig(request.param, tmp_path).open()
    yield made
    await made.close()


@pytest.fixture(params=KINDS)
async def small_rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """A store of which one connection may hold 500 events, in databases such of 1,600 bytes each."""
    made = await Rig(request.param, tmp_path, max_bytes=2_500_000, max_events=1000).open()
    yield made
    await made.close()
