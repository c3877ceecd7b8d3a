"""The default store: one SQLite file, one thread that writes, leases in memory."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

import apsw

from tiktok_forwarder.database.problem import is_corruption
from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.domain.outcome import DeadLetterReason, Settlements
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterCount, DeadLetterFilter, EventStateCounts
from tiktok_forwarder.store.queue import Admission, Arrivals, GroupLimits, Lease
from tiktok_forwarder.store.readiness import Readiness, readiness_of
from tiktok_forwarder.store.single_process import SingleProcess
from tiktok_forwarder.store.sqlite import leasing as sqlite_leasing
from tiktok_forwarder.store.sqlite.disk_reserve import DiskReserve
from tiktok_forwarder.store.sqlite.documents import SqliteDocuments
from tiktok_forwarder.store.sqlite.expiring import SqliteExpiring
from tiktok_forwarder.store.sqlite.file import (
    SMALLEST_STORE_BYTES,
    StoreLimits,
    derived_max_bytes,
    earlier_reserve_bytes,
    open_reader,
    open_writer,
    reserve_path,
    store_limits,
)
from tiktok_forwarder.store.sqlite.intake import Append
from tiktok_forwarder.store.sqlite.moving import check_move
from tiktok_forwarder.store.sqlite.notices import SqliteNotices
from tiktok_forwarder.store.sqlite.restore import finish_restore
from tiktok_forwarder.store.sqlite.settling import (
    STEP_EVENTS,
    Step,
    count_dead_letters,
    cut_log,
    dead_letter_some,
    discard_some,
    erase_found,
    expire_some,
    find_about,
    find_dead_letters_before,
    find_replayed,
    read_dead_letters,
    replay_some,
    settle,
)
from tiktok_forwarder.store.sqlite.transaction import Lane, StoreState, Transaction
from tiktok_forwarder.store.sqlite.writer import SqliteWriter
from tiktok_forwarder.store.totals import QueueCounts, StoreSnapshot, TotalsRow

_RESERVE_SHARE: Final = 0.2

Result = TypeVar("Result")


def _derived_limits(path: Path, reserve_share: float) -> StoreLimits:
    return store_limits(derived_max_bytes(path), reserve_share)


class SqliteStore(SqliteDocuments, SqliteExpiring, SqliteNotices, SingleProcess):
    """All interfaces of a store. One process owns the file; see `DirectoryLock`."""

    def __init__(self, path: Path, state: StoreState) -> None:
        super().__init__(SqliteWriter(state))
        self._path = path
        self._work = state.work

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        max_bytes: int | None = None,
        reserve_share: float = _RESERVE_SHARE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Open or create the database file. `max_bytes` (default: most of the free space) is its maximum size.

        `reserve_share` of that is kept for delivering stored events. Raises `ConfigurationError` in one sentence.
        """
        finish_restore(path)
        earlier_bytes = 0
        derive_limits: Callable[[], StoreLimits] | None = None
        if max_bytes is None:
            derive_limits = partial(_derived_limits, path, reserve_share)
            max_bytes = derived_max_bytes(path)
            earlier_bytes = earlier_reserve_bytes(path)
        if max_bytes < SMALLEST_STORE_BYTES:
            raise ConfigurationError(
                [f"the store may use {max_bytes} bytes, but needs at least {SMALLEST_STORE_BYTES}"]
            )
        limits = store_limits(max_bytes, reserve_share)
        reserve = DiskReserve(reserve_path(path), max(limits.disk_reserve_bytes, earlier_bytes))
        connection = open_writer(path, limits, reserve)
        try:
            check_move(connection, path)
        except BaseException:
            connection.close()
            raise
        return cls(path, StoreState(connection, limits, reserve, monotonic, derive_limits))

    def append(self, arrivals: Arrivals) -> asyncio.Future[Sequence[Admission]]:
        return self._writer.submit(Append(arrivals))

    # --- leases ------------------------------------------------------------------------------------------------------

    async def lease(self, connection_id: str, limits: GroupLimits, now_ms: int, lease_seconds: float) -> Lease | None:
        """Lease events. Nothing is leased while outcomes cannot be stored: the events would be sent again and again.

        Those of a deleted or moved database are leased: its outcomes can be stored, and nothing else would save them.
        """
        await self._write_if_problem()
        return await self._writer.look(
            lambda state: sqlite_leasing.lease(state, connection_id, limits, now_ms, lease_seconds)
        )

    async def renew(self, lease: Lease, lease_seconds: float) -> None:
        await self._writer.look(lambda state: state.leases.renew(lease, lease_seconds))

    async def settle(self, lease: Lease, settlements: Settlements, now_ms: int) -> None:
        await self._writer.write(
            lambda transaction: settle(transaction, lease, settlements, now_ms),
            weight_bytes=sum(len(event.payload) for event in lease.events),
            is_outcome=True,
        )

    async def release(self, lease: Lease) -> None:
        await self._writer.look(lambda state: state.leases.release(lease))

    async def ready(
        self, connection_id: str, limits: GroupLimits, *, fill_seconds: float, now_ms: int, wait_seconds: float
    ) -> bool:
        async def look(at_ms: int) -> Readiness:
            work = await self._writer.look(lambda state: sqlite_leasing.find_work(state, connection_id, limits, at_ms))
            return readiness_of(work, limits, fill_seconds, at_ms)

        return await self._work.wait(connection_id, look, now_ms=now_ms, wait_seconds=wait_seconds)

    # --- contents ----------------------------------------------------------------------------------------------------

    async def counts(self) -> Mapping[str, QueueCounts]:
        return await self._writer.look(_counts)

    async def totals(self) -> Sequence[TotalsRow]:
        return await self._writer.look(_totals)

    async def snapshot(self) -> StoreSnapshot:
        return await self._writer.look(lambda state: StoreSnapshot(_totals(state), _counts(state)))

    async def problems(self) -> Sequence[str]:
        try:
            if await self._writer.look(lambda _: self._writer.find_absence()):
                return [self._writer.problem.name]
            await self._write_if_problem()
            is_full = await self._writer.look(StoreState.is_full)
        except StoreUnavailable:
            return [self._writer.problem.name or "closed"]
        return ["full"] if is_full else []

    # --- dead letters ------------------------------------------------------------------------------------------------

    async def dead_letters(
        self, which: DeadLetterFilter, *, limit: int, after_event_no: int = 0
    ) -> Sequence[DeadLetter]:
        return await self._read_beside(lambda connection: read_dead_letters(connection, which, limit, after_event_no))

    async def dead_letter_counts(self) -> Sequence[DeadLetterCount]:
        return await self._read_beside(count_dead_letters)

    async def replay(self, which: DeadLetterFilter, now_ms: int) -> int:
        return await self._in_steps(lambda transaction, after_no: replay_some(transaction, which, after_no, now_ms))

    async def count_by_state(self, connection_id: str, event_nos: Collection[int]) -> EventStateCounts:
        return await self._read_beside(lambda connection: find_replayed(connection, connection_id, event_nos))

    async def discard(self, which: DeadLetterFilter, now_ms: int) -> int:
        return await self._in_steps(lambda transaction, after_no: discard_some(transaction, which, after_no))

    async def expire(self, before_ms: int) -> Mapping[str, int]:
        """Expire dead letters. They are found by a reader, so that the writer searches for none."""
        expired: Counter[str] = Counter()
        while found := await self._read_beside(lambda connection: find_dead_letters_before(connection, before_ms)):
            for first in range(0, len(found), STEP_EVENTS):
                event_nos = found[first : first + STEP_EVENTS]
                expired += await self._writer.write(_expiring(event_nos, before_ms))
        if expired:
            # On a quiet service, the log would contain the deleted data for long.
            with suppress(StoreUnavailable):
                await self._writer.look(cut_log)
        return expired

    async def dead_letter_all(self, connection_id: str, reason: DeadLetterReason, now_ms: int) -> int:
        """Dead-letter the connection's events in steps; events that arrive in the meantime stay."""
        before_no: int = await self._writer.look(lambda state: state.next_event_no)
        done = 0
        while events := await self._writer.write(
            lambda transaction: dead_letter_some(transaction, connection_id, reason, before_no, now_ms)
        ):
            done += events
        return done

    async def erase(self, subjects: Collection[int], now_ms: int) -> int:
        found = await self._read_beside(lambda connection: find_about(connection, subjects))
        erased = await self._writer.write(lambda transaction: erase_found(transaction, found), is_erasure=True)
        await self._writer.look(cut_log)
        return erased

    async def close(self) -> None:
        await self._writer.close()

    # --- access to the database --------------------------------------------------------------------------------------

    async def _write_if_problem(self) -> None:
        """Write, since only that shows whether the problem is over. Raises `StoreUnavailable` if it is not."""
        if self._writer.problem.name and not self._writer.problem.is_absence:
            await self._writer.write(_write_something)

    async def _in_steps(self, some: Callable[[Transaction, int], Step]) -> int:
        done = 0
        step = Step(STEP_EVENTS, 0)
        while step.events == STEP_EVENTS:
            step = await self._writer.write(_after(some, step.event_no))
            done += step.events
        return done

    async def _read_beside(self, read: Callable[[apsw.Connection], Result]) -> Result:
        """Run a read that may take long, with its own connection and thread, beside the writer."""

        def read_and_close() -> Result:
            try:
                with closing(open_reader(self._path)) as connection:
                    self._writer.require_presence()
                    return read(connection)
            except apsw.Error as error:
                if is_corruption(error):
                    self._writer.problem.record(error)
                raise StoreUnavailable(f"cannot read {self._path}: {error}") from None

        return await asyncio.to_thread(read_and_close)


