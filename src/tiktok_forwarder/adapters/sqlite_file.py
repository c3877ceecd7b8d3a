"""Opening the database file: a current SQLite, durable settings, migrations, and no silent new start."""

import os
from pathlib import Path
from typing import Final

import apsw

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.sql import migrations

# Up to 3.51.2 two connections that checkpoint at once can corrupt a WAL file (sqlite.org/wal.html#walresetbug).
_OLDEST_SQLITE: Final = 3_051_003
PAGE_BYTES: Final = 8192
_CHECKPOINT_PAGES: Final = 4000
_CACHE_KIB: Final = 64_000
_WAL_LIMIT_BYTES: Final = 128 * 1024 * 1024
_BUSY_MS: Final = 5000
_SHARE_OF_FREE_SPACE: Final = 0.8
_LARGEST_BYTES: Final = 64 * 1024**3
# Reading every page of a larger file would hold up the start by minutes; damage is then found when a page is used.
_LARGEST_CHECKED_BYTES: Final = 512 * 1024**2


def open_database(path: Path, max_bytes: int | None) -> apsw.Connection:
    """A connection fit for the writer. Raises `ConfigurationError` in one sentence, and changes nothing then."""
    if apsw.SQLITE_VERSION_NUMBER < _OLDEST_SQLITE:
        raise ConfigurationError([f"SQLite {apsw.sqlite_lib_version()} is too old: 3.51.3 or newer is needed"])
    existed = path.exists() and path.stat().st_size > 0
    try:
        connection = apsw.Connection(str(path))
        os.chmod(path, 0o600)  # noqa: PTH101  # the path is apsw's argument as well
        _configure(connection, path, max_bytes, is_new=not existed)
        if existed:
            _check(connection, path)
        _migrate(connection, path)
    except apsw.Error as error:
        restore = "restore it from a backup, or move it away to begin anew"
        raise ConfigurationError([f"{path}: the database cannot be opened: {error}; {restore}"]) from None
    return connection


def _configure(connection: apsw.Connection, path: Path, max_bytes: int | None, *, is_new: bool) -> None:
    connection.set_busy_timeout(_BUSY_MS)
    if is_new:
        connection.pragma("page_size", PAGE_BYTES)
    connection.pragma("journal_mode", "wal")
    # FULL syncs the WAL at every commit: NORMAL may lose the last ones at a power cut, and 202 has been said by then.
    connection.pragma("synchronous", "FULL")
    # Erased events must not stay readable in free pages.
    connection.pragma("secure_delete", True)
    connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
    connection.pragma("journal_size_limit", _WAL_LIMIT_BYTES)
    connection.pragma("cache_size", -_CACHE_KIB)
    connection.pragma("temp_store", "MEMORY")
    page_bytes = connection.pragma("page_size")
    connection.pragma("max_page_count", max(64, _cap_bytes(path, max_bytes) // page_bytes))


def _cap_bytes(path: Path, max_bytes: int | None) -> int:
    """The largest size of the file: a disk that others fill must still let deliveries be marked."""
    if max_bytes is not None:
        return max_bytes
    space = os.statvfs(path.parent)
    held = path.stat().st_size if path.exists() else 0
    return min(_LARGEST_BYTES, held + int(space.f_bavail * space.f_frsize * _SHARE_OF_FREE_SPACE))


def _check(connection: apsw.Connection, path: Path) -> None:
    if path.stat().st_size <= _LARGEST_CHECKED_BYTES:
        found = connection.pragma("quick_check")
        if found != "ok":
            raise apsw.CorruptError(str(found).splitlines()[0])


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
            connection.execute("ROLLBACK")
            raise
