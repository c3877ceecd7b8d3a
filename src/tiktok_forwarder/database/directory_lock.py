"""The lock of a data directory: an operating-system lock on the directory itself, released when its owner ends."""

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tiktok_forwarder.database.owner import require_owner
from tiktok_forwarder.domain.errors import ConfigurationError

LOCK_FILE: Final = "forwarder.lock"


def prepare_directory(directory: Path) -> None:
    """Create the directory if it is missing. Raises `ConfigurationError` unless this user's files may be in it."""
    require_owner(directory)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = directory / f".write-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError([f"data_dir: cannot write to {directory}: {error.strerror}"]) from None


class DirectoryLock:
    """The directory's lock, held inside a `with` block.

    It is on the directory, which cannot be deleted while the service uses it. Version 0.1 locks a file in it: that file
    is locked too, until version 1.0, so that an older program sees a newer one and the other way round.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Take the lock.

        Raises `ConfigurationError` if another process holds it, or the directory is another user's.
        """
        require_owner(self._directory)
        with contextlib.ExitStack() as taken:
            directory = self._locked(self._directory, os.O_RDONLY | os.O_DIRECTORY, taken)
            self._locked(self._directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, taken)
            if not _is_at(self._directory, directory):
                # It was replaced after it had been opened: the lock would be on a directory that no one uses.
                raise ConfigurationError([f"data_dir: {self._directory} was replaced just now; repeat the command"])
            self._held = taken.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def _locked(self, path: Path, flags: int, taken: contextlib.ExitStack) -> int:
        """Return the descriptor of what is locked; `taken` closes it, which releases the lock."""
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
            taken.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                [f"data_dir: {self._directory} is in use by another process; stop it, or use another directory"]
            ) from None
        except OSError as error:
            raise ConfigurationError([f"data_dir: cannot lock {self._directory}: {error.strerror}"]) from None
        return descriptor


def _is_at(directory: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(directory.stat(), os.fstat(descriptor))
    except OSError:
        return False
