"""Data directories of other users: who may use them, and what the others are told."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tiktok_forwarder.database.owner import require_access, require_owner
from tiktok_forwarder.domain.errors import ConfigurationError

IS_ROOT = os.geteuid() == 0
# Debian's users `nobody` and one that no machine has.
NOBODY = 65534
UNKNOWN = 1_234_567
# Of another user, and closed, if root does not run these tests.
HOME_OF_ROOT = Path("~root").expanduser()


def problem_of(check: Callable[[Path], None], directory: Path) -> str:
    """Return what the check reports; empty if it accepts the directory."""
    try:
        check(directory)
    except ConfigurationError as error:
        (problem,) = error.problems
        return problem
    return ""


def problem_for(user_id: int, check: Callable[[Path], None], directory: Path) -> str:
    """Return what the check reports to another user, in a process of that user."""
    reading, writing = os.pipe()
    process_id = os.fork()
    if process_id == 0:
        try:
            os.setgroups([])
            os.setresuid(user_id, user_id, user_id)
            os.write(writing, problem_of(check, directory).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(process_id, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def another_users(folder: Path, user_id: int) -> Path:
    """A directory of that user; for who may not give one away, root's."""
    if not IS_ROOT:
        return HOME_OF_ROOT
    folder.chmod(0o700)
    os.chown(folder, user_id, user_id)
    return folder


@pytest.mark.parametrize("check", [require_access, require_owner])
def test_own_directory_and_one_that_is_missing_are_accepted(check: Callable[[Path], None], tmp_path: Path) -> None:
    """Whoever the user is: in a container it may be root."""
    for directory in (tmp_path, tmp_path / "missing", tmp_path / "missing" / "too"):
        assert problem_of(check, directory) == ""


def test_another_users_directory_is_refused_with_its_owner(tmp_path: Path) -> None:
    """The owner could not use root's files, and root is told how to run the command."""
    directory = another_users(tmp_path, NOBODY)
    owner = directory.owner()
    assert problem_of(require_owner, directory) == (
        f"data_dir: {directory} belongs to the user {owner}; run the command as that user: "
        f"sudo -u {owner} tiktok-forwarder …"
    )
    assert (problem_of(require_access, directory) == "") == IS_ROOT


def test_owner_without_a_name_is_named_by_number(tmp_path: Path) -> None:
    """Such as the user of a container, whose volume is opened from outside; quoted as sudo and a shell need it."""
    directory = another_users(tmp_path, UNKNOWN)
    expected = f"sudo -u '#{UNKNOWN}' tiktok-forwarder" if IS_ROOT else "sudo -u root tiktok-forwarder"
    assert expected in problem_of(require_owner, directory)


def test_user_without_access_is_told_whose_the_directory_is(tmp_path: Path) -> None:
    """One who may not enter a directory above learns that instead."""
    if not IS_ROOT:
        assert "belongs to the user root" in problem_of(require_access, HOME_OF_ROOT)
        inside = HOME_OF_ROOT / "data"
        assert problem_of(require_access, inside) == f"data_dir: cannot reach {inside}: Permission denied"
        return
    directory = tmp_path / "data"
    directory.mkdir(0o700)
    out_of_reach = problem_for(NOBODY, require_access, directory)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and parent.stat().st_mode & 0o077 == 0:
            assert out_of_reach == f"data_dir: cannot reach {directory}: Permission denied"
            return
    assert "belongs to the user root" in out_of_reach
