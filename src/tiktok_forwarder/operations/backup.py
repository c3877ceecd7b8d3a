"""Backs up the database of a data directory, and restores it."""

import os
from functools import partial
from pathlib import Path

from tiktok_forwarder.database.directory_lock import DirectoryLock, prepare_directory
from tiktok_forwarder.database.owner import require_access
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.sqlite.backup import Backup, back_up, check_backup
from tiktok_forwarder.store.sqlite.restore import current_database, finish_restore, remove_database, restore


def back_up_to(file: Path, database: Path, *, overwrite: bool) -> Backup:
    """Make a checked copy of the database, also while a service uses it; without the key.

    Raises `ConfigurationError`.
    """
    require_access(database.parent)
    if os.path.lexists(file) and not overwrite:
        raise ConfigurationError([f"{file}: already exists; choose another name, or pass --force"])
    return back_up(current_database(database), file)


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
