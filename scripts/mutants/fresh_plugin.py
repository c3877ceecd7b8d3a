"""Pytest plugin that runs one job in a process of its own, for lines that run when the product is imported."""

import os
from pathlib import Path
from typing import Final

import pytest

from scripts.mutants import running
from scripts.mutants.jobs import read_plan
from scripts.mutants.running import DIRECTORY_VARIABLE, PLAN_FILE
from scripts.mutants.swapping import MutantFinder

_directory: Final = Path(os.environ[DIRECTORY_VARIABLE])
_plan: Final = read_plan(_directory / PLAN_FILE)
[_job] = _plan.jobs

running.settle_in(_directory)
MutantFinder(running.file_of(_plan, _job), _job.place, running.mutated_code(_plan, _job)).install()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    items = {item.nodeid: item for item in session.items}
    running.write_result(_directory, running.run_tests(session, _job.number, _plan.tests_of(_job), items))
    return True
