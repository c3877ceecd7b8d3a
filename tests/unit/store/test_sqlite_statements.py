"""Values and statements of the default store: packed, and run for many rows at once."""

from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest

from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.store.sqlite import statements
from tiktok_forwarder.store.sqlite.statements import (
    decoded_answer,
    encoded_answer,
    packed_subjects,
    run_wide,
    unpacked_subjects,
)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[apsw.Connection]:
    """A table of numbers, with a statement that adds one."""
    monkeypatch.setitem(statements.STATEMENTS, "add_number", "INSERT INTO numbers VALUES (?, ?);")
    statements._widened.cache_clear()
    with closing(apsw.Connection(":memory:")) as opened:
        opened.execute("CREATE TABLE numbers (n, name)")
        yield opened


@pytest.mark.parametrize("count", range(20))
def test_subjects_come_back_as_they_were_packed(count: int) -> None:
    """Eight bytes each, the most significant first, so that a search can compare bytes."""
    subjects = tuple(2**64 - 1 - number for number in range(count))
    packed = packed_subjects(subjects)
    assert packed == b"".join(subject.to_bytes(8, "big") for subject in subjects)
    assert unpacked_subjects(packed) == subjects


def test_answer_comes_back_as_it_was_encoded() -> None:
    """No answer is no bytes, and not the answer without members."""
    answer = Answer(200, 40002, "Invalid value", "r1")
    assert decoded_answer(encoded_answer(answer)) == answer
    assert encoded_answer(None) is None and decoded_answer(None) is None


@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 127, 200])
def test_many_rows_are_written_whatever_their_number(connection: apsw.Connection, count: int) -> None:
    """Each row once, in groups whose sizes are powers of two up to 64."""
    run_wide(connection, "add_number", [(number, f"n{number}") for number in range(count)])
    assert connection.execute("SELECT * FROM numbers").fetchall() == [(n, f"n{n}") for n in range(count)]
    assert statements._widened.cache_info().currsize <= 7
