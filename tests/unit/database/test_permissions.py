"""Directories and key files that other users may use: what is fixed, what is refused, and what is only reported."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tiktok_forwarder.database.permissions import LoosePermissions, restrict_directory, restrict_key_file
from tiktok_forwarder.domain.errors import ConfigurationError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(0o700)
    return folder


@pytest.fixture
def key_file(folder: Path) -> Path:
    file = folder / "encryption.key"
    file.touch(0o600)
    return file


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def problem_of(found: Iterable[LoosePermissions]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        list(found)
    (problem,) = refused.value.problems
    return problem


def not_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", fail)


@pytest.mark.parametrize("name", ["", "events.db", "events.db.restored", "activity.db-wal", "encryption.key.next"])
@pytest.mark.parametrize(("mode", "fixed"), [(0o755, 0o700), (0o750, 0o700), (0o701, 0o700)])
def test_directory_that_others_can_read_is_closed_to_them(folder: Path, name: str, mode: int, fixed: int) -> None:
    """If nothing but the service's files is in it, or nothing yet; the message says what it was."""
    if name:
        (folder / name).touch()
    folder.chmod(mode)
    assert list(restrict_directory(folder)) == [LoosePermissions(folder, mode, is_fixed=True)]
    assert mode_of(folder) == fixed
    assert list(restrict_directory(folder)) == []


def test_directory_with_other_files_is_left_to_its_owner(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's program may have to read them; nor can it be closed by a process that does not own it."""
    (folder / "index.html").touch()
    folder.chmod(0o755)
    assert list(restrict_directory(folder)) == [LoosePermissions(folder, 0o755, is_fixed=False)]
    (folder / "index.html").unlink()
    with monkeypatch.context() as others:
        not_the_owner(others)
        assert list(restrict_directory(folder)) == [LoosePermissions(folder, 0o755, is_fixed=False)]
    assert mode_of(folder) == 0o755


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_directory_that_others_can_write_is_refused(folder: Path, mode: int) -> None:
    """They could put files of their own in the place of the database or the key; /tmp is not changed."""
    folder.chmod(mode)
    told = f"data_dir: other users can write to {folder} (mode {mode:03o}); run chmod go-w {folder}"
    assert problem_of(restrict_directory(folder)) == told
    assert mode_of(folder) == mode


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o666, 0o777])
def test_key_file_that_others_can_use_is_closed_to_them(key_file: Path, mode: int) -> None:
    """The owner's rights stay; what is closed already is not reported."""
    key_file.chmod(mode)
    assert list(restrict_key_file(key_file)) == [LoosePermissions(key_file, mode, is_fixed=True)]
    assert mode_of(key_file) == mode & 0o700
    assert list(restrict_key_file(key_file)) == []


@pytest.mark.parametrize(
    ("mode", "is_refused"), [(0o440, False), (0o450, False), (0o460, True), (0o404, True), (0o402, True), (0o401, True)]
)
def test_key_file_of_another_owner_may_be_read_by_the_group_only(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_refused: bool
) -> None:
    """Containers mount secrets like that; anything looser is a reason not to start."""
    key_file.chmod(mode)
    not_the_owner(monkeypatch)
    if is_refused:
        told = f"{key_file}: other users can read or change the key file (mode {mode:03o}); run chmod 600 {key_file}"
        assert problem_of(restrict_key_file(key_file)) == told
    else:
        assert list(restrict_key_file(key_file)) == [LoosePermissions(key_file, mode, is_fixed=False)]


def test_key_file_that_is_missing_is_nothing_to_report(folder: Path) -> None:
    """It may come from the environment, or be made by the first start."""
    assert list(restrict_key_file(folder / "none")) == []
