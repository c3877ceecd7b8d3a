"""Pytest plugin that collects the tests once and then forks a process for each mutant.

A fork has everything imported already and only swaps the code of the changed function. A job whose line runs at import
gets a pytest process of its own.
"""

import gc
import os
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import FunctionType
from typing import Final, NamedTuple

import msgspec
import pytest

from scripts.mutants import running
from scripts.mutants.jobs import CONTROL, PLAN_VARIABLE, TEST_SECONDS, Job, Plan, Result, read_plan
from scripts.mutants.reach import file_of
from scripts.mutants.swapping import MutantFinder, live_functions, module_name, swap_code
from scripts.mutants.workspace import quick_tests_command

_FRESH_PLUGIN: Final = "scripts.mutants.fresh_plugin"
_POLL_SECONDS: Final = 0.01
_IMPORT_SECONDS: Final = 60.0


class _Run(NamedTuple):
    job: Job
    directory: Path
    hangs_at: float


class Server:
    """Works off a plan. Its processes stay in its process group, so that they can be ended with it in any case."""

    def __init__(self, plan: Plan, session: pytest.Session) -> None:
        self._plan = plan
        self._session = session
        self._items: Mapping[str, pytest.Item] = {item.nodeid: item for item in session.items}
        self._functions: Mapping[str, list[FunctionType]] = live_functions(plan.source)
        self._results = Path(plan.results)
        self._queue = deque(plan.jobs)
        self._running: dict[int, _Run] = {}
        self._started = 0
        self._killed: dict[int, tuple[Job, str]] = {}
        self._unreliable: set[int] = set()
        self._controlled: set[tuple[bool, str]] = set()
        self._parent = os.getppid()

    def run(self) -> None:
        gc.freeze()
        try:
            while (self._queue or self._running) and not self._is_over():
                while self._queue and len(self._running) < self._plan.workers:
                    self._start(self._without_unreliable(self._queue.popleft()))
                if not self._reap():
                    time.sleep(_POLL_SECONDS)
        finally:
            for pid in self._running:
                _kill(pid)

    def _is_over(self) -> bool:
        return time.time() >= self._plan.ends_at or os.getppid() != self._parent

    def _start(self, job: Job) -> None:
        self._started += 1
        directory = self._results.parent / str(self._started)
        directory.mkdir()
        pid = os.fork()
        if pid == 0:
            try:
                self._be_job(job, directory)
            finally:
                os._exit(1)
        slowest = max((test.hang_seconds for test in self._plan.tests_of(job)), default=0.0)
        importing = _IMPORT_SECONDS if job.is_imported else 0.0
        self._running[pid] = _Run(job, directory, time.monotonic() + importing + TEST_SECONDS + slowest)

    def _be_job(self, job: Job, directory: Path) -> None:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
            os.dup2(nowhere, descriptor)
        running.settle_in(directory)
        if job.is_imported:
            self._become_fresh(job, directory)
        is_in_place = self._put_in_place(job)
        tests = self._plan.tests_of(job)
        running.write_result(
            directory,
            running.run_tests(self._session, job.number, tests, self._items)
            if is_in_place
            else Result(job.number, "elsewhere"),
        )

    def _become_fresh(self, job: Job, directory: Path) -> None:
        plan = msgspec.structs.replace(self._plan, jobs=(job,))
        (directory / running.PLAN_FILE).write_bytes(msgspec.json.encode(plan))
        files = sorted({file_of(test.name) for test in plan.tests_of(job)})
        command = quick_tests_command(_FRESH_PLUGIN, "--capture=no", *files)
        os.execve(command[0], command, {**os.environ, running.DIRECTORY_VARIABLE: str(directory)})  # noqa: S606 - no shell

    def _put_in_place(self, job: Job) -> bool:
        if job.edit is None:
            return True
        file, code = running.file_of(self._plan, job), running.mutated_code(self._plan, job)
        if module_name(job.place) in sys.modules:
            return swap_code(self._functions.get(str(file), []), code)
        MutantFinder(file, job.place, code).install()
        return True

    def _reap(self) -> bool:
        """Whether a job has ended. A hanging one is ended, which counts as killed."""
        ended = {pid for pid in self._running if os.waitpid(pid, os.WNOHANG)[0]}
        hanging = {pid for pid, run in self._running.items() if time.monotonic() > run.hangs_at} - ended
        for pid in hanging:
            _kill(pid)
        for pid in ended | hanging:
            run = self._running.pop(pid)
            result = running.read_result(run.directory)
            shutil.rmtree(run.directory, ignore_errors=True)
            first_test = next((test.name for test in self._plan.tests_of(run.job)), "")
            self._settle(run.job, result or Result(run.job.number, "killed", by=first_test))
        return bool(ended or hanging)

    def _settle(self, job: Job, result: Result) -> None:
        if result.state == "elsewhere":
            self._queue.appendleft(msgspec.structs.replace(job, is_imported=True))
            return
        self._write(result)
        if result.state == "killed" and job.edit is None:
            self._distrust(result.by)
        elif result.state == "killed":
            self._killed[job.number] = (job, result.by)
            if self._plan.number_of(result.by) in self._unreliable:
                self._try_again([job])
            else:
                self._control(job, result.by)

    def _control(self, job: Job, test: str) -> None:
        """Check once that a test which killed a mutant passes without one."""
        if (job.is_imported, test) not in self._controlled:
            self._controlled.add((job.is_imported, test))
            control = msgspec.structs.replace(job, number=CONTROL, edit=None, tests=(self._plan.number_of(test),))
            self._queue.appendleft(control)

    def _distrust(self, test: str) -> None:
        """Let the mutants that this test killed meet their other tests."""
        self._unreliable.add(self._plan.number_of(test))
        self._try_again(job for job, by in self._killed.values() if by == test)

    def _try_again(self, jobs: Iterable[Job]) -> None:
        self._queue.extendleft(job for job in map(self._without_unreliable, jobs) if job.tests)

    def _without_unreliable(self, job: Job) -> Job:
        tests = tuple(number for number in job.tests if number not in self._unreliable)
        return msgspec.structs.replace(job, tests=tests) if job.edit else job

    def _write(self, result: Result) -> None:
        with self._results.open("ab") as file:
            file.write(msgspec.json.encode(result) + b"\n")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    Server(read_plan(os.environ[PLAN_VARIABLE]), session).run()
    return True
