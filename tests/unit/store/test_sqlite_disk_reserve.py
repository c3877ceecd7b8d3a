"""The disk space that the default store reserves: when it is taken, and when it is given up."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tiktok_forwarder.store.sqlite.disk_reserve import DiskReserve, reserved_bytes


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


def test_start_has_a_part_of_the_reserve_for_itself(tmp_path: Path) -> None:
    """A service that was killed on a full disk had released all but that; nothing else lets the database be opened."""
    path = tmp_path / "events.reserve"
    reserve = DiskReserve(path, 4 * 1024 * 1024)
    assert reserve.take() and reserve.give_up()
    assert (path.stat().st_size, reserve.give_up()) == (1024 * 1024, False)
    assert reserve.give_up_all() and not path.exists() and not reserve.give_up_all()
    small = DiskReserve(path, 8192)
    assert small.take() and small.give_up()
    assert path.stat().st_size == 4096


@pytest.mark.parametrize(
    ("room_bytes", "kept"),
    [(4_194_304, 4_194_304), (4_194_303, 2_097_152), (1_048_576, 1_048_576), (1_048_575, 0)],
)
def test_as_much_is_kept_at_the_end_as_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: int, kept: int
) -> None:
    """The next start may find the disk full: halves are better than nothing, down to what a start needs."""
    original = os.posix_fallocate

    def allocate(descriptor: int, offset: int, size_bytes: int) -> None:
        if size_bytes > room_bytes:
            raise OSError(28, "No space left on device")
        original(descriptor, offset, size_bytes)

    monkeypatch.setattr(os, "posix_fallocate", allocate)
    monkeypatch.setattr(os, "statvfs", lambda _: Space(0))
    reserve = DiskReserve(tmp_path / "events.reserve", 4 * 1024 * 1024)
    assert not reserve.take()
    reserve.keep()
    assert reserved_bytes(tmp_path / "events.reserve") == kept


def test_larger_reserve_of_an_earlier_start_is_cut(tmp_path: Path) -> None:
    """The directory may have come from a larger disk, or the store may have been larger."""
    path = tmp_path / "events.reserve"
    path.write_bytes(b"x" * 40_000)
    assert DiskReserve(path, 8192).take()
    assert path.stat().st_size == 8192
