"""The database file: its maximum size, and opening it with durable settings, never silently as an empty one."""

import contextlib
import os
from pathlib import Path
from typing import Final

import apsw
from msgspec import Struct

from tiktok_forwarder.database.file import NewerSchema, configure, create_private, limit_size, migrate, truncate_log
from tiktok_forwarder.database.problem import is_corruption
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.rules import storage_quota
from tiktok_forwarder.store.sqlite.disk_reserve import DiskReserve, reserved_bytes
from tiktok_forwarder.store.sqlite.statements import migrations

PAGE_BYTES: Final = 8192
SMALLEST_STORE_BYTES: Final = 1024 * 1024

_SHARE_OF_FREE_SPACE: Final = 0.8
_RESERVE_SHARE_OF_DISK: Final = 1 / 8
_LARGEST_DERIVED_BYTES: Final = 64 * 1024**3
# A log of this size is reused again and again, which makes its syncs cheap; a larger one only makes restarts slow.
_MAX_CHECKPOINT_PAGES: Final = 4000
_LEAST_CHECKPOINT_PAGES: Final = 16
_LOG_SHARE: Final = 1 / 16
_MAX_TRANSACTION_BYTES: Final = 8 * 1024 * 1024
# The more keys there are, the fewer pages are written to merge them; but they take memory, and a start reads them.
_MAX_RECENT_KEYS: Final = 100_000
_STORE_BYTES_PER_RECENT_KEY: Final = 2000

# Up to SQLite 3.51.2, two connections that checkpoint at the same time can corrupt a WAL file
# (sqlite.org/wal.html#walresetbug).
_OLDEST_SQLITE: Final = 3_051_003
# Marks the file as this program's ("TTFW").
APPLICATION_ID: Final = 0x54544657
BUSY_MS: Final = 5_000
_CACHE_KIB: Final = 64_000
# Reading all of a larger file would delay the start by many seconds; damage in it is found when a page is used.
_LARGEST_CHECKED_BYTES: Final = 1024**3
_REMEDY_OF_DAMAGE: Final = "restore a backup, or move the file away to start with an empty store"
_REMEDY_OF_FULL_DISK: Final = "free space on it and start again; waiting events are kept"
_REMEDY_OF_LOCK: Final = "stop the program that has it open, and start again"
_REMEDY: Final = "check the disk of data_dir: free space, write permission, system log"
# A disk with less is full for a start: it needs a log and its index.
_FULL_DISK_BYTES: Final = 512 * 1024


