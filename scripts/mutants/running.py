"""Runs the tests of one job in this process, which ends with it."""

import os
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Final

import msgspec
import pytest

from scripts.mutants.jobs import TEST_SECONDS, Job, Plan, PlannedTest, Result

# Where a process of its own finds its job and puts the result.
DIRECTORY_VARIABLE: Final = "MUTANTS_JOB"
PLAN_FILE: Final = "plan"
_RESULT_FILE: Final = "result"

_TERMINATING: Final = (signal.SIGINT, signal.SIGTERM)


def file_of(plan: Plan, job: Job) -> Path:
    return Path(plan.source) / job.place


def mutated_code(plan: Plan, job: Job) -> CodeType:
    file = file_of(plan, job)
    text = file.read_bytes()
    return compile(job.edit.apply(text) if job.edit else text, str(file), "exec", dont_inherit=True)


def settle_in(directory: Path) -> None:
    """What the tests write to temporary directories goes to this one."""
    os.environ["TMPDIR"] = str(directory)
    tempfile.tempdir = None
    for number in _TERMINATING:
        signal.signal(number, signal.SIG_DFL)


def run_tests(
    session: pytest.Session, number: int, tests: Sequence[PlannedTest], items: Mapping[str, pytest.Item]
) -> Result:
    """Run these tests until one fails, or no time is left. A mutant that makes all of them vanish is killed too."""
    chosen = [(test, items[test.name]) for test in tests if test.name in items]
    if tests and not chosen:
        return Result(number, "killed", by=tests[0].name)
    started = time.monotonic()
    for index, (test, item) in enumerate(chosen):
        if time.monotonic() - started > TEST_SECONDS:
            return Result(number, "alive", ran=index)
        item.add_marker(pytest.mark.timeout(test.hang_seconds), append=False)
        following = chosen[index + 1][1] if index + 1 < len(chosen) else None
        test_started = time.monotonic()
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        # A task of the program can swallow the timeout that ends a hanging test.
        hung = time.monotonic() - test_started >= test.hang_seconds
        if session.testsfailed or hung:
            return Result(number, "killed", ran=index + 1, by=test.name)
    return Result(number, "alive", ran=len(chosen))


def write_result(directory: Path, result: Result) -> None:
    (directory / _RESULT_FILE).write_bytes(msgspec.json.encode(result))


def read_result(directory: Path) -> Result | None:
    path = directory / _RESULT_FILE
    return msgspec.json.decode(path.read_bytes(), type=Result) if path.exists() else None
