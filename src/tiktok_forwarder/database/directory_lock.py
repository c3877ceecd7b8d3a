"""The lock of a data directory: an operating-system lock on a file, released when the process that owns it ends."""

import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tiktok_forwarder.domain.errors import ConfigurationError

LOCK_FILE: Final = "forwarder.lock"


def prepare_directory(directory: Path) -> None:
    """Create the directory if it is missing. Raises `ConfigurationError` unless it can be written."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = directory / f".write-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError([f"data_dir: cannot write to {directory}: {error.strerror}"]) from None


class DirectoryLock:
    """The directory's lock, held inside a `with` block. The file is not deleted; only the lock on it has a meaning."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises `ConfigurationError` if another process holds it, or the directory cannot be written.
        """
        try:
            descriptor = os.open(self._directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError([f"data_dir: cannot lock {self._directory}: {error.strerror}"]) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise ConfigurationError(
                [f"data_dir: {self._directory} is in use by another process; stop it, or use another directory"]
            ) from None
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
