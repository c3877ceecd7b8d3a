"""The pages that promise something name tests for it, and those tests are there."""

import re
from pathlib import Path

import pytest

from tests.unit.test_repository import written_tests

ROOT = Path(__file__).parents[2]
PAGES = ("docs/reliability.md", "SECURITY.md")
NAMED_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")


def promises(page: str) -> list[str]:
    """The rows of its tables, without their heads."""
    lines = (ROOT / page).read_text().splitlines()
    heads = {number - 1 for number, line in enumerate(lines) if line.startswith("|---")}
    return [
        line
        for number, line in enumerate(lines)
        if line.startswith("| ") and number not in heads and not line.startswith("|---")
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_promise_names_its_test(page: str) -> None:
    """No row of a table stands there without one."""
    rows = promises(page)
    assert len(rows) > 10
    assert [row for row in rows if not NAMED_TEST.search(row.rpartition(" | ")[2])] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_named_test_is_there(page: str) -> None:
    """Under its name, in the file that is named."""
    named = NAMED_TEST.findall((ROOT / page).read_text())
    files = {file: ROOT / "tests" / file for file, _ in named}
    assert [file for file, path in files.items() if not path.is_file()] == []
    tests = {file: {each.name for each in written_tests(path)} for file, path in files.items()}
    assert [f"{file}::{name}" for file, name in named if name not in tests[file]] == []
