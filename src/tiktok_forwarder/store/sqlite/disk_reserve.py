"""Disk space kept for the time when another program has filled the disk."""

import contextlib
import os
from pathlib import Path


class DiskReserve:
    """Disk space that a file reserves: released when the disk is full, so that waiting events can still be delivered.

    While it is not held, the disk is too full for new events.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._is_held = False

    def take(self) -> bool:
        """Reserve the space, only if as much again is free, so that it is not lost immediately.

        Return whether it is held.
        """
        if not self._is_held and self._free_bytes() >= 2 * self._size_bytes:
            self._is_held = self._allocate()
        return self._is_held

    def give_up(self) -> bool:
        """Release the reserve; return whether there was one to release."""
        was_held, self._is_held = self._is_held, False
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        return was_held

    def _free_bytes(self) -> int:
        try:
            space = os.statvfs(self._path.parent)
        except OSError:
            return 0
        # Take over a reserve that a killed process left behind.
        with contextlib.suppress(OSError):
            return space.f_bavail * space.f_frsize + self._path.stat().st_blocks * 512
        return space.f_bavail * space.f_frsize

    def _allocate(self) -> bool:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._size_bytes)
            finally:
                os.close(descriptor)
        except OSError:
            self.give_up()
            return False
        return True
