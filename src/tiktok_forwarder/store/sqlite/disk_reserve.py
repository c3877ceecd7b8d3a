"""Disk space kept for the time when another program has filled the disk."""

import contextlib
import os
from pathlib import Path
from typing import Final

# What opening a database, its log and the log's index takes up, and the first deliveries.
_START_BYTES: Final = 1024 * 1024


class DiskReserve:
    """Disk space that a file reserves, also while no service runs.

    It is released when the disk is full, so that waiting events can still be delivered, except for a part that only a
    start may use. While it is not held, the disk is too full for new events.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._start_bytes = min(_START_BYTES, size_bytes // 2)
        self._is_held = False
        # An earlier start may have needed more.
        self._cut(size_bytes)

    def take(self) -> bool:
        """Reserve the space, only if as much again is free, so that it is not lost immediately.

        Return whether it is held.
        """
        if not self._is_held and self._free_bytes() >= 2 * self._size_bytes:
            self._is_held = self._allocate(self._size_bytes)
        return self._is_held

    def keep(self) -> None:
        """Reserve what there is room for, up to the whole: the next start may find the disk full."""
        size_bytes = self._size_bytes
        while not self._is_held and size_bytes >= self._start_bytes:
            self._is_held = self._allocate(size_bytes)
            size_bytes //= 2

    def give_up(self) -> bool:
        """Release the reserve, except for a start's part; return whether there was more to release."""
        was_held, self._is_held = self._is_held, False
        return self._cut(self._start_bytes) or was_held

    def give_up_all(self) -> bool:
        """Release the reserve for a start; return whether there was one."""
        self._is_held = False
        return self._cut(0)

    def _free_bytes(self) -> int:
        try:
            space = os.statvfs(self._path.parent)
        except OSError:
            return 0
        return space.f_bavail * space.f_frsize + reserved_bytes(self._path)

    def _allocate(self, size_bytes: int) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, size_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            self.give_up()
            return False
        return True

    def _cut(self, size_bytes: int) -> bool:
        """Shorten the file to this size, an empty one to none; return whether that freed anything."""
        before = reserved_bytes(self._path)
        with contextlib.suppress(OSError):
            if self._path.stat().st_size > size_bytes:
                os.truncate(self._path, size_bytes)
            if self._path.stat().st_size == 0:
                self._path.unlink()
        return reserved_bytes(self._path) < before


def reserved_bytes(path: Path) -> int:
    """Return how much disk space the reserve at this path takes up now, 0 if there is none."""
    with contextlib.suppress(OSError):
        return path.stat().st_blocks * 512
    return 0
