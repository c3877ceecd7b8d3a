"""What an SQLite file needs, whatever it contains: an owner, a log beside it, bounds, transactions and migrations."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import apsw


class NewerSchema(Exception):
    """The file has had migrations that this version does not know."""


def log_files(path: Path) -> tuple[Path, Path]:
    """Return the files that SQLite uses with the database: the write-ahead log and its index."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def create_private(path: Path) -> None:
    """Create the file, if it is missing, for its owner alone: files that SQLite creates beside it take its mode.

    Raises `OSError`.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if path.stat().st_mode & 0o077:
        path.chmod(0o600)  # It may have been copied here.


def configure(
    connection: apsw.Connection, *, synchronous: Literal["FULL", "NORMAL"], busy_ms: int, cache_kib: int
) -> None:
    """Configure the connection. FULL syncs the log at every commit.

    With NORMAL a power failure may cost the last commits, never the file.
    """
    connection.set_busy_timeout(busy_ms)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", synchronous)
    # Erased data must not stay readable in free pages, nor in a temporary file.
    connection.pragma("secure_delete", "ON")
    connection.pragma("temp_store", "MEMORY")
    connection.pragma("cache_size", -cache_kib)


def limit_size(connection: apsw.Connection, *, max_pages: int, checkpoint_pages: int, log_bytes: int) -> None:
    """Limit the file's size and its log.

    The log is written back when it holds `checkpoint_pages`; a log that has grown larger is truncated to `log_bytes`.
    """
    connection.pragma("max_page_count", max_pages)
    connection.pragma("wal_autocheckpoint", checkpoint_pages)
    connection.pragma("journal_size_limit", log_bytes)


def migrate(connection: apsw.Connection, scripts: Sequence[str]) -> None:
    """Run the scripts that the file has not had, each as one transaction; its `user_version` counts them.

    Raises `NewerSchema`, and `apsw.Error` if a script fails.
    """
    version: int = connection.pragma("user_version")
    if version > len(scripts):
        raise NewerSchema(
            f"from a newer version of tiktok-forwarder (schema {version}; this version knows {len(scripts)})"
        )
    for number, script in enumerate(scripts[version:], version + 1):
        with transaction(connection):
            connection.execute(script)
            connection.pragma("user_version", number)


@contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """Commit the changes made in the `with` block; any error rolls them back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        end_transaction(connection)
        raise


def end_transaction(connection: apsw.Connection) -> None:
    """Roll back a transaction that may be open: some errors have ended it already."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def truncate_log(connection: apsw.Connection) -> bool:
    """Write the log back and empty it, since it still contains deleted data.

    Return whether no other connection prevented that.
    """
    ((is_busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return not is_busy
