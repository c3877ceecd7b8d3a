"""A store that many processes share: one PostgreSQL database, which alone knows what is waiting and who holds it."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Self

import msgspec

from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.domain.outcome import DeadLetterReason, Settlements
from tiktok_forwarder.domain.secret_box import SecretBox
from tiktok_forwarder.store.claims import CLAIM_SECONDS, HeldClaims
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterCount, DeadLetterFilter, EventStateCounts
from tiktok_forwarder.store.postgres import schema
from tiktok_forwarder.store.postgres.appending import Appender
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.postgres.dead_letters import DeadLetters
from tiktok_forwarder.store.postgres.documents import PostgresDocuments
from tiktok_forwarder.store.postgres.expiring import PostgresExpiring
from tiktok_forwarder.store.postgres.leasing import Clock, Leasing
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.moving import check_move
from tiktok_forwarder.store.postgres.node import Node
from tiktok_forwarder.store.postgres.nodes import PostgresNodes
from tiktok_forwarder.store.postgres.notices import PostgresNotices
from tiktok_forwarder.store.postgres.notifications import (
    DOCUMENTS,
    EVENTS,
    QUESTIONS,
    AddedEvents,
    EventNotifications,
    Listener,
)
from tiktok_forwarder.store.postgres.risks import find_risks
from tiktok_forwarder.store.postgres.room import Room
from tiktok_forwarder.store.queue import Admission, Arrivals, GroupLimits, Lease
from tiktok_forwarder.store.readiness import Readiness, readiness_of
from tiktok_forwarder.store.risks import StoreRisk
from tiktok_forwarder.store.rules import ROW_BYTES
from tiktok_forwarder.store.totals import QueueCounts, StoreSnapshot, TotalsRow
from tiktok_forwarder.store.work_signals import WorkSignals

DEFAULT_MAX_BYTES: Final = 64 * 1024**3
DEFAULT_LIMITS: Final = PoolLimits()
# How late events of another process are found whose notification did not arrive.
_POLL_SECONDS: Final = 0.5


def _database_clock() -> None:
    return None


class PostgresStore(PostgresDocuments, PostgresExpiring, PostgresNotices):
    """All interfaces of a store. Any number of processes may open the same database."""

    remains_after_erasure = "PostgreSQL's files until new events take the space, its WAL, archives and backups"

    def __init__(self, database: Database, node: Node, room: Room, clock: Clock) -> None:
        super().__init__(database)
        self._node = node
        self._room = room
        self._clock = clock
        self._work = WorkSignals(poll_seconds=_POLL_SECONDS)
        self._notifications = EventNotifications(database, str(node.process))
        self._listener = None if database.has_pooler else Listener(database.connect_alone, self._handlers())
        self._appender = Appender(database, node, room, self._on_added)
        self._leasing = Leasing(database, node, clock)
        self._dead_letters = DeadLetters(database, node)
        self._nodes: PostgresNodes | None = None
        self._key_ids: list[str] = []
        self._is_closed = False

    @classmethod
    async def open(
        cls,
        address: str,
        *,
        max_bytes: int = DEFAULT_MAX_BYTES,
        limits: PoolLimits = DEFAULT_LIMITS,
        may_create: bool = True,
        clock: Clock = _database_clock,
    ) -> Self:
        """Connect, and create the schema, if `may_create`, or bring it up to date.

        Events and dead letters may take up `max_bytes`, as all processes count them. Raises `ConfigurationError` in
        one sentence.
        """
        database = await Database.connect(address, limits)
        try:
            await schema.prepare(database, may_create=may_create)
            await check_move(database)
            node = Node(database)
            await node.claim()
        except StoreUnavailable as error:
            await database.close()
            raise ConfigurationError([f"store: {error}"]) from None
        except BaseException:
            await database.close()
            raise
        return cls(database, node, Room(max_bytes), clock)

    def nodes(self, box: SecretBox) -> PostgresNodes:
        """Return the way to the other nodes, whose questions `box` seals."""
        self._nodes = PostgresNodes(self._database, box)
        return self._nodes

    def append(self, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        return self._appender.append(arrivals)

    # --- leases ------------------------------------------------------------------------------------------------------

    async def lease(self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float) -> Lease | None:
        return await self._leasing.lease(connection_id, limits, now_ms, lease_seconds)

    async def renew(self, lease: Lease, lease_seconds: float) -> None:
        await self._leasing.renew(lease, lease_seconds)

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        await self._leasing.settle(lease, settlements, now_ms)

    async def release(self, lease: Lease) -> None:
        await self._leasing.release(lease)

    async def ready(
        self, connection_id: str, limits: GroupLimits, *, fill_seconds: float, now_ms: int, wait_seconds: float
    ) -> bool:
        async def look(at_ms: int) -> Readiness:
            work = await self._leasing.find_work(connection_id, limits, at_ms)
            return readiness_of(work, limits, fill_seconds, at_ms)

        return await self._work.wait(connection_id, look, now_ms=now_ms, wait_seconds=wait_seconds)

    def _on_added(self, events: Mapping[str, int]) -> None:
        for connection_id, number in events.items():
            self._work.add(connection_id, number)
            self._notifications.add(connection_id, number)

    def _handlers(self) -> Mapping[str, Callable[[str], None]]:
        return {
            EVENTS: self._on_notification,
            DOCUMENTS: lambda _: self._signal.wake(),
            QUESTIONS: lambda _: self._nodes.wake() if self._nodes is not None else None,
        }

    def _on_notification(self, notification: str) -> None:
        """Wake those who wait for what another process has added."""
        with suppress(msgspec.DecodeError):
            added = msgspec.json.decode(notification, type=AddedEvents)
            if added.process != str(self._node.process):
                for connection_id, number in added.events.items():
                    self._work.add(connection_id, number)

    # --- claims ------------------------------------------------------------------------------------------------------

    async def renew_claims(self, topic: str, wanted: Collection[str]) -> HeldClaims:
        ((names, surplus),) = await self._database.rows(
            "renew_claims", topic, self._node.process, list(wanted), CLAIM_SECONDS, self._clock()
        )
        return HeldClaims(frozenset(names), surplus, CLAIM_SECONDS)

    async def give_back_claims(self, topic: str, names: Collection[str]) -> None:
        await self._database.run("give_back_claims", topic, self._node.process, list(names))

    # --- contents ----------------------------------------------------------------------------------------------------

    async def counts(self) -> Mapping[str, QueueCounts]:
        return await self._database.read(self._read_counts)

    async def totals(self) -> Sequence[TotalsRow]:
        return await self._database.read(_read_totals)

    async def snapshot(self) -> StoreSnapshot:
        async def read(session: Session) -> StoreSnapshot:
            return StoreSnapshot(await _read_totals(session), await self._read_counts(session))

        return await self._database.look(read)

    async def problems(self) -> Sequence[str]:
        if self._is_closed:
            return ["closed"]
        try:
            await self._touch()
            used_bytes = await self._database.value("used_bytes", ROW_BYTES)
        except StoreUnavailable:
            return [self._database.problem]
        return ["full"] if self._room.is_full(used_bytes) else []

    async def risks(self) -> Sequence[StoreRisk]:
        return await find_risks(self._database)

    async def announce_keys(self, key_ids: Sequence[str]) -> None:
        self._key_ids = list(key_ids)
        await self._touch()

    async def count_nodes_without(self, key_id: str) -> int:
        return int(await self._database.value("nodes_without_key", self._node.process, key_id))

    # --- dead letters ------------------------------------------------------------------------------------------------

    async def dead_letters(
        self, which: DeadLetterFilter, *, limit: int, after_event_no: int = 0
    ) -> Sequence[DeadLetter]:
        return await self._dead_letters.read(which, limit, after_event_no)

    async def dead_letter_counts(self) -> Sequence[DeadLetterCount]:
        return await self._dead_letters.counts()

    async def replay(self, which: DeadLetterFilter, now_ms: int) -> int:
        replayed = await self._dead_letters.replay(which, now_ms)
        if replayed and which.connection_id is not None:
            self._on_added({which.connection_id: replayed})
        return replayed

    async def count_by_state(self, connection_id: str, event_nos: Collection[int]) -> EventStateCounts:
        return await self._dead_letters.count_by_state(connection_id, event_nos)

    async def discard(self, which: DeadLetterFilter, now_ms: int) -> int:
        return await self._dead_letters.discard(which)

    async def expire(self, before_ms: int) -> Mapping[str, int]:
        """Expire dead letters. A node may delete what another has found: each step deletes what is still there."""
        expired = await self._dead_letters.expire(before_ms)
        if expired:
            with suppress(StoreUnavailable):
                await self._database.run("vacuum_events")
        return expired

    async def dead_letter_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        return await self._dead_letters.add_all(connection_id, reason, now_ms)

    async def erase(self, subjects: Collection[int], now_ms: int) -> int:
        """Erase events.

        No query finds them again. PostgreSQL overwrites nothing: their bytes stay in its files until new events take
        their space, and in its WAL, archives and backups until these are recycled.
        """
        erased = await self._dead_letters.erase(subjects)
        # The space becomes free for new events; without this, only after the server's own vacuum.
        with suppress(StoreUnavailable):
            await self._database.run("vacuum_events")
        return erased

    async def close(self) -> None:
        """Store what is waiting, and end this process's leases: their events are due immediately for the others."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._appender.close()
        await self._notifications.close()
        if self._listener is not None:
            await self._listener.close()
        with suppress(StoreUnavailable):
            await self._node.leave()
        await self._database.close()

    async def _touch(self) -> None:
        """Let the others know that this node is there, which also proves that the server can write."""
        await self._database.run("touch_node", self._node.process, self._key_ids)

    async def _read_counts(self, session: Session) -> dict[str, QueueCounts]:
        counts: dict[str, QueueCounts] = {}
        for connection_id, *lane in await session.rows("counts", self._clock()):
            counts[connection_id] = self._with_lane(counts.get(connection_id), *lane)
        return counts

    def _with_lane(self, others: QueueCounts | None, *figures: Any) -> QueueCounts:
        """Return the counts of a connection with those of one more lane."""
        waiting, waiting_bytes, dead_letters, dead_letter_bytes, leased, oldest_ms = figures
        held_bytes = waiting_bytes + dead_letter_bytes + (waiting + dead_letters) * ROW_BYTES
        before = others or QueueCounts(0, 0, 0, None, 0)
        known = [each for each in (before.oldest_accepted_at_ms, oldest_ms) if each is not None]
        return QueueCounts(
            waiting=before.waiting + waiting,
            leased=before.leased + leased,
            dead_letters=before.dead_letters + dead_letters,
            oldest_accepted_at_ms=min(known, default=None),
            waiting_bytes=before.waiting_bytes + waiting_bytes,
            quota_used=before.quota_used + held_bytes / self._room.connection_bytes,
        )


async def _read_totals(session: Session) -> list[TotalsRow]:
    return [TotalsRow(*row) for row in await session.rows("totals")]
