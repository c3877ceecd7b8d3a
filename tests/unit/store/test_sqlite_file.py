"""The default store's file: its limits in numbers, what it refuses and why."""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from tiktok_forwarder.database.file import configure
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.disk_reserve import DiskReserve
from tiktok_forwarder.store.sqlite.file import (
    StoreLimits,
    derived_max_bytes,
    earlier_reserve_bytes,
    is_whole,
    open_reader,
    open_writer,
    store_limits,
)
from tiktok_forwarder.store.sqlite.statements import migrations

GIB = 1_073_741_824
LIMITS = store_limits(100_000_000, 0.2)
REMEDY = "restore a backup, or move the file away to start with an empty store"
DISK_REMEDY = "check the disk of data_dir: free space, write permission, system log"
FULL_REMEDY = "free space on it and start again; waiting events are kept"
LOCK_REMEDY = "stop the program that has it open, and start again"


@dataclass(frozen=True)
class Space:
    """The free space of a file system, in blocks."""

    f_bavail: int
    f_frsize: int = 512
    f_blocks: int = 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A store's file without events."""
    path = tmp_path / "events.db"
    open_writer(path, LIMITS).close()
    return path


@pytest.fixture
def connection(file: Path) -> Iterator[apsw.Connection]:
    with closing(open_writer(file, LIMITS)) as opened:
        yield opened


def refusal(path: Path, limits: StoreLimits = LIMITS) -> str:
    with pytest.raises(ConfigurationError) as refused:
        open_writer(path, limits)
    (problem,) = refused.value.problems
    return problem


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_bytes", "limits", "reserve"),
    [
        (1_048_576, StoreLimits(128, 838_860, 419_430, 16, 131_072), 262_144),
        (100_000_000, StoreLimits(12_207, 80_000_000, 40_000_000, 762, 6_242_304), 12_484_608),
        (10_000_000_000, StoreLimits(1_220_703, 8_000_000_000, 4_000_000_000, 4000, 8_388_608), 41_156_608),
    ],
)
def test_limits_follow_from_the_size(max_bytes: int, limits: StoreLimits, reserve: int) -> None:
    """Events get four fifths, a connection half of that, the log a sixteenth up to 32 MB, a transaction up to 8 MiB."""
    assert store_limits(max_bytes, 0.2) == limits
    assert limits.disk_reserve_bytes == reserve


def test_size_is_four_fifths_of_the_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What file and reserve hold already counts as free; it is 1 MiB at least, on a full disk, and 64 GiB at most."""
    monkeypatch.setattr(os, "statvfs", lambda _: Space(1_000_000))
    assert derived_max_bytes(tmp_path / "events.db") == 409_600_000
    (tmp_path / "events.db").write_bytes(b"x" * 1000)
    assert derived_max_bytes(tmp_path / "events.db") == 409_601_000
    (tmp_path / "events.reserve").write_bytes(b"x" * 8192)
    assert derived_max_bytes(tmp_path / "events.db") == 409_607_553
    monkeypatch.setattr(os, "statvfs", lambda _: Space(0))
    assert derived_max_bytes(tmp_path / "events.db") == 1_048_576
    monkeypatch.setattr(os, "statvfs", lambda _: Space(10**12))
    assert derived_max_bytes(tmp_path / "events.db") == 68_719_476_736


@pytest.mark.parametrize(("disk_blocks", "counted"), [(131_072, 8192), (128, 8192), (127, 8128), (0, 0)])
def test_earlier_reserve_counts_up_to_an_eighth_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk_blocks: int, counted: int
) -> None:
    """What was left on a larger disk must not make a smaller one full for ever."""
    monkeypatch.setattr(os, "statvfs", lambda _: Space(0, f_blocks=disk_blocks))
    assert earlier_reserve_bytes(tmp_path / "events.db") == 0
    (tmp_path / "events.reserve").write_bytes(b"x" * 8192)
    assert earlier_reserve_bytes(tmp_path / "events.db") == counted


def test_writer_bounds_the_file_the_log_and_its_memory(connection: apsw.Connection) -> None:
    """The file keeps to its size, the log is written back early and cut to twice that, and 64 MB are cached."""
    names = ("max_page_count", "wal_autocheckpoint", "journal_size_limit", "cache_size", "temp_store", "application_id")
    assert [connection.pragma(name) for name in names] == [12_207, 762, 12_484_608, -64_000, 2, 1_414_809_175]


def test_reader_cannot_write_and_caches_as_much(file: Path) -> None:
    """A long read beside the writer must not change anything."""
    with closing(open_reader(file)) as reader:
        assert reader.pragma("cache_size") == -64_000
        with pytest.raises(apsw.ReadOnlyError):
            reader.execute("DELETE FROM waiting")


# --- what is refused -------------------------------------------------------------------------------------------------


def test_newer_schema_is_named_with_both_versions(file: Path) -> None:
    """The reader learns that a newer version of the program has used the file."""
    known = len(migrations())
    with closing(apsw.Connection(str(file))) as other:
        other.pragma("user_version", known + 1)
    assert refusal(file) == (
        f"{file}: is from a newer version of tiktok-forwarder (schema {known + 1}; this version knows {known})"
    )


def test_file_of_another_program_is_named_with_a_remedy(tmp_path: Path) -> None:
    """Nothing of it is changed, not even its journal mode."""
    path = tmp_path / "theirs.db"
    with closing(apsw.Connection(str(path))) as other:
        other.execute("CREATE TABLE theirs (x)")
    assert refusal(path) == f"{path}: cannot open the database: it belongs to another program; use another data_dir"
    with closing(apsw.Connection(str(path))) as other:
        assert other.pragma("journal_mode") == "delete"


@pytest.mark.parametrize("database", [None, b""], ids=["missing", "empty"])
@pytest.mark.parametrize(("log", "is_refused"), [(b"", False), (b"x", True)], ids=["empty log", "log"])
def test_missing_or_empty_database_with_a_log_is_refused(
    tmp_path: Path, database: bytes | None, log: bytes, is_refused: bool
) -> None:
    """The log may have the only copy of accepted events; an empty one has none."""
    path = tmp_path / "events.db"
    if database is not None:
        path.write_bytes(database)
    (tmp_path / "events.db-wal").write_bytes(log)
    if is_refused:
        reason = "it is missing or empty, but events.db-wal beside it is not"
        assert refusal(path) == f"{path}: cannot open the database: {reason}; put the database back"
    else:
        open_writer(path, LIMITS).close()


def test_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """With the reason of the system, in one line."""
    path = tmp_path / "missing" / "events.db"
    assert refusal(path) == f"{path}: cannot open the database: No such file or directory"


def test_file_system_without_a_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory cannot be shared, SQLite falls back to another journal in silence, and commits would be slow."""
    monkeypatch.setattr(sqlite_file, "configure", lambda *_, **__: None)
    path = tmp_path / "events.db"
    reason = "its file system cannot share memory, which a write-ahead log needs"
    assert refusal(path) == f"{path}: cannot open the database: {reason}; {DISK_REMEDY}"


