"""Files that are open are told from what is at their paths now."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiktok_forwarder.database.open_files import OpenFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "file").write_text("first")
    return folder


@pytest.fixture
def files(folder: Path) -> Iterator[OpenFiles]:
    opened = OpenFiles([folder, folder / "file"])
    yield opened
    opened.close()


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def standing(files: OpenFiles, file: Path) -> tuple[bool, bool, bool]:
    return files.are_in_place(), files.is_in_place(file), files.is_deleted(file)


def test_file_that_is_written_is_in_place(files: OpenFiles, folder: Path) -> None:
    """Also when it is cut: only its name and its number count."""
    (folder / "file").write_text("")
    (folder / "file").write_text("longer than before")
    assert standing(files, folder / "file") == (True, True, False)


def test_deleted_file_is_told_from_a_moved_one(files: OpenFiles, folder: Path) -> None:
    """A moved file exists elsewhere and may come back; a deleted one does not, even if another has its name."""
    file, moved = folder / "file", folder / "moved"
    file.rename(moved)
    assert standing(files, file) == (False, False, False)
    file.write_text("second")
    assert standing(files, file) == (False, False, False)
    moved.rename(file)
    assert standing(files, file) == (True, True, False)
    file.unlink()
    assert standing(files, file) == (False, False, True)
    file.write_text("third")
    assert standing(files, file) == (False, False, True)


def test_moved_directory_takes_its_files_with_it(files: OpenFiles, folder: Path, tmp_path: Path) -> None:
    """A copy made of the same files in its place is another directory: other processes may lock it."""
    folder.rename(tmp_path / "moved")
    assert standing(files, folder / "file") == (False, False, False)
    folder.mkdir()
    os.link(tmp_path / "moved" / "file", folder / "file")
    assert standing(files, folder / "file") == (False, True, False)
    (folder / "file").unlink()
    folder.rmdir()
    (tmp_path / "moved").rename(folder)
    assert standing(files, folder / "file") == (True, True, False)


def test_missing_file_is_refused_and_leaves_nothing_open(folder: Path) -> None:
    """As many descriptors are open as before."""
    before = open_descriptors()
    with pytest.raises(FileNotFoundError):
        OpenFiles([folder, folder / "missing"])
    assert open_descriptors() == before
    files = OpenFiles([folder, folder / "file"])
    assert open_descriptors() == before + 2
    files.close()
    files.close()
    assert open_descriptors() == before
