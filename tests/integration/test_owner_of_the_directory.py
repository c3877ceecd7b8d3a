"""Commands of root on a data directory of another user: refused in one line, unless a service of that user runs."""

import os
import shutil
from pathlib import Path

import pytest

from tests.integration.service_process import command, serving

pytestmark = [pytest.mark.slow, pytest.mark.sqlite_files("a PostgreSQL database is in no one's directory")]

# Of Debian's user `nobody`.
NOBODY = 65534
IS_ROOT = os.geteuid() == 0
COMMANDS = (
    ("serve", "--port", "0"),
    ("status",),
    ("inputs", "add", "--name", "web"),
    ("api-keys", "make", "ops"),
    ("users", "list"),
    ("keys", "rotate"),
    ("restore", "--force", "BACKUP"),
)


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup, beside the directory that it is of."""
    folder = tmp_path_factory.mktemp("made")
    for arguments in (("inputs", "add", "--name", "shop"), ("backup", str(folder / "backup.db"))):
        done = command(*arguments, "--data-dir", str(folder / "data"))
        assert done.returncode == 0, done.stderr
    return folder / "backup.db"


def another_users(data_dir: Path, directory: Path) -> Path:
    """A copy that belongs to another user; for who may not give one away, the directory that is root's own."""
    if not IS_ROOT:
        return Path("~root").expanduser()
    shutil.copytree(data_dir, directory)
    for path in (directory, *directory.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    return directory


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda each: each[0])
def test_command_of_another_user_leaves_nothing_behind(
    arguments: tuple[str, ...], backup: Path, tmp_path: Path
) -> None:
    """It ends with 2, and one line that shows how to run it."""
    directory = another_users(backup.parent / "data", tmp_path / "data")
    owner = directory.owner()
    given = [str(backup) if each == "BACKUP" else each for each in arguments]
    before = sorted(directory.iterdir()) if IS_ROOT else []
    done = command(*given, "--data-dir", str(directory))
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    how = f"run the command as that user: sudo -u {owner} tiktok-forwarder …"
    assert line.endswith(f"data_dir: {directory} belongs to the user {owner}; {how}")
    assert not IS_ROOT or sorted(directory.iterdir()) == before


def test_running_service_answers_root_whoever_owns_the_directory(tmp_path: Path) -> None:
    """Through the service no file becomes root's, so `sudo tiktok-forwarder status` works."""
    directory = tmp_path / "data"
    with serving(directory):
        if IS_ROOT:
            os.chown(directory, NOBODY, NOBODY)
        assert command("status", "--data-dir", str(directory)).returncode == 0
        assert command("inputs", "add", "--name", "web", "--data-dir", str(directory)).returncode == 0
