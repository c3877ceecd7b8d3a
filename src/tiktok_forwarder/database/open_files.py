"""Whether the files of an open database are still at their paths: a deleted one can be written, and is lost with us."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class _OpenFile(NamedTuple):
    """A file, and a descriptor that keeps it: while it is open, no other file gets its number."""

    name: str
    descriptor: int
    identity: tuple[int, int]


class OpenFiles:
    """The files as they were when this object was created, until `close`.

    A descriptor of the kind O_PATH neither reads nor locks: closing it leaves SQLite's locks in place.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises `OSError` if one of the files does not exist."""
        self._files: list[_OpenFile] = []
        try:
            for path in paths:
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
                self._files.append(_OpenFile(str(path), descriptor, _identity(os.fstat(descriptor))))
        except OSError:
            self.close()
            raise

    def are_in_place(self) -> bool:
        """Return whether each path names the file that is open: one system call a file, since every commit asks."""
        return all(_is_at(file.name, file.identity) for file in self._files)

    def is_in_place(self, path: Path) -> bool:
        """Return whether the path, one of those given, names the file that is open."""
        return any(_is_at(file.name, file.identity) for file in self._files if file.name == str(path))

    def is_deleted(self, path: Path) -> bool:
        """Return whether no path at all names the file that is open."""
        return any(os.fstat(file.descriptor).st_nlink == 0 for file in self._files if file.name == str(path))

    def close(self) -> None:
        files, self._files = self._files, []
        for file in files:
            with contextlib.suppress(OSError):
                os.close(file.descriptor)


def _is_at(name: str, identity: tuple[int, int]) -> bool:
    try:
        return _identity(os.stat(name)) == identity  # noqa: PTH116 - a path object takes as long as the call
    except OSError:
        return False


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
