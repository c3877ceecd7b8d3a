"""The SQLite file beneath the activity: bounded, private, and begun anew when it cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from tiktok_forwarder.database.statements import load_statements

ACTIVITY_STATEMENTS: Final = load_statements("tiktok_forwarder.activity", "activity.sql")

_SCHEMA_VERSION: Final = 1
_PAGE_BYTES: Final = 4096
_BUSY_MS: Final = 2000
# Of the bound, so much is left for the log beside the file. It is written back at the end of the transaction with which
# it has grown to a quarter of that.
_LOG_SHARE: Final = 1 / 4
_LARGEST_LOG_BYTES: Final = 16 * 1024 * 1024
_NEARLY_FULL: Final = 0.92
_CACHE_KIB: Final = 4000
_Result = TypeVar("_Result")


class ActivityDatabase:
    """Used in one thread at a time. All its methods raise `apsw.Error`."""

    def __init__(self, path: Path | None, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._path = path
        self._log_bytes = min(_LARGEST_LOG_BYTES, int(max_bytes * _LOG_SHARE))
        self._connection = self._opened()
        self._most_pages: int = self._connection.pragma("max_page_count")

    def _opened(self) -> apsw.Connection:
        if self._path is None:
            return self._open(":memory:")
        try:
            return self._open(str(self._path))
        except (apsw.Error, OSError):
            pass
        try:
            self._remove_files()
            return self._open(str(self._path))
        except (apsw.Error, OSError):
            return self._open(":memory:")

    def _open(self, name: str) -> apsw.Connection:
        if self._path is not None and name != ":memory:":
            # Created here, so that nobody else could ever open it; its log takes the file's mode.
            os.close(os.open(name, os.O_RDWR | os.O_CREAT, 0o600))
            os.chmod(name, 0o600)  # noqa: PTH101  # the file may be an older one
        connection = apsw.Connection(name)
        try:
            self._configure(connection)
            self._create_tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _configure(self, connection: apsw.Connection) -> None:
        connection.set_busy_timeout(_BUSY_MS)
        connection.pragma("page_size", _PAGE_BYTES)
        connection.pragma("journal_mode", "wal")
        # A power cut may cost the last commits, never the file.
        connection.pragma("synchronous", "NORMAL")
        # Erased records must not stay readable in free pages.
        connection.pragma("secure_delete", True)
        connection.pragma("wal_autocheckpoint", max(16, self._log_bytes // 4 // _PAGE_BYTES))
        connection.pragma("journal_size_limit", self._log_bytes)
        connection.pragma("cache_size", -_CACHE_KIB)
        connection.pragma("max_page_count", max(64, (self.max_bytes - self._log_bytes) // _PAGE_BYTES))

    def _create_tables(self, connection: apsw.Connection) -> None:
        version = connection.pragma("user_version")
        if version == _SCHEMA_VERSION:
            return
        if connection.pragma("schema_version"):
            raise apsw.Error(f"the activity's file is of version {version}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(ACTIVITY_STATEMENTS["schema"])
        connection.pragma("user_version", _SCHEMA_VERSION)
        connection.execute("COMMIT")

    def begin_anew(self) -> None:
        """Give up a damaged file and what it held."""
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

    def change(self, work: Callable[[], _Result]) -> _Result:
        """Run it as one transaction."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work()
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    def execute(self, name: str, bindings: apsw.Bindings | None = None) -> apsw.Cursor:
        """Run the statement of this name."""
        return self._connection.execute(ACTIVITY_STATEMENTS[name], bindings)

    def execute_many(self, name: str, rows: Any) -> None:
        self._connection.executemany(ACTIVITY_STATEMENTS[name], rows)

    def one(self, name: str, bindings: apsw.Bindings | None = None) -> Any:
        """The first column of the only row."""
        row = self.execute(name, bindings).fetchone()
        return row[0] if row is not None else None

    def cut_log(self) -> None:
        """What was deleted still stands in the log until it is written back and cut."""
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        self._connection.close()
