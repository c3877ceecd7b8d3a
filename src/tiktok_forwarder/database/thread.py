"""The thread that owns a database: it runs queued jobs in groups, so that one commit serves many."""

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from tiktok_forwarder.domain.errors import StoreUnavailable

_MAX_GROUP_JOBS: Final = 4000

Result = TypeVar("Result")
TranslateError = Callable[[Exception], Exception]
"""Translates one of the database's errors to the error that the waiting caller receives."""


_of_thread: Final = threading.local()


def _running_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop. asyncio's own function asks the kernel for the process each time."""
    loop: asyncio.AbstractEventLoop | None = getattr(_of_thread, "loop", None)
    if loop is None or not loop.is_running():
        loop = _of_thread.loop = asyncio.get_running_loop()
    return loop


class Job:
    """A piece of work, and the future on the event loop of the caller that waits for it.

    A kind of job with work of its own overrides `work`.
    """

    __slots__ = ("_work", "done", "error", "loop", "outcome", "weight")

    def __init__(self, work: Callable[..., Any] = lambda: None, weight: int = 0) -> None:
        self._work = work
        self.weight = weight
        self.outcome: Any = None
        self.error: Exception | None = None
        self.loop = _running_loop()
        self.done: asyncio.Future[Any] = self.loop.create_future()

    def work(self, *arguments: Any) -> Any:
        return self._work(*arguments)

    def run(self, translate_error: TranslateError) -> None:
        try:
            self.outcome = self.work()
        except Exception as error:  # given to the waiting caller
            self.error = translate_error(error)

    def notify(self) -> None:
        if self.done.done():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.outcome)


class Change(Job):
    """A job that writes. Every other job only reads."""

    __slots__ = ()


class DatabaseThread:
    """Runs the queued jobs as a group: changes first, then reads.

    The jobs of one turn of an event loop are handed over together at its end: the thread would wake for the first one,
    and commit it alone. `commit` makes a group's changes durable and gives each its outcome or its error; it raises
    nothing. A group takes jobs until they weigh `max_group_weight`. All functions given are called in the thread.
    """

    def __init__(
        self,
        name: str,
        *,
        commit: Callable[[Sequence[Change]], None],
        translate_error: TranslateError,
        close: Callable[[], None],
        max_group_weight: int,
    ) -> None:
        self._name = name
        self._commit = commit
        self._translate_error = translate_error
        self._close = close
        self._max_group_weight = max_group_weight
        self._turns: dict[asyncio.AbstractEventLoop, list[Job]] = {}
        self._jobs: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        # Handed over, and not in a group yet; the thread's own.
        self._left: deque[Job] = deque()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=f"{name}-database", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> asyncio.Future[Any]:
        """Queue a job and return its future. Raises `StoreUnavailable` after `close`."""
        if self._is_closed:
            raise StoreUnavailable(f"the {self._name} is closed")
        turn = self._turns.get(job.loop)
        if turn is None:
            turn = self._turns[job.loop] = []
            job.loop.call_soon(self._hand_over, job.loop)
        turn.append(job)
        return job.done

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        if jobs := self._turns.pop(loop, None):
            self._jobs.put(jobs)

    async def look(self, look: Callable[[], Result]) -> Result:
        """Return what `look` returns; it sees committed data."""
        result: Result = await self.put(Job(look))
        return result

    async def close(self) -> None:
        """Finish queued jobs, then close the database."""
        if not self._is_closed:
            self._is_closed = True
            for loop in list(self._turns):
                self._hand_over(loop)
            self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        is_last = False
        while not is_last:
            jobs, is_last = self._next_jobs()
            changes = [job for job in jobs if isinstance(job, Change)]
            if changes:
                self._commit(changes)
                _notify(changes)
            looks = [job for job in jobs if not isinstance(job, Change)]
            for look in looks:
                look.run(self._translate_error)
            _notify(looks)
        self._close()

    def _next_jobs(self) -> tuple[list[Job], bool]:
        """Wait for a job, then return all queued jobs up to a group's weight, and whether it is the last group."""
        jobs: list[Job] = []
        weight_left = self._max_group_weight
        while weight_left > 0 and len(jobs) < _MAX_GROUP_JOBS:
            if not self._left:
                try:
                    turn = self._jobs.get(block=not jobs)
                except queue.Empty:
                    break
                if turn is None:
                    return jobs, True
                self._left.extend(turn)
            job = self._left.popleft()
            jobs.append(job)
            weight_left -= job.weight
        return jobs, False


def _notify(jobs: Sequence[Job]) -> None:
    """Complete the jobs' futures with one wake-up per event loop; a loop that has ended is skipped."""
    for loop in {job.loop for job in jobs}:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_notify_all, [job for job in jobs if job.loop is loop])


def _notify_all(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.notify()