def _after(some: Callable[[Transaction, int], Step], after_no: int) -> Callable[[Transaction], Step]:
    return lambda transaction: some(transaction, after_no)


def _expiring(event_nos: Sequence[int], before_ms: int) -> Callable[[Transaction], Counter[str]]:
    return lambda transaction: expire_some(transaction, event_nos, before_ms)


def _totals(state: StoreState) -> list[TotalsRow]:
    return [TotalsRow(*row) for row in state.rows("totals")]


def _counts(state: StoreState) -> dict[str, QueueCounts]:
    state.leases.expire()
    counted = ((connection_id, _counts_of(state, lanes)) for connection_id, lanes in state.lanes)
    return {connection_id: counts for connection_id, counts in counted if counts.waiting or counts.dead_letters}


def _counts_of(state: StoreState, lanes: Sequence[Lane]) -> QueueCounts:
    return QueueCounts(
        waiting=sum(lane.figures.waiting for lane in lanes),
        leased=sum(len(lane.leased) for lane in lanes),
        dead_letters=sum(lane.figures.dead_letters for lane in lanes),
        oldest_accepted_at_ms=min(_oldest(state, lanes), default=None),
        waiting_bytes=sum(lane.figures.waiting_bytes for lane in lanes),
        quota_used=sum(lane.figures.held_bytes for lane in lanes) / state.limits.connection_bytes,
    )


def _oldest(state: StoreState, lanes: Sequence[Lane]) -> list[int]:
    return [
        accepted_at_ms
        for lane in lanes
        for accepted_at_ms in state.rows("oldest_accepted", lane.fresh_rows())[0]
        if accepted_at_ms is not None
    ]


def _write_something(transaction: Transaction) -> None:
    """Skip a number: writing the value that is stored already would write nothing."""
    transaction.state.next_event_no += 1
