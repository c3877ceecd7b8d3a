"""Commits the store's changes: queued changes share a transaction, so that a sync serves many requests."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import apsw

from tiktok_forwarder.database.file import end_transaction, truncate_log
from tiktok_forwarder.database.problem import StoreProblem
from tiktok_forwarder.database.thread import Change, DatabaseThread, Job
from tiktok_forwarder.domain.errors import ForwarderError, StoreFull, StoreUnavailable
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.transaction import StoreState, Transaction

# How long to wait for a lock that was still held at the end of the last wait.
_KNOWN_LOCK_MS: Final = 250
# How long a database that was found damaged is not tried again.
_CHECK_AGAIN_SECONDS: Final = 5.0
_ABSENT: Final = "the event store cannot be written: its files are no longer in the data directory"
_DAMAGED: Final = "the database is damaged: stop the service, keep a copy of its directory, and restore a backup"
# The weight of a change that does not give one.
_CHANGE_BYTES: Final = 1000

Result = TypeVar("Result")


class _Outcome(Change):
    """A change that stores what TikTok has done already: stored wherever the database is, since nothing can undo it."""


class _Erasure(Change):
    """A change that a person has a right to: stored with the last space that there is."""


class SqliteWriter:
    """Commits changes together, and tracks the problem that prevents it.

    A change that raises one of our errors has changed nothing yet. Any other error rolls back the transaction, whose
    changes are then run one by one.
    """

    def __init__(self, state: StoreState) -> None:
        self.problem = StoreProblem()
        self._state = state
        self._check_again_at = 0.0
        self._thread = DatabaseThread(
            "store",
            commit=self._commit_all,
            translate_error=self._translate_error,
            close=self._close,
            max_group_weight=state.limits.transaction_bytes,
        )

    def submit(self, change: Change) -> asyncio.Future[Any]:
        """Queue a change that only reads, counts and calls `Transaction.gather`; return the future of its outcome.

        The future fails as `write` does, but with `StoreFull` for lack of space.
        """
        try:
            return self._thread.put(change)
        except StoreUnavailable as error:
            change.done.set_exception(error)
            return change.done

    async def write(
        self,
        change: Callable[[Transaction], Result],
        *,
        weight_bytes: int = _CHANGE_BYTES,
        is_outcome: bool = False,
        is_erasure: bool = False,
    ) -> Result:
        """Run a change, durable on return.

        Raises what `change` raises, else `StoreUnavailable`. `is_outcome`: the change stores what has happened at
        TikTok, also in a database that is no longer at its path. `is_erasure`: it may use the part of the reserve that
        is kept for the next start.
        """
        kind = _Outcome if is_outcome else _Erasure if is_erasure else Change
        result: Result = await self._done(kind(_after_gathered(change), weight_bytes))
        return result

    async def look(self, look: Callable[[StoreState], Result]) -> Result:
        """Return what `look` returns; it sees committed data and changes only leases and marks."""
        result: Result = await self._done(Job(lambda: look(self._state)))
        return result

    def find_absence(self) -> bool:
        """Return whether the database is not at its path, so that nothing it accepts would outlast this process."""
        state = self._state
        if state.files.are_in_place():
            self.problem.clear_absence()
            return False
        is_new = not self.problem.is_absence
        self.problem.record_absence(is_deleted=state.files.is_deleted(state.path))
        if is_new and state.files.is_in_place(state.path):
            # Only its log is missing: what the log holds must not depend on this process.
            with contextlib.suppress(apsw.Error):
                truncate_log(state.connection)
        return True

    def require_presence(self) -> None:
        """Raise `StoreUnavailable` if the path names another database than the open one, or none."""
        if not self._state.files.are_in_place():
            raise StoreUnavailable(_ABSENT)

    async def close(self) -> None:
        """Finish queued jobs, then stop the thread."""
        await self._thread.close()

    async def _done(self, job: Job) -> Any:
        try:
            return await self._thread.put(job)
        except StoreFull as error:
            raise StoreUnavailable(str(error)) from None

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _commit_all(self, changes: Sequence[Change], *, may_make_room: bool = True) -> None:
        """Commit the changes together; if that fails, each alone, so that only the faulty one fails."""
        if self.problem.is_damage and not self._is_whole_again():
            _refuse(changes, _DAMAGED)
            return
        if self.problem.is_absence or not self._state.files.is_in_place(self._state.path):
            changes = self._refused_while_absent(changes)
            if not changes:
                return
        try:
            self._commit_together(changes)
            # A program that deletes the files during the commit deletes what was committed.
            self._refused_while_absent(changes)
        except apsw.BusyError as error:
            # No change caused this error: one by one, each would wait for the lock again.
            self.problem.record(error)
            _refuse(changes, f"the event store cannot be written: {error}")
        except Exception as error:
            if may_make_room and self._makes_room(error, changes):
                self._commit_all(changes, may_make_room=False)
            elif len(changes) == 1:
                changes[0].error = self._translate_error(error)
            else:
                for change in changes:
                    self._commit_all([change], may_make_room=may_make_room)

    def _refused_while_absent(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Refuse the changes if the database is not at its path, all but outcomes; return those not refused."""
        if not self.find_absence():
            return changes
        _refuse([change for change in changes if not isinstance(change, _Outcome)], _ABSENT)
        return [change for change in changes if isinstance(change, _Outcome)]

    def _commit_together(self, changes: Sequence[Change]) -> None:
        connection = self._state.connection
        end_transaction(connection)
        connection.set_busy_timeout(_KNOWN_LOCK_MS if self.problem.is_lock else sqlite_file.BUSY_MS)
        rows_before = connection.total_changes()
        transaction = Transaction(self._state)
        try:
            for change in changes:
                change.outcome, change.error = None, None
                try:
                    change.outcome = change.work(transaction)
                except ForwarderError as error:
                    change.error = error
            transaction.commit()
        except BaseException:
            transaction.roll_back()
            raise
        # A transaction in which every change was refused has written nothing, and proves nothing.
        if connection.total_changes() != rows_before:
            self.problem.clear()

    def _is_whole_again(self) -> bool:
        if time.monotonic() < self._check_again_at:
            return False
        is_whole = sqlite_file.is_whole(self._state.connection)
        self._check_again_at = time.monotonic() + _CHECK_AGAIN_SECONDS
        if is_whole:
            self.problem.clear_damage()
        return is_whole

    def _makes_room(self, error: Exception, changes: Sequence[Change]) -> bool:
        if not isinstance(error, apsw.FullError | apsw.IOError):
            return False
        is_erasure = any(isinstance(change, _Erasure) for change in changes)
        if not self._state.give_up_disk_reserve(is_start_included=is_erasure):
            return False
        self.problem.record(error)
        return True

    def _translate_error(self, error: Exception) -> Exception:
        """Translate SQLite's error into an error of this program; return an internal error unchanged."""
        if not isinstance(error, apsw.Error):
            return error
        return self.problem.record(error)(f"the event store cannot be written: {error}")

    def _close(self) -> None:
        state = self._state
        # Others may use what is at the paths of a database that was moved.
        is_in_place = state.files.is_in_place(state.path)
        with contextlib.suppress(apsw.Error):
            state.connection.close()
        state.files.close()
        if is_in_place:
            state.disk_reserve.keep()


def _after_gathered(change: Callable[[Transaction], Result]) -> Callable[[Transaction], Result]:
    def run(transaction: Transaction) -> Result:
        transaction.finish_gathered()
        return change(transaction)

    return run


def _refuse(changes: Sequence[Change], why: str) -> None:
    for change in changes:
        change.error = StoreUnavailable(why)
