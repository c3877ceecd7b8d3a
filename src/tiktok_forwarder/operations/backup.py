"""Backs up the database of a data directory, and restores it."""

import os
import re
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from tiktok_forwarder.database.directory_lock import DirectoryLock, prepare_directory
from tiktok_forwarder.database.owner import require_access
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.sqlite.backup import Backup, back_up, check_backup, is_backup
from tiktok_forwarder.store.sqlite.restore import current_database, finish_restore, remove_database, restore

# Their order by name is that by time.
_NAME_BY_TIME: Final = "backup-%Y%m%dT%H%M%SZ.db"
_NAMED_BY_TIME: Final = re.compile(r"backup-\d{8}T\d{6}Z\.db")


def back_up_to(file: Path, database: Path, *, overwrite: bool) -> Backup:
    """Make a checked copy of the database, also while a service uses it; without the key.

    Raises `ConfigurationError`.
    """
    require_access(database.parent)
    if os.path.lexists(file) and not overwrite:
        raise ConfigurationError([f"{file}: already exists; choose another name, or pass --force"])
    return back_up(current_database(database), file)


def back_up_and_keep(directory: Path, database: Path, *, now: datetime, keep: int) -> Backup:
    """Make a checked copy in the directory, named by the time `now` in UTC; then keep the `keep` newest of such copies.

    Removes nothing if no copy was made, and nothing that it did not name itself. Raises `ConfigurationError`.
    """
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError([f"{directory}: cannot create the directory of the backups: {error}"]) from None
    made = back_up_to(directory / now.strftime(_NAME_BY_TIME), database, overwrite=False)
    copies = sorted(file for file in directory.iterdir() if _NAMED_BY_TIME.fullmatch(file.name) and is_backup(file))
    for file in copies[:-keep]:
        file.unlink(missing_ok=True)
    return made


def restore_from(file: Path, database: Path, activity: Path | None, *, overwrite: bool) -> Backup:
    """Replace the database with the backup. No service may use its directory in the meantime.

    Raises `ConfigurationError`.
    """
    check_backup(file)
    prepare_directory(database.parent)
    with DirectoryLock(database.parent):
        finish_restore(database)
        if database.exists() and not overwrite:
            raise ConfigurationError(
                [f"{database.parent}: already contains a database; --force replaces it and discards its waiting events"]
            )
        # The activity is about other events, and hashed with the key of the replaced database, so that no erasure would
        # find them.
        remove_activity = partial(remove_database, activity) if activity is not None else lambda: None
        return restore(file, database, before_commit=remove_activity)
