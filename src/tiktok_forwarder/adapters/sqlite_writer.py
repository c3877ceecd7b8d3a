"""The thread that owns the database: whatever waits goes into one transaction, so that a sync serves many requests."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeVar

import apsw

from tiktok_forwarder.domain.errors import ForwarderError, StoreFull, StoreUnavailable
from tiktok_forwarder.sql import STATEMENTS

_MOST_JOBS: Final = 1000
_MOST_WEIGHT: Final = 4000
Result = TypeVar("Result")


class Transaction:
    """What a job may do. Changes to memory are made `after_commit`, so that a failed transaction leaves none."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.totals: Counter[tuple[str, str, str]] = Counter()
        self.committed: list[Callable[[], None]] = []
        self.rolled_back: list[Callable[[], Any]] = []

    def execute(self, name: str, bindings: apsw.Bindings | None = None) -> apsw.Cursor:
        """Run the statement of this name."""
        return self._connection.execute(STATEMENTS[name], bindings)

    def execute_many(self, name: str, bindings: Any) -> None:
        self._connection.executemany(STATEMENTS[name], bindings)

    def changes(self) -> int:
        """Rows changed by the last statement."""
        return self._connection.changes()

    def count(self, connection_id: str, counter: str, number: int, reason: str = "") -> None:
        """Have a total grow (or shrink) when the transaction commits."""
        if number:
            self.totals[connection_id, counter, reason] += number

    def after_commit(self, change: Callable[[], None]) -> None:
        self.committed.append(change)

    def after_rollback(self, change: Callable[[], Any]) -> None:
        """For a change to memory that later jobs of the same transaction must see already."""
        self.rolled_back.append(change)


Work = Callable[[Transaction], Result]
"""A job checks first and writes after: what it raises of our own errors leaves the transaction untouched."""


class _Job:
    """`answered` belongs to the event loop `loop`, and is set there."""

    def __init__(self, work: Work[Any], weight: int, *, writes: bool) -> None:
        self.work = work
        self.weight = weight
        self.writes = writes
        self.loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[Any] = self.loop.create_future()
        self.outcome: Any = None
        self.error: BaseException | None = None

    def answer(self) -> None:
        if self.answered.cancelled():
            return
        if self.error is not None:
            self.answered.set_exception(self.error)
        else:
            self.answered.set_result(self.outcome)


class SqliteWriter:
    """Runs jobs one after the other, in groups that share a transaction. `close` runs what waits first."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self.trouble = ""
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def write(self, work: Work[Result], weight: int = 1) -> Result:
        """Durable on return. Raises `StoreFull`, `StoreUnavailable` and what `work` raises."""
        result: Result = await self._do(_Job(work, weight, writes=True))
        return result

    async def read(self, work: Work[Result]) -> Result:
        result: Result = await self._do(_Job(work, 1, writes=False))
        return result

    async def _do(self, job: _Job) -> Any:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        self._jobs.put(job)
        return await job.answered

    def close(self) -> None:
        """Blocks until what waits is done."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()

    # --- the thread ---

    def _run(self) -> None:
        is_last = False
        while not is_last and (first := self._jobs.get()) is not None:
            jobs, is_last = self._waiting_with(first)
            self._run_group(jobs)
            for loop in {job.loop for job in jobs}:
                # One wake-up for the whole group; a loop that has ended waits for nothing.
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(_answer, [job for job in jobs if job.loop is loop])

    def _waiting_with(self, first: _Job) -> tuple[list[_Job], bool]:
        jobs = [first]
        weight = first.weight
        while len(jobs) < _MOST_JOBS and weight < _MOST_WEIGHT:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
            weight += job.weight
        return jobs, False

    def _run_group(self, jobs: list[_Job]) -> None:
        if len(jobs) > 1:
            try:
                self._transact(jobs)
            except Exception:  # noqa: S110  # told by the job at fault, which fails again below
                pass
            else:
                return
        for job in jobs:
            self._run_alone(job)

    def _run_alone(self, job: _Job) -> None:
        job.outcome, job.error = None, None
        try:
            self._transact([job])
        except apsw.FullError:
            self.trouble = "full"
            job.error = StoreFull("the store has no room")
        except apsw.Error as error:
            self.trouble = _trouble(error)
            job.error = StoreUnavailable(f"the store cannot be used: {error}")
        except Exception as error:  # handed to whoever waits for the job
            job.error = error

    def _transact(self, jobs: list[_Job]) -> None:
        transaction = Transaction(self._connection)
        writes = any(job.writes for job in jobs)
        if writes:
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            for job in jobs:
                try:
                    job.outcome = job.work(transaction)
                except ForwarderError as error:
                    job.error = error
            if writes:
                _write_totals(transaction)
                self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for undo in reversed(transaction.rolled_back):
                undo()
            raise
        if writes:
            self.trouble = ""
        for change in transaction.committed:
            change()


def _write_totals(transaction: Transaction) -> None:
    rows = [(*key, count) for key, count in transaction.totals.items() if count]
    if rows:
        transaction.execute_many("add_to_total", rows)


def _trouble(error: apsw.Error) -> str:
    names = {apsw.BusyError: "locked", apsw.ReadOnlyError: "read_only", apsw.CorruptError: "damaged"}
    return next((name for kind, name in names.items() if isinstance(error, kind)), "disk")


def _answer(jobs: list[_Job]) -> None:
    for job in jobs:
        job.answer()
