"""Disk space that a file keeps free: given up when the disk is full, so that what waits can still be delivered."""

import os
from contextlib import suppress
from pathlib import Path


class DiskReserve:
    """While it is not held, the disk is too full for new events."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes
        self._is_held = False

    def take(self) -> bool:
        """Whether it is held now. It is taken only where as much again is left, so that it is not lost at once."""
        if not self._is_held and self._free_bytes() >= 2 * self._size_bytes:
            self._is_held = self._allocate()
        return self._is_held

    def give_up(self) -> bool:
        """Whether there was anything to give up."""
        was_held, self._is_held = self._is_held, False
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        return was_held

    def _free_bytes(self) -> int:
        try:
            space = os.statvfs(self._path.parent)
        except OSError:
            return 0
        # A reserve that a killed process left behind is taken over.
        with suppress(OSError):
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
