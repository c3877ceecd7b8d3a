"""One process owns a data directory."""

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tiktok_forwarder.database.directory_lock import DirectoryLock
from tiktok_forwarder.domain.errors import ConfigurationError

_HOLDING = """
import sys, time
from pathlib import Path
from tiktok_forwarder.database.directory_lock import DirectoryLock
with DirectoryLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_owner_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """It names the directory; when the first has ended, the second may have it."""
    with DirectoryLock(tmp_path), pytest.raises(ConfigurationError) as refusal, DirectoryLock(tmp_path):
        pass
    assert refusal.value.problems == (
        f"data_dir: {tmp_path} is in use by another process; stop it, or use another directory",
    )
    with DirectoryLock(tmp_path):
        pass


def test_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """Rather than made."""
    with pytest.raises(ConfigurationError, match=r"cannot lock .*: No such file"), DirectoryLock(tmp_path / "none"):
        pass


def test_lock_holds_without_its_file(tmp_path: Path) -> None:
    """People delete lock files: the directory is locked all the same, also for whoever makes a new file."""
    with DirectoryLock(tmp_path):
        (tmp_path / "forwarder.lock").unlink()
        with pytest.raises(ConfigurationError, match="in use by another process"), DirectoryLock(tmp_path):
            pass


@pytest.mark.parametrize("name", ["", "forwarder.lock"])
def test_directory_and_file_are_locked_both(name: str, tmp_path: Path) -> None:
    """A program of version 0.1 locks the file alone; each sees the other."""
    (tmp_path / "forwarder.lock").touch()
    descriptor = os.open(tmp_path / name, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(ConfigurationError, match="in use by another process"), DirectoryLock(tmp_path):
            pass
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        with DirectoryLock(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(descriptor)


def test_lock_goes_with_its_directory(tmp_path: Path) -> None:
    """A directory that was moved is still in use, under its new name; the one made in its place is not."""
    first, moved = tmp_path / "data", tmp_path / "moved"
    first.mkdir()
    with DirectoryLock(first):
        first.rename(moved)
        with pytest.raises(ConfigurationError, match=f"{moved} is in use"), DirectoryLock(moved):
            pass
        first.mkdir()
        with DirectoryLock(first):
            pass


def test_directory_replaced_while_it_is_locked_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock would be on a directory that no one uses; nothing stays locked, so that a second try can succeed."""
    data, original = tmp_path / "data", fcntl.flock
    data.mkdir()

    def replace_first(descriptor: int, operation: int) -> None:
        if not (tmp_path / "moved").exists():
            data.rename(tmp_path / "moved")
            data.mkdir()
        original(descriptor, operation)

    with monkeypatch.context() as replacing:
        replacing.setattr(fcntl, "flock", replace_first)
        with (
            pytest.raises(ConfigurationError, match=f"{data} was replaced just now; repeat the command"),
            DirectoryLock(data),
        ):
            pass
    for directory in (data, tmp_path / "moved"):
        with DirectoryLock(directory):
            pass


@pytest.mark.slow
def test_a_killed_owner_leaves_no_lock(tmp_path: Path) -> None:
    """The lock file stays, the lock does not."""
    with subprocess.Popen([sys.executable, "-c", _HOLDING, str(tmp_path)], stdout=subprocess.PIPE) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == b"held\n"
        with pytest.raises(ConfigurationError), DirectoryLock(tmp_path):
            pass
        holding.send_signal(signal.SIGKILL)
        holding.wait()
    with DirectoryLock(tmp_path):
        assert (tmp_path / "forwarder.lock").exists()
