"""Copies the database while it is in use; each copy is checked before it replaces anything."""

import contextlib
import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import apsw
from msgspec import Struct, structs

from tiktok_forwarder.database.directory_lock import DirectoryLock
from tiktok_forwarder.database.file import log_files
from tiktok_forwarder.database.permissions import DATA_FILES
from tiktok_forwarder.database.problem import is_corruption
from tiktok_forwarder.database.sync import sync
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.sqlite.file import APPLICATION_ID, BUSY_MS
from tiktok_forwarder.store.sqlite.statements import migrations

# SQLite's file format: the first bytes, and the places of the numbers that show the journal mode and the program.
_SQLITE_HEADER: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_WRITE_VERSION_AT: Final = 18
_APPLICATION_ID_AT: Final = slice(68, 72)
_WITHOUT_LOG: Final = 1
# By lane, in every version.
_COUNTS: Final = "SELECT coalesce(sum(waiting), 0), coalesce(sum(dead_letters), 0) FROM lanes"


class Backup(Struct, frozen=True):
    """The contents of a backup: its size, the version of its schema, and how many events wait or are dead letters."""

    file: str
    bytes: int
    schema: int
    waiting: int
    dead_letters: int


def back_up(database: Path, file: Path) -> Backup:
    """Copy what is committed at this moment, for the owner alone; a service may continue to use the database.

    Raises `ConfigurationError` when there is nothing to copy, no whole copy can be made, or the file may not be
    replaced; no partial file is left then.
    """
    if not _exists(database):
        raise ConfigurationError([f"{database}: no database to back up"])
    _require_replaceable(file, database)
    with written(file) as partial:
        with _source(database) as source, closing(apsw.Connection(str(partial))) as target:
            with target.backup("main", source, "main") as copying:
                # Copy in one step: a copy in several steps starts over whenever the service writes.
                copying.step(-1)
            # A self-contained file, without a log beside it.
            target.pragma("journal_mode", "delete")
        backup = check_backup(partial)
    return structs.replace(backup, file=str(file))


@contextlib.contextmanager
def _source(database: Path) -> Iterator[apsw.Connection]:
    """Yield a connection that only reads, whatever the journal mode is: a restored database has no log yet."""
    with contextlib.ExitStack() as opened:
        try:
            connection = _reader(database, is_alone=False)
        except apsw.Error as error:
            if is_corruption(error) or any(map(_exists, log_files(database))):
                raise ConfigurationError([f"{database}: cannot read the database: {error}"]) from None
            # On a full disk the log's index cannot be created; without another process it is not needed either.
            opened.enter_context(DirectoryLock(database.parent))
            connection = _reader(database, is_alone=True)
        opened.callback(connection.close)
        yield connection


def _reader(database: Path, *, is_alone: bool) -> apsw.Connection:
    address = f"{database.absolute().as_uri()}?immutable={int(is_alone)}"
    connection = apsw.Connection(address, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_timeout(BUSY_MS)
        connection.pragma("schema_version")
    except BaseException:
        connection.close()
        raise
    return connection


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
            counts: Any = connection.execute(_COUNTS).fetchall()[0]
    except apsw.Error as error:
        raise _unusable(file, str(error)) from None
    return Backup(str(file), file.stat().st_size, schema, *counts)


@contextlib.contextmanager
def written(file: Path) -> Iterator[Path]:
    """Yield a file beside the wanted one, which replaces it once it is whole and on the disk.

    Raises `ConfigurationError`; the partial file is removed then.
    """
    partial = _partial(file)
    if not _may_be_ours(partial):
        raise ConfigurationError([f"{partial}: is not a partial backup; move it away, or choose another name"])
    try:
        _remove_with_journals(partial)
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield partial
        sync(partial)
        partial.replace(file)
        sync(file.parent)
    except (OSError, apsw.Error) as error:
        raise ConfigurationError([f"{file}: cannot write: {error}"]) from None
    finally:
        with contextlib.suppress(OSError):
            _remove_with_journals(partial)


def discard_partial(file: Path) -> None:
    """Remove what an interrupted `written` of this file has left: it may contain much, and personal data."""
    if _exists(_partial(file)) and _may_be_ours(_partial(file)):
        with contextlib.suppress(OSError):
            _remove_with_journals(_partial(file))


def _partial(file: Path) -> Path:
    return file.with_name(f"{file.name}.partial")


def _remove_with_journals(file: Path) -> None:
    """Remove the file, and what SQLite would apply to the next one of its name."""
    for path in (file, file.with_name(f"{file.name}-journal"), *log_files(file)):
        path.unlink(missing_ok=True)


# --- what may be replaced ---------------------------------------------------------------------------------------------


def _require_replaceable(file: Path, database: Path) -> None:
    """Raise `ConfigurationError` unless the file is missing, or a backup that this program made."""
    if file.name.startswith(DATA_FILES) and _is_same_directory(file.parent, database.parent):
        raise ConfigurationError([f"{file}: is a name that the service uses itself; choose another name"])
    if _exists(file) and not is_backup(file):
        raise ConfigurationError([f"{file}: is not a backup of tiktok-forwarder; choose another name"])


def _is_same_directory(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _exists(file: Path) -> bool:
    """Return whether anything has this name, also a link that leads nowhere."""
    return os.path.lexists(file)


def is_backup(file: Path) -> bool:
    """Return whether the file was made by `back_up`. A database in use has a log, which a backup never has."""
    header = _header_of(file)
    return (
        header is not None
        and _is_of_this_program(header)
        and header[_WRITE_VERSION_AT] == _WITHOUT_LOG
        and not any(_exists(log) for log in log_files(file))
    )


def _may_be_ours(partial: Path) -> bool:
    """Return whether there is no such file, or one that an interrupted backup may have left."""
    if not _exists(partial):
        return True
    header = _header_of(partial)
    # Its first page is written last.
    return header is not None and (not header.strip(b"\0") or _is_of_this_program(header))


def _header_of(file: Path) -> bytes | None:
    """Return the first bytes of a regular file; None for anything else: a link, a device, a directory."""
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return None
        with file.open("rb") as content:
            return content.read(_HEADER_BYTES)
    except OSError:
        return None


def _is_of_this_program(header: bytes) -> bool:
    return (
        len(header) == _HEADER_BYTES
        and header.startswith(_SQLITE_HEADER)
        and int.from_bytes(header[_APPLICATION_ID_AT], "big") == APPLICATION_ID
    )


def _unusable(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError([f"{file}: cannot use the backup: {why}"])
