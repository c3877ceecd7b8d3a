"""Opening the database file: a current SQLite, durable settings, migrations, and no silent new start."""

import contextlib
import os
from pathlib import Path
from typing import Final

import apsw

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.sqlite.limits import PAGE_BYTES, StoreLimits
from tiktok_forwarder.store.sqlite.statements import migrations

# Up to 3.51.2 two connections that checkpoint at once can corrupt a WAL file (sqlite.org/wal.html#walresetbug).
_OLDEST_SQLITE: Final = 3_051_003
# Marks the file as this program's ("TTFW").
APPLICATION_ID: Final = 0x54544657
BUSY_MS: Final = 5_000
_CACHE_KIB: Final = 64_000
# Reading all of a larger file would hold up the start by many seconds; damage in it is found when a page is used.
_LARGEST_CHECKED_BYTES: Final = 1024**3
_MEND: Final = "restore it from a backup, or move it away to begin anew"


def open_writer(path: Path, limits: StoreLimits) -> apsw.Connection:
    """The one connection that writes. Raises `ConfigurationError` in one sentence, and has changed nothing then."""
    if apsw.SQLITE_VERSION_NUMBER < _OLDEST_SQLITE:
        raise ConfigurationError([f"SQLite {apsw.sqlite_lib_version()} is too old: 3.51.3 or newer is needed"])
    is_new = _touch(path)
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            _prepare(connection, path, limits, is_new=is_new)
        except BaseException:
            connection.close()
            raise
    except apsw.Error as error:
        raise _unusable(path, str(error)) from None
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """A connection for one longer look, beside the writer's. Raises `apsw.Error`."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        _set_pragmas(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def is_whole(connection: apsw.Connection) -> bool:
    """What a start would find now, from the disk and not from memory. A file too large for that counts as damaged."""
    try:
        if Path(connection.filename).stat().st_size > _LARGEST_CHECKED_BYTES:
            return False
        connection.release_memory()
        return bool(connection.pragma("quick_check") == "ok")
    except (apsw.Error, OSError):
        return False


def _touch(path: Path) -> bool:
    """Make the file, for the owner alone; return whether it was not there, or empty."""
    log = path.with_name(path.name + "-wal")
    try:
        is_new = not path.exists() or path.stat().st_size == 0
        if is_new and log.exists() and log.stat().st_size > 0:
            # SQLite would delete the log, and the events in it.
            raise _unusable(path, f"it is missing or empty, but {log.name} beside it is not")
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise ConfigurationError([f"{path}: the database cannot be opened: {error.strerror}"]) from None
    return is_new


def _prepare(connection: apsw.Connection, path: Path, limits: StoreLimits, *, is_new: bool) -> None:
    connection.set_busy_timeout(BUSY_MS)
    if is_new:
        connection.pragma("page_size", PAGE_BYTES)
        connection.pragma("application_id", APPLICATION_ID)
    else:
        _check(connection, path)
    _set_pragmas(connection)
    connection.pragma("wal_autocheckpoint", limits.checkpoint_pages)
    connection.pragma("journal_size_limit", 2 * limits.checkpoint_pages * PAGE_BYTES)
    connection.pragma("max_page_count", limits.max_pages)
    _migrate(connection, path)
    with contextlib.suppress(apsw.Error):
        # After a crash the log may still hold what was erased. Where there is no room for this, it is cut later.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _set_pragmas(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MS)
    if connection.pragma("journal_mode", "wal") != "wal":
        raise apsw.CantOpenError("its file system cannot share memory, which a write-ahead log needs")
    # FULL syncs the log at every commit: NORMAL may lose the last ones at a power cut, and 202 has been said by then.
    connection.pragma("synchronous", "FULL")
    # Erased events must not stay readable in free pages.
    connection.pragma("secure_delete", "ON")
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("temp_store", "MEMORY")


def _check(connection: apsw.Connection, path: Path) -> None:
    """That the file is ours, and whole as far as a start may take time to look."""
    if connection.pragma("application_id") != APPLICATION_ID:
        raise _unusable(path, "it is a database of another program")
    if path.stat().st_size <= _LARGEST_CHECKED_BYTES:
        found = str(connection.pragma("quick_check"))
        if found != "ok":
            raise apsw.CorruptError(found.splitlines()[0])


def _migrate(connection: apsw.Connection, path: Path) -> None:
    scripts = migrations()
    version: int = connection.pragma("user_version")
    if version > len(scripts):
        raise ConfigurationError(
            [f"{path}: is of a newer version of tiktok-forwarder (schema {version}; this one knows {len(scripts)})"]
        )
    for number, script in enumerate(scripts[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(script)
            connection.pragma("user_version", number)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _unusable(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError([f"{path}: the database cannot be opened: {why}; {_MEND}"])
