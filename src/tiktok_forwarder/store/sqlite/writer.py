"""The thread that owns the database: whatever waits goes into one transaction, so that a sync serves many requests."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import apsw

from tiktok_forwarder.database.file import end_transaction
from tiktok_forwarder.database.problem import StoreProblem
from tiktok_forwarder.domain.errors import ForwarderError, StoreFull, StoreUnavailable
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.transaction import StoreState, Transaction

_MOST_JOBS: Final = 4000
# How long a lock is waited for that was not gone when it was last waited for.
_KNOWN_LOCK_MS: Final = 250
# How long a database that was found damaged is left alone.
_CHECK_AGAIN_SECONDS: Final = 5.0
_DAMAGED: Final = "the database is damaged: stop the service, keep a copy of its directory, and restore a backup"
# What a change weighs that says nothing else.
_CHANGE_BYTES: Final = 1000

Result = TypeVar("Result")

Change = Callable[[Transaction], Result]
"""Shares its transaction. When it raises an error of ours it has changed nothing yet; any other error undoes the
transaction, whose changes are then run one by one."""

Look = Callable[[StoreState], Result]
"""Sees what is committed; changes leases and marks only."""


class _Job:
    """A piece of work and whoever waits for it, on the event loop that it was made on."""

    def __init__(self, weight_bytes: int) -> None:
        self.weight_bytes = weight_bytes
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[Any] = self.loop.create_future()
        self.outcome: Any = None
        self.error: Exception | None = None

    def tell(self) -> None:
        if self.done.done():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.outcome)


class _Look(_Job):
    def __init__(self, look: Look[Any]) -> None:
        super().__init__(0)
        self.look = look


class _Change(_Job):
    def __init__(
        self, change: Change[Any], weight_bytes: int, without_room: type[ForwarderError], *, gathers: bool
    ) -> None:
        super().__init__(weight_bytes)
        self.change = change
        self.gathers = gathers
        self.without_room = without_room


class SqliteWriter:
    """Does what waits in groups, changes first."""

    def __init__(self, state: StoreState) -> None:
        self.problem = StoreProblem()
        self._state = state
        self._check_again_at = 0.0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def write(
        self,
        change: Change[Result],
        *,
        weight_bytes: int = _CHANGE_BYTES,
        without_room: type[ForwarderError] = StoreUnavailable,
        gathers: bool = False,
    ) -> Result:
        """Durable on return. Raises what `change` raises, `without_room` for want of space, else `StoreUnavailable`.

        `gathers`: the change only looks, counts and calls `Transaction.gather`.
        """
        result: Result = await self._done(_Change(change, weight_bytes, without_room, gathers=gathers))
        return result

    async def look(self, look: Look[Result]) -> Result:
        result: Result = await self._done(_Look(look))
        return result

    async def close(self) -> None:
        """What waits is done first."""
        if not self._is_closed:
            self._is_closed = True
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _done(self, job: _Job) -> Any:
        if self._is_closed:
            raise StoreUnavailable("the store is closed")
        self._jobs.put(job)
        return await job.done

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        is_last = False
        while not is_last:
            jobs, is_last = self._next_jobs()
            changes = [job for job in jobs if isinstance(job, _Change)]
            if changes:
                self._make(changes)
                _tell(changes)
            looks = [job for job in jobs if isinstance(job, _Look)]
            for job in looks:
                self._look(job)
            _tell(looks)
        with contextlib.suppress(apsw.Error):
            self._state.connection.close()
        self._state.disk_reserve.give_up()

    def _next_jobs(self) -> tuple[list[_Job], bool]:
        """Wait for one, then take all that are there, as far as one transaction should hold; whether it is the end."""
        jobs: list[_Job] = []
        bytes_left = self._state.limits.transaction_bytes
        while bytes_left > 0 and len(jobs) < _MOST_JOBS:
            try:
                job = self._jobs.get(block=not jobs)
            except queue.Empty:
                break
            if job is None:
                return jobs, True
            jobs.append(job)
            bytes_left -= job.weight_bytes
        return jobs, False

    def _make(self, changes: Sequence[_Change], *, may_make_room: bool = True) -> None:
        """Together; or, if that fails, each by itself, so that only the one at fault fails."""
        if self.problem.is_damage and not self._is_whole_again():
            _refuse(changes, _DAMAGED)
            return
        try:
            self._commit(changes)
        except apsw.BusyError as error:
            # It is no change's fault: one by one, each would wait for the lock anew.
            self.problem.record(error)
            _refuse(changes, f"the store cannot be written: {error}")
        except Exception as error:
            if may_make_room and self._makes_room(error):
                self._make(changes, may_make_room=False)
            elif len(changes) == 1:
                changes[0].error = self._told(error, changes[0].without_room)
            else:
                for change in changes:
                    self._make([change], may_make_room=may_make_room)

    def _is_whole_again(self) -> bool:
        if time.monotonic() < self._check_again_at:
            return False
        is_whole = sqlite_file.is_whole(self._state.connection)
        self._check_again_at = time.monotonic() + _CHECK_AGAIN_SECONDS
        if is_whole:
            self.problem.clear_damage()
        return is_whole

    def _makes_room(self, error: Exception) -> bool:
        if not isinstance(error, apsw.FullError | apsw.IOError) or not self._state.give_up_disk_reserve():
            return False
        self.problem.record(error)
        return True

    def _commit(self, changes: Sequence[_Change]) -> None:
        connection = self._state.connection
        end_transaction(connection)
        connection.set_busy_timeout(_KNOWN_LOCK_MS if self.problem.is_lock else sqlite_file.BUSY_MS)
        rows_before = connection.total_changes()
        transaction = Transaction(self._state)
        try:
            for job in changes:
                job.outcome, job.error = None, None
                if not job.gathers:
                    transaction.finish_gathered()
                try:
                    job.outcome = job.change(transaction)
                except ForwarderError as error:
                    job.error = error
            transaction.commit()
        except BaseException:
            transaction.roll_back()
            raise
        # A transaction in which every change was refused has written nothing, and proves nothing.
        if connection.total_changes() != rows_before:
            self.problem.clear()

    def _look(self, job: _Look) -> None:
        try:
            job.outcome = job.look(self._state)
        except Exception as error:  # told to whoever waits for it
            job.error = self._told(error, StoreUnavailable)

    def _told(self, error: Exception, without_room: type[ForwarderError]) -> Exception:
        """The library's errors in our words; a fault of the program as it is."""
        if not isinstance(error, apsw.Error):
            return error
        kind = self.problem.record(error)
        return (without_room if kind is StoreFull else kind)(f"the store cannot be written: {error}")


def _refuse(changes: Sequence[_Change], why: str) -> None:
    for change in changes:
        change.error = StoreUnavailable(why)


def _tell(jobs: Sequence[_Job]) -> None:
    """One wake-up for all that wait on a loop; a loop that has ended waits for nothing."""
    for loop in {job.loop for job in jobs}:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_tell_all, [job for job in jobs if job.loop is loop])


def _tell_all(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.tell()
