"""The SQLite file of the activity: bounded, private, and replaced by an empty one when it cannot be used."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from tiktok_forwarder.database.file import (
    NewerSchema,
    configure,
    create_private,
    limit_size,
    migrate,
    transaction,
    truncate_log,
)
from tiktok_forwarder.database.statements import load_migrations, load_statements

_PACKAGE: Final = "tiktok_forwarder.activity"
ACTIVITY_STATEMENTS: Final = load_statements(_PACKAGE, "activity.sql")

_PAGE_BYTES: Final = 4096
_BUSY_MS: Final = 2000
# This part of the size limit is left for the log beside the file. The log is written back at the end of the transaction
# with which it has grown to a quarter of this part.
_LOG_SHARE: Final = 1 / 4
_LARGEST_LOG_BYTES: Final = 16 * 1024 * 1024
_NEARLY_FULL: Final = 0.92
_CACHE_KIB: Final = 4000
# A transaction of the store takes up about as much.
_LEAST_FREE_BYTES: Final = 8 * 1024 * 1024
# The file may be intact.
OF_A_FULL_DISK: Final = (apsw.FullError, apsw.IOError, apsw.CantOpenError)
_Result = TypeVar("_Result")


def migrations() -> list[str]:
    """Return the scripts in order; the first brings an empty file to version 1."""
    return load_migrations(_PACKAGE)


class ActivityDatabase:
    """The activity's database, used in one thread at a time. All methods raise `apsw.Error`.

    `on_begun_anew` receives the reason whenever a file and its contents are abandoned.
    """

    def __init__(self, path: Path | None, max_bytes: int, on_begun_anew: Callable[[str], None]) -> None:
        self.max_bytes = max_bytes
        self._path = path
        self._on_begun_anew = on_begun_anew
        self._log_bytes = min(_LARGEST_LOG_BYTES, int(max_bytes * _LOG_SHARE))
        self._connection = self._opened()
        self._most_pages: int = self._connection.pragma("max_page_count")

    def _opened(self) -> apsw.Connection:
        if self._path is None:
            return self._open(":memory:")
        try:
            return self._open_file(self._path)
        except OF_A_FULL_DISK as error:
            self._on_begun_anew(
                f"{error}; records are kept in memory until the next start, and the file is not changed"
            )
            return self._open(":memory:")
        except (apsw.Error, NewerSchema, OSError) as error:
            self._on_begun_anew(str(error))
        try:
            self._remove_files()
            return self._open_file(self._path)
        except (apsw.Error, OSError):
            return self._open(":memory:")

    def _open_file(self, path: Path) -> apsw.Connection:
        create_private(path)
        return self._open(str(path))

    def _open(self, name: str) -> apsw.Connection:
        connection = apsw.Connection(name)
        try:
            connection.pragma("page_size", _PAGE_BYTES)
            configure(connection, synchronous="NORMAL", busy_ms=_BUSY_MS, cache_kib=_CACHE_KIB)
            limit_size(
                connection,
                max_pages=max(64, (self.max_bytes - self._log_bytes) // _PAGE_BYTES),
                checkpoint_pages=max(16, self._log_bytes // 4 // _PAGE_BYTES),
                log_bytes=self._log_bytes,
            )
            migrate(connection, migrations())
        except BaseException:
            connection.close()
            raise
        return connection

    def begin_anew(self, reason: str) -> None:
        """Abandon an unusable file and its contents, and start with an empty one."""
        self._on_begun_anew(reason)
        self._connection.close(True)
        if self._path is not None:
            self._remove_files()
        self._connection = self._opened()

    def _remove_files(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)

    @property
    def is_nearly_full(self) -> bool:
        pages: int = self._connection.pragma("page_count")
        free: int = self._connection.pragma("freelist_count")
        return pages - free > self._most_pages * _NEARLY_FULL

    def require_space(self) -> None:
        """Raise `apsw.FullError` if the file's disk is nearly full: what is left is for the events."""
        if self._path is None:
            return
        try:
            space = os.statvfs(self._path.parent)
        except OSError:
            return
        if space.f_bavail * space.f_frsize < _LEAST_FREE_BYTES:
            raise apsw.FullError("the disk is nearly full")

    def change(self, work: Callable[[], _Result]) -> _Result:
        """Run `work` as one transaction."""
        with transaction(self._connection):
            return work()

    def execute(self, name: str, bindings: apsw.Bindings | None = None) -> apsw.Cursor:
        """Run the statement of this name."""
        return self._connection.execute(ACTIVITY_STATEMENTS[name], bindings)

    def execute_many(self, name: str, rows: Any) -> None:
        self._connection.executemany(ACTIVITY_STATEMENTS[name], rows)

    def one(self, name: str, bindings: apsw.Bindings | None = None) -> Any:
        """Return the first column of the only row."""
        row = self.execute(name, bindings).fetchone()
        return row[0] if row is not None else None

    def cut_log(self) -> None:
        """Truncate the log: until then it still contains what was deleted."""
        if not truncate_log(self._connection):
            raise apsw.BusyError("the log is in use")

    def close(self) -> None:
        with contextlib.suppress(apsw.Error):
            self._connection.close()
