"""What the database files of store and activity have in common: migrations and transactions."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tiktok_forwarder.database.file import NewerSchema, migrate, transaction

FIRST = "CREATE TABLE numbers (number INTEGER); INSERT INTO numbers VALUES (1);"
SECOND = "INSERT INTO numbers VALUES (2);"
BROKEN = "INSERT INTO nowhere VALUES (3);"


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    with closing(apsw.Connection(str(tmp_path / "numbers.db"))) as connection:
        yield connection


def numbers(connection: apsw.Connection) -> list[int]:
    return [number for (number,) in connection.execute("SELECT number FROM numbers")]


def test_migrations_are_run_once_each_in_their_order(connection: apsw.Connection) -> None:
    """A file of any version gets exactly the scripts that it has not had."""
    migrate(connection, [FIRST])
    for _ in range(2):
        migrate(connection, [FIRST, SECOND])
    assert (numbers(connection), connection.pragma("user_version")) == ([1, 2], 2)


def test_migration_that_fails_leaves_the_version_before(connection: apsw.Connection) -> None:
    """A script is one transaction, so that the scripts before it stay and nothing of its own does."""
    with pytest.raises(apsw.SQLError):
        migrate(connection, [FIRST, SECOND + BROKEN])
    assert (numbers(connection), connection.pragma("user_version")) == ([1], 1)
    migrate(connection, [FIRST, SECOND])
    assert numbers(connection) == [1, 2]


def test_file_of_a_newer_version_is_not_migrated(connection: apsw.Connection) -> None:
    """An older program must not work on what it does not understand."""
    migrate(connection, [FIRST, SECOND])
    with pytest.raises(NewerSchema, match=r"schema 2; this version knows 1"):
        migrate(connection, [FIRST])
    assert (numbers(connection), connection.pragma("user_version")) == ([1, 2], 2)


def test_transaction_that_fails_is_undone(connection: apsw.Connection) -> None:
    """Whatever the error is, nothing of the block stays, and the next transaction can begin."""
    migrate(connection, [FIRST])
    with pytest.raises(ZeroDivisionError), transaction(connection):
        connection.execute(SECOND)
        raise ZeroDivisionError
    with transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (3)")
    assert numbers(connection) == [1, 3]