@pytest.mark.parametrize(
    ("error", "free_bytes", "told"),
    [
        (apsw.CorruptError("malformed"), 0, f"malformed; {REMEDY}"),
        (apsw.NotADBError("no database"), 10**9, f"no database; {REMEDY}"),
        (apsw.BusyError("database is locked"), 0, f"database is locked; {LOCK_REMEDY}"),
        (apsw.FullError("full"), 10**9, f"the disk is full; {FULL_REMEDY}"),
        (apsw.IOError("disk I/O error"), 524_287, f"the disk is full; {FULL_REMEDY}"),
        (apsw.IOError("disk I/O error"), 524_288, f"disk I/O error; {DISK_REMEDY}"),
        (apsw.CantOpenError("unable to open"), 0, f"the disk is full; {FULL_REMEDY}"),
        (apsw.ReadOnlyError("readonly"), 10**9, f"readonly; {DISK_REMEDY}"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_starting_over_is_advised_for_a_corrupt_database_only(
    file: Path, monkeypatch: pytest.MonkeyPatch, error: apsw.Error, free_bytes: int, told: str
) -> None:
    """While the data are intact, whatever keeps them from being opened is what has to be changed."""

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sqlite_file, "configure", fail)
    monkeypatch.setattr(os, "statvfs", lambda _: Space(free_bytes, 1))
    assert refusal(file) == f"{file}: cannot open the database: {told}"


@pytest.mark.parametrize(
    ("error", "opens"),
    [(apsw.FullError(), True), (apsw.IOError(), True), (apsw.CantOpenError(), True), (apsw.BusyError(), False)],
    ids=lambda value: type(value).__name__,
)
def test_database_is_opened_with_the_reserve_on_a_full_disk(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: apsw.Error, opens: bool
) -> None:
    """It is released as a whole, and only for an error that space may end."""
    reserve = DiskReserve(tmp_path / "events.reserve", 4096)
    assert reserve.take()

    def fail_while_reserved(*arguments: Any, **named: Any) -> None:
        if (tmp_path / "events.reserve").exists():
            raise error
        configure(*arguments, **named)

    monkeypatch.setattr(sqlite_file, "configure", fail_while_reserved)
    if opens:
        open_writer(file, LIMITS, reserve).close()
    else:
        with pytest.raises(ConfigurationError):
            open_writer(file, LIMITS, reserve)
    assert (tmp_path / "events.reserve").exists() != opens


@pytest.mark.parametrize(("version", "is_refused"), [(3_051_002, True), (3_051_003, False)])
def test_sqlite_that_can_corrupt_a_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, is_refused: bool
) -> None:
    """Up to 3.51.2 two checkpoints at the same time can do that; nothing is created before that is checked."""
    path = tmp_path / "events.db"
    monkeypatch.setattr(apsw, "SQLITE_VERSION_NUMBER", version)
    if not is_refused:
        open_writer(path, LIMITS).close()
        return
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    assert refusal(path) == "SQLite 3.51.2 is too old: 3.51.3 or newer is needed"
    assert not path.exists()


@pytest.mark.parametrize(("size", "is_checked"), [(GIB, True), (GIB + 1, False)])
def test_file_up_to_1_gib_is_checked(file: Path, size: int, is_checked: bool) -> None:
    """A larger one would delay the start: a start takes it as it is, and after damage it is not trusted again."""
    with closing(open_reader(file)) as opened:
        os.truncate(file, size)
        assert is_whole(opened) == is_checked
    with file.open("r+b") as content:
        content.seek(8192 * 2)
        content.write(b"\xff" * 8192)
    if is_checked:
        assert refusal(file).endswith(REMEDY)
    else:
        open_writer(file, LIMITS).close()


def test_damaged_or_missing_file_is_not_whole(file: Path, tmp_path: Path) -> None:
    """Whatever goes wrong with the check, the file is not trusted."""
    with closing(open_reader(file)) as opened:
        assert is_whole(opened)
        file.rename(tmp_path / "away.db")
        assert not is_whole(opened)
        (tmp_path / "away.db").rename(file)
        with file.open("r+b") as content:
            content.seek(8192)
            content.write(b"\xff" * 8192 * 3)
        assert not is_whole(opened)
