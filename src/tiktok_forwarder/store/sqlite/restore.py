"""Replaces the database with a backup: every instant leaves the old one with its log, or the new one.

The commit is one renaming, to a name of its own: from then on the restored file is the database, and the next
program that opens the directory removes the old one's log and puts it in place.
"""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw
from msgspec import structs

from tiktok_forwarder.database.file import log_files
from tiktok_forwarder.database.sync import sync
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.sqlite.backup import Backup, check_backup, discard_partial, written
from tiktok_forwarder.store.sqlite.statements import rows, run

# Earlier versions kept sessions in memory.
_SCHEMA_WITH_SESSIONS: Final = 4


def current_database(database: Path) -> Path:
    """Return where the database is: at its path, or restored and not in place yet."""
    restored = _restored(database)
    return restored if restored.exists() else database


def restore(file: Path, database: Path, before_commit: Callable[[], None] = lambda: None) -> Backup:
    """Replace the database with the backup. No process may use the database in the meantime.

    `before_commit` is called when nothing else can fail. Raises `ConfigurationError`, before changing anything, for a
    file that cannot be used.
    """
    _require_backup(file, database)
    with written(_restored(database)) as partial:
        shutil.copyfile(file, partial)
        backup = check_backup(partial)
        if backup.schema >= _SCHEMA_WITH_SESSIONS:
            _end_sessions(partial)
        before_commit()
    finish_restore(database)
    return structs.replace(backup, file=str(database))


def finish_restore(database: Path) -> None:
    """Put a restored database in place, if there is one, and remove what an interrupted restore has left.

    Raises `ConfigurationError`; it can be repeated then.
    """
    restored = _restored(database)
    for leftover in (restored, database):
        discard_partial(leftover)
    if not restored.exists():
        return
    try:
        # SQLite must not apply the old log to the new database, also after a power failure.
        for file in (*log_files(database), database.with_name(f"{database.name}-journal")):
            file.unlink(missing_ok=True)
        sync(database.parent)
        restored.replace(database)
        sync(database.parent)
    except OSError as error:
        raise ConfigurationError(
            [f"{database}: cannot be replaced with {restored.name}, the restored database: {error.strerror}"]
        ) from None


def remove_database(database: Path) -> None:
    """Remove the database and its log; a missing one is not an error. Raises `ConfigurationError`."""
    try:
        for file in (database, *log_files(database)):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError([f"{database}: cannot remove: {error.strerror}"]) from None


def _require_backup(file: Path, database: Path) -> None:
    check_backup(file)
    if database.exists() and file.samefile(database):
        raise ConfigurationError([f"{file}: cannot use the backup: it is the database itself"])
    log, _ = log_files(file)
    if log.exists() and log.stat().st_size > 0:
        raise ConfigurationError(
            [f"{file}: cannot use the backup: {log.name} belongs to it; make a copy of both with `backup`"]
        )


def _end_sessions(file: Path) -> None:
    """Delete everything that expires: a session that was ended after the backup must not be valid again."""
    with closing(apsw.Connection(str(file))) as connection:
        if rows(connection, "any_expiring"):
            run(connection, "delete_all_expiring")


def _restored(database: Path) -> Path:
    return database.with_name(f"{database.name}.restored")
