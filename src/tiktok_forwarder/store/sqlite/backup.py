"""Copies the database while it is in use, and restores a copy; each copy is checked before it is used."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
from msgspec import Struct, structs

from tiktok_forwarder.database.sync import sync
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.sqlite.file import APPLICATION_ID, open_reader
from tiktok_forwarder.store.sqlite.statements import migrations

_SIDE_FILES = ("-wal", "-shm")


class Backup(Struct, frozen=True):
    """The contents of a backup: its size, the version of its schema, and how many events wait or are dead letters."""

    file: str
    bytes: int
    schema: int
    waiting: int
    dead_letters: int


def back_up(database: Path, file: Path) -> Backup:
    """Copy what is committed at this moment, for the owner alone; a service may continue to use the database.

    Raises `ConfigurationError` when there is nothing to copy, or no whole copy can be made; no file is left then.
    """
    if not database.exists():
        raise ConfigurationError([f"{database}: no database to back up"])
    with _written(file) as partial:
        with closing(_source(database)) as source, closing(apsw.Connection(str(partial))) as target:
            with target.backup("main", source, "main") as copying:
                # Copy in one step: a copy in several steps starts over whenever the service writes.
                copying.step(-1)
            # A self-contained file, without a log beside it.
            target.pragma("journal_mode", "delete")
        backup = check_backup(partial)
    return structs.replace(backup, file=str(file))


def _source(database: Path) -> apsw.Connection:
    try:
        return open_reader(database)
    except apsw.Error as error:
        raise ConfigurationError([f"{database}: cannot read the database: {error}"]) from None


def check_backup(file: Path) -> Backup:
    """Check the file. Raises `ConfigurationError` unless it is a whole database that this version can read."""
    try:
        with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            if connection.pragma("application_id") != APPLICATION_ID:
                raise _unusable(file, "it is not a backup of tiktok-forwarder")
            schema: int = connection.pragma("user_version")
            if not 0 < schema <= len(migrations()):
                raise _unusable(
                    file, f"its schema {schema} is from another version; this version knows {len(migrations())}"
                )
            found = str(connection.pragma("quick_check"))
            if found != "ok":
                raise _unusable(file, f"it is damaged: {found.splitlines()[0]}")
            counts = [connection.execute(f"SELECT count(*) FROM {table}").get for table in ("waiting", "dead_letters")]  # noqa: S608
    except apsw.Error as error:
        raise _unusable(file, str(error)) from None
    return Backup(str(file), file.stat().st_size, schema, *counts)


def restore(file: Path, database: Path) -> Backup:
    """Replace the database with the backup. No process may use the database in the meantime.

    Raises `ConfigurationError`, before changing anything, for a file that cannot be used.
    """
    check_backup(file)
    with _written(database) as partial:
        shutil.copyfile(file, partial)
        backup = check_backup(partial)
        # Remove the replaced database's log: SQLite must not apply it to the new one.
        for suffix in _SIDE_FILES:
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    return structs.replace(backup, file=str(database))


def remove_database(database: Path) -> None:
    """Remove the database and its log; a missing one is not an error. Raises `ConfigurationError`."""
    try:
        for suffix in ("", *_SIDE_FILES):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError([f"{database}: cannot remove: {error.strerror}"]) from None


@contextlib.contextmanager
def _written(file: Path) -> Iterator[Path]:
    """Yield a file beside the wanted one, which replaces it once it is whole and on the disk."""
    partial = file.with_name(f"{file.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield partial
        sync(partial)
        partial.replace(file)
        sync(file.parent)
    except (OSError, apsw.Error) as error:
        raise ConfigurationError([f"{file}: cannot write: {error}"]) from None
    finally:
        for suffix in ("", "-journal", *_SIDE_FILES):
            with contextlib.suppress(OSError):
                partial.with_name(partial.name + suffix).unlink(missing_ok=True)


def _unusable(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError([f"{file}: cannot use the backup: {why}"])
