"""One process owns a data directory."""

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
