"""Whether the files of an open database are still at their paths: a deleted one can be written, and is lost with us."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class _OpenFile(NamedTuple):
    """A file, and a descriptor that keeps it: while it is open, no other file gets its number."""

    path: Path
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
                self._files.append(_OpenFile(path, descriptor, _identity(os.fstat(descriptor))))
        except OSError:
            self.close()
            raise

    def are_in_place(self) -> bool:
        """Return whether each path names the file that is open. Takes a few microseconds."""
        return all(self.is_in_place(file.path) for file in self._files)

    def is_in_place(self, path: Path) -> bool:
        """Return whether the path, one of those given, names the file that is open."""
        try:
            found = _identity(path.stat())
        except OSError:
            return False
        return any(file.path == path and file.identity == found for file in self._files)

    def is_deleted(self, path: Path) -> bool:
        """Return whether no path at all names the file that is open."""
        return any(file.path == path and os.fstat(file.descriptor).st_nlink == 0 for file in self._files)

    def close(self) -> None:
        files, self._files = self._files, []
        for file in files:
            with contextlib.suppress(OSError):
                os.close(file.descriptor)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
