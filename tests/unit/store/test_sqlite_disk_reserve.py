"""The disk space that the default store reserves: when it is taken, and when it is given up."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tiktok_forwarder.store.sqlite.disk_reserve import DiskReserve


@dataclass(frozen=True)
class Space:
    """The free space of a file system, in blocks."""

    f_bavail: int
    f_frsize: int = 512


@pytest.mark.parametrize(("blocks", "is_taken"), [(8, True), (7, False)])
def test_reserve_leaves_as_much_again_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int, is_taken: bool
) -> None:
    """Otherwise the next write of another program would have it given up again."""
    reserve = DiskReserve(tmp_path / "events.reserve", 2048)
    monkeypatch.setattr(os, "statvfs", lambda _: Space(blocks))
    assert reserve.take() == is_taken
    assert (tmp_path / "events.reserve").exists() == is_taken


def test_reserve_is_space_on_the_disk_for_its_owner_alone(tmp_path: Path) -> None:
    """A file with a hole would reserve nothing."""
    path = tmp_path / "events.reserve"
    reserve = DiskReserve(path, 100_000)
    assert reserve.take() and reserve.take()
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (100_000, 0o600)
    assert path.stat().st_blocks * 512 >= 100_000


def test_reserve_keeps_no_file_open(tmp_path: Path) -> None:
    """It comes and goes for months on a disk that is nearly full."""
    reserve = DiskReserve(tmp_path / "events.reserve", 2048)
    descriptors = Path("/proc/self/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(20):
        assert reserve.take() and reserve.give_up()
    assert len(list(descriptors.iterdir())) < before + 20


def test_reserve_is_given_up_once(tmp_path: Path) -> None:
    """The answer says whether that made any room; a file that is gone is no trouble."""
    path = tmp_path / "events.reserve"
    reserve = DiskReserve(path, 2048)
    assert not reserve.give_up()
    assert reserve.take()
    path.unlink()
    assert reserve.give_up() and not reserve.give_up()
    assert reserve.take() and path.exists()


def test_reserve_of_a_killed_process_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks count as free: a store that crashed on a full disk starts again as it was."""
    path = tmp_path / "events.reserve"
    path.write_bytes(b"x" * 4096)
    blocks = path.stat().st_blocks
    monkeypatch.setattr(os, "statvfs", lambda _: Space(16 - blocks))
    assert DiskReserve(path, 4096).take()
    monkeypatch.setattr(os, "statvfs", lambda _: Space(15 - blocks))
    assert not DiskReserve(path, 4096).take()


def test_disk_that_cannot_be_asked_has_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system may be gone; the store is full then, and says so."""

    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", fail)
    assert not DiskReserve(tmp_path / "events.reserve", 2048).take()


def test_reserve_that_does_not_fit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk may fill up in between."""

    def fail(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    reserve = DiskReserve(tmp_path / "events.reserve", 2048)
    assert not reserve.take()
    assert list(tmp_path.iterdir()) == []
