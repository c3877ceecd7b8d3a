"""Statements of the default store: run for many rows at once."""

from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest

from tiktok_forwarder.store.sqlite import statements
from tiktok_forwarder.store.sqlite.statements import run_wide


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[apsw.Connection]:
    """A table of numbers, with a statement that adds one."""
    monkeypatch.setitem(statements.STATEMENTS, "add_number", "INSERT INTO numbers VALUES (?, ?);")
    statements._widened.cache_clear()
    with closing(apsw.Connection(":memory:")) as opened:
        opened.execute("CREATE TABLE numbers (n, name)")
        yield opened


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 127, 200])
def test_many_rows_are_written_whatever_their_number(connection: apsw.Connection, count: int) -> None:
    """Each row once, in groups whose sizes are powers of two up to 64."""
    run_wide(connection, "add_number", [(number, f"n{number}") for number in range(count)])
    assert connection.execute("SELECT * FROM numbers").fetchall() == [(n, f"n{n}") for n in range(count)]
    assert statements._widened.cache_info().currsize <= 7