class StoreLimits(Struct, frozen=True):
    """Bounds that follow from one number, the largest size of the database file.

    New events are refused above `append_bytes`: the rest is the reserve, in which deliveries can still be marked and
    dead letters kept. One connection may hold up to `connection_bytes`. The write-ahead log is written back at
    `checkpoint_pages`; one transaction takes up about `transaction_bytes`. `disk_reserve_bytes` are kept free of other
    programs' data.
    """

    max_pages: int
    append_bytes: int
    connection_bytes: int
    checkpoint_pages: int
    transaction_bytes: int

    @property
    def disk_reserve_bytes(self) -> int:
        """Return how much a log of full size may add to the database, and a transaction to the log."""
        return self.checkpoint_pages * PAGE_BYTES + self.transaction_bytes

    @property
    def max_recent_keys(self) -> int:
        """Return how many de-duplication keys may be in memory, and so in a log that a small store has space for."""
        return min(_MAX_RECENT_KEYS, self.append_bytes // _STORE_BYTES_PER_RECENT_KEY)


def store_limits(max_bytes: int, reserve_share: float) -> StoreLimits:
    append_bytes = int(max_bytes * (1 - reserve_share))
    log_pages = int(max_bytes * _LOG_SHARE) // PAGE_BYTES
    checkpoint_pages = max(_LEAST_CHECKPOINT_PAGES, min(_MAX_CHECKPOINT_PAGES, log_pages))
    return StoreLimits(
        max_pages=max_bytes // PAGE_BYTES,
        append_bytes=append_bytes,
        connection_bytes=storage_quota(append_bytes),
        checkpoint_pages=checkpoint_pages,
        transaction_bytes=min(_MAX_TRANSACTION_BYTES, checkpoint_pages * PAGE_BYTES),
    )


def derived_max_bytes(path: Path) -> int:
    """Return a size from the free space now; the remaining space is for the log and other programs.

    The reserve of an earlier start counts as free. A full disk gives the smallest size: the store can still be emptied.
    """
    free_bytes = _free_bytes(path) + reserved_bytes(reserve_path(path))
    held = path.stat().st_size if path.exists() else 0
    derived = held + int(free_bytes * _SHARE_OF_FREE_SPACE)
    return max(SMALLEST_STORE_BYTES, min(_LARGEST_DERIVED_BYTES, derived))


def earlier_reserve_bytes(path: Path) -> int:
    """Return the size of the reserve that an earlier start left, up to a share of the whole disk.

    A nearly full disk gives a small size, which needs less: with that, the disk would count as having room.
    """
    space = os.statvfs(path.parent)
    return min(reserved_bytes(reserve_path(path)), int(space.f_blocks * space.f_frsize * _RESERVE_SHARE_OF_DISK))


def reserve_path(path: Path) -> Path:
    return path.with_suffix(".reserve")


def _free_bytes(path: Path) -> int:
    space = os.statvfs(path.parent)
    return space.f_bavail * space.f_frsize


def open_writer(path: Path, limits: StoreLimits, reserve: DiskReserve | None = None) -> apsw.Connection:
    """Return the only connection that writes. Raises `ConfigurationError`, one sentence, before changing anything.

    On a full disk the reserve is released, if there is one.
    """
    if apsw.SQLITE_VERSION_NUMBER < _OLDEST_SQLITE:
        raise ConfigurationError([f"SQLite {apsw.sqlite_lib_version()} is too old: 3.51.3 or newer is needed"])
    is_new = _touch(path)
    try:
        try:
            return _opened(path, limits, is_new=is_new)
        except (apsw.FullError, apsw.IOError, apsw.CantOpenError):
            if reserve is None or not reserve.give_up_all():
                raise
            return _opened(path, limits, is_new=is_new)
    except apsw.Error as error:
        raise _unusable(path, *_reason_and_remedy(path, error)) from None


def _opened(path: Path, limits: StoreLimits, *, is_new: bool) -> apsw.Connection:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        _prepare(connection, path, limits, is_new=is_new)
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> apsw.Connection:
    """Return a connection for one longer read, beside the writer's. Raises `apsw.Error`."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        _configure(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def is_whole(connection: apsw.Connection) -> bool:
    """Return whether a start would find the file whole, from the disk and not from memory.

    A file too large for that check counts as damaged.
    """
    try:
        if Path(connection.filename).stat().st_size > _LARGEST_CHECKED_BYTES:
            return False
        connection.release_memory()
        return bool(connection.pragma("quick_check") == "ok")
    except (apsw.Error, OSError):
        return False


def _touch(path: Path) -> bool:
    """Create the file, for the owner alone; return whether it was missing or empty."""
    log = path.with_name(path.name + "-wal")
    try:
        is_new = not path.exists() or path.stat().st_size == 0
        if is_new and log.exists() and log.stat().st_size > 0:
            # SQLite would delete the log, and the events in it.
            raise _unusable(path, f"it is missing or empty, but {log.name} beside it is not", "put the database back")
        create_private(path)
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot open the database: {error.strerror}"]) from None
    return is_new


def _prepare(connection: apsw.Connection, path: Path, limits: StoreLimits, *, is_new: bool) -> None:
    connection.set_busy_timeout(BUSY_MS)
    if is_new:
        connection.pragma("page_size", PAGE_BYTES)
        connection.pragma("application_id", APPLICATION_ID)
    else:
        _check(connection, path)
    _configure(connection)
    limit_size(
        connection,
        max_pages=limits.max_pages,
        checkpoint_pages=limits.checkpoint_pages,
        log_bytes=2 * limits.checkpoint_pages * PAGE_BYTES,
    )
    try:
        migrate(connection, migrations())
    except NewerSchema as error:
        raise ConfigurationError([f"{path}: is {error}"]) from None
    with contextlib.suppress(apsw.Error):
        # After a crash the log may still contain erased data. Without enough space for this, it is truncated later.
        truncate_log(connection)


def _configure(connection: apsw.Connection) -> None:
    # FULL, since the sender gets 202 when a commit is done.
    configure(connection, synchronous="FULL", busy_ms=BUSY_MS, cache_kib=_CACHE_KIB)
    if connection.pragma("journal_mode") != "wal":
        raise apsw.CantOpenError("its file system cannot share memory, which a write-ahead log needs")


def _check(connection: apsw.Connection, path: Path) -> None:
    """Check that the file is this program's, and whole as far as a start may take time to check."""
    if connection.pragma("application_id") != APPLICATION_ID:
        raise _unusable(path, "it belongs to another program", "use another data_dir")
    if path.stat().st_size <= _LARGEST_CHECKED_BYTES:
        found = str(connection.pragma("quick_check"))
        if found != "ok":
            raise apsw.CorruptError(found.splitlines()[0])


def _reason_and_remedy(path: Path, error: apsw.Error) -> tuple[str, str]:
    """Return both for an error; starting over is a remedy only for a database that is corrupt."""
    if is_corruption(error):
        return str(error), _REMEDY_OF_DAMAGE
    if isinstance(error, apsw.BusyError):
        return str(error), _REMEDY_OF_LOCK
    if isinstance(error, apsw.FullError) or _is_disk_full(path):
        return "the disk is full", _REMEDY_OF_FULL_DISK
    return str(error), _REMEDY


def _is_disk_full(path: Path) -> bool:
    try:
        return _free_bytes(path) < _FULL_DISK_BYTES
    except OSError:
        return False


def _unusable(path: Path, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([f"{path}: cannot open the database: {why}; {remedy}"])
