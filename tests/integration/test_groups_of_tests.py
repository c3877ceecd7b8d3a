"""Tests of one group run in one process, so that what they share is made once and used by one at a time."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_TESTS = """
import os
import time

import pytest

@pytest.mark.xdist_group("shared")
@pytest.mark.parametrize("number", range(4))
def test_shared(number):
    time.sleep(0.2)
    print("process", os.environ["PYTEST_XDIST_WORKER"])
"""


def test_tests_of_a_group_run_in_one_process(tmp_path: Path) -> None:
    """Some versions of pytest and its plugin do not work together, and then spread the group without a message."""
    (tmp_path / "test_groups.py").write_text(_TESTS)
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-rP", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert "4 passed" in done.stdout, done.stdout
    assert len({line for line in done.stdout.splitlines() if line.startswith("process ")}) == 1
