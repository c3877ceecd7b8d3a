"""Who may read the data directory and the key file: their owner alone, or the service does not start."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from tiktok_forwarder.domain.errors import ConfigurationError

_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_MAY_CHANGE: Final = stat.S_IWGRP | stat.S_IWOTH
# What a data directory contains begins with these.
DATA_FILES: Final = ("events.", "activity.", "encryption.key", "admin.sock", "forwarder.lock")
_OTHER_NAMES: Final = ("imports", ".write-", "lost+found")


class LoosePermissions(Struct, frozen=True):
    """A file or directory that other users could use; `mode` is the mode that was found."""

    path: Path
    mode: int
    is_fixed: bool


def restrict_directory(directory: Path) -> Iterator[LoosePermissions]:
    """Take the rights of other users from a data directory, and yield what was found.

    A directory that contains other files too is left to its owner. Raises `ConfigurationError` if others can replace
    files in it.
    """
    mode = _mode(directory)
    if mode & _MAY_CHANGE:
        raise ConfigurationError(
            [f"data_dir: other users can write to {directory} (mode {mode:03o}); run chmod go-w {directory}"]
        )
    if mode & _OF_OTHERS:
        is_ours_alone = all(each.name.startswith((*DATA_FILES, *_OTHER_NAMES)) for each in directory.iterdir())
        yield LoosePermissions(directory, mode, is_ours_alone and _is_restricted(directory, mode))


def restrict_key_file(key_file: Path) -> Iterator[LoosePermissions]:
    """Take the rights of other users from the key file, if there is one, and yield what was found.

    Raises `ConfigurationError` if that is impossible and others can read or change it. Its group may read a key that
    the service does not own: secrets are mounted like that.
    """
    if not key_file.exists():
        return
    mode = _mode(key_file)
    if mode & _OF_OTHERS:
        is_fixed = _is_restricted(key_file, mode)
        if not is_fixed and mode & (_MAY_CHANGE | stat.S_IRWXO):
            raise ConfigurationError(
                [f"{key_file}: other users can read or change the key file (mode {mode:03o}); run chmod 600 {key_file}"]
            )
        yield LoosePermissions(key_file, mode, is_fixed)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _is_restricted(path: Path, mode: int) -> bool:
    """Take the rights of others away; return whether that was possible."""
    try:
        path.chmod(mode & ~_OF_OTHERS)
    except OSError:
        return False
    return True
