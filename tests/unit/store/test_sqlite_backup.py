"""Backups: whole while the store is written, refused when damaged, and put back without a trace of what was there."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.conformance.rig import T0, event
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.queue import Arrivals
from tiktok_forwarder.store.sqlite import backup as sqlite_backup
from tiktok_forwarder.store.sqlite.backup import Backup, back_up, check_backup
from tiktok_forwarder.store.sqlite.restore import remove_database, restore
from tiktok_forwarder.store.sqlite.statements import migrations
from tiktok_forwarder.store.sqlite.store import SqliteStore


async def append(store: SqliteStore, *event_ids: str) -> None:
    await store.append(Arrivals([event(each) for each in event_ids], {}, T0))


def names(folder: Path, part: str) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if part in each.name)


def mode_of(file: Path) -> int:
    return file.stat().st_mode & 0o777


async def test_a_backup_holds_what_was_committed_while_the_store_is_written(tmp_path: Path) -> None:
    """Its books balance, whatever was on its way; it stands alone, for its owner, and opens as a store."""
    database = tmp_path / "events.db"
    store = SqliteStore.open(database)
    await append(store, "before")
    ended = asyncio.Event()

    async def keep_writing() -> int:
        number = 0
        while not ended.is_set():
            await append(store, f"e{number}")
            number += 1
        return number

    writing = asyncio.create_task(keep_writing())
    backups = [await asyncio.to_thread(back_up, database, tmp_path / f"copy{n}.db") for n in range(5)]
    ended.set()
    written = await writing
    assert written > 5
    await store.close()
    assert 1 <= backups[0].waiting <= backups[-1].waiting <= written + 1
    assert names(tmp_path, "copy") == [f"copy{n}.db" for n in range(5)]
    for backup in backups:
        file = Path(backup.file)
        assert mode_of(file) == 0o600
        opened = SqliteStore.open(file)
        totals = {row.counter: row.count for row in await opened.totals()}
        assert totals["accepted"] == backup.waiting == (await opened.counts())["a"].waiting
        await opened.close()


async def test_a_backup_comes_back_as_it_was(tmp_path: Path) -> None:
    """Also over a database whose log was left behind: nothing of that one remains."""
    database, file = tmp_path / "events.db", tmp_path / "copy.db"
    store = SqliteStore.open(database)
    await append(store, "kept")
    back_up(database, file)
    await append(store, "later")
    later = {each: (tmp_path / each).read_bytes() for each in ("events.db", "events.db-wal")}
    await store.close()
    for name, content in later.items():
        (tmp_path / name).write_bytes(content)
    assert restore(file, database).waiting == 1
    store = SqliteStore.open(database)
    assert (await store.counts())["a"].waiting == 1
    await store.close()


def foreign(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE t (a)")


def newer(file: Path) -> None:
    with closing(apsw.Connection(str(file))) as connection:
        connection.pragma("user_version", 999)


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-3000:] = b"\xff" * 3000
    content[8192:9000] = b"\xff" * 808
    file.write_bytes(content)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


@pytest.mark.parametrize(
    "spoil", [foreign, newer, damaged, cut, Path.unlink, lambda file: file.write_bytes(b"text" * 99)]
)
async def test_what_is_no_whole_backup_is_refused(spoil: object, tmp_path: Path) -> None:
    """In one sentence, and the database that is there stays as it was."""
    database, file = tmp_path / "events.db", tmp_path / "copy.db"
    store = SqliteStore.open(database)
    await append(store, *(f"e{n}" for n in range(200)))
    await store.close()
    back_up(database, file)
    before = database.read_bytes()
    if spoil is foreign:
        file.unlink()
    assert callable(spoil)
    spoil(file)
    with pytest.raises(ConfigurationError, match=r"copy\.db: cannot use the backup"):
        check_backup(file)
    with pytest.raises(ConfigurationError):
        restore(file, database)
    assert database.read_bytes() == before
    assert names(tmp_path, "partial") == []


def test_a_backup_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    """Nothing to copy, or nowhere to copy it to: told with the file's name."""
    with pytest.raises(ConfigurationError, match="no database"):
        back_up(tmp_path / "events.db", tmp_path / "copy.db")
    asyncio.run(SqliteStore.open(tmp_path / "events.db").close())
    with pytest.raises(ConfigurationError, match=r"nowhere.*cannot write"):
        back_up(tmp_path / "events.db", tmp_path / "nowhere" / "copy.db")
    assert not list(tmp_path.glob("*copy*"))


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """A store's file with two waiting events."""
    path = tmp_path / "events.db"
    store = SqliteStore.open(path)
    await append(store, "e1", "e2")
    await store.close()
    return path


def problem_of(work: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        work()
    (problem,) = refused.value.problems
    return problem


def test_backup_and_restore_say_what_they_wrote(database: Path, tmp_path: Path) -> None:
    """Each names the file that it wrote, with its size, schema and events, and leaves nothing else beside it."""
    file = tmp_path / "copy.db"
    (tmp_path / "copy.db.partial").write_bytes(b"\0" * 9000)  # left by a process that was killed
    assert back_up(database, file) == Backup(str(file), file.stat().st_size, len(migrations()), 2, 0)
    assert restore(file, database) == Backup(str(database), file.stat().st_size, len(migrations()), 2, 0)
    assert (mode_of(file), mode_of(database)) == (0o600, 0o600)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "events.db", "events.reserve"]


def test_backup_is_on_the_disk_before_it_replaces_another(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First the file's bytes, then its name: a power failure leaves the old backup or the new one."""
    file = tmp_path / "copy.db"
    synced: list[tuple[Path, bool]] = []
    monkeypatch.setattr(sqlite_backup, "sync", lambda path: synced.append((path, file.exists())))
    back_up(database, file)
    assert synced == [(tmp_path / "copy.db.partial", False), (tmp_path, True)]


def test_file_that_is_no_backup_is_refused_with_the_reason(database: Path, tmp_path: Path) -> None:
    """One line names the file and what is wrong with it."""
    file, known = tmp_path / "copy.db", len(migrations())
    foreign(file)
    refused = f"{file}: cannot use the backup"
    assert problem_of(lambda: check_backup(file)) == f"{refused}: it is not a backup of tiktok-forwarder"
    file.unlink()
    for schema in (0, known + 1):
        back_up(database, file)
        with closing(apsw.Connection(str(file))) as connection:
            connection.pragma("user_version", schema)
        reason = f"its schema {schema} is from another version; this version knows {known}"
        assert problem_of(lambda: check_backup(file)) == f"{refused}: {reason}"
    back_up(database, file)
    damaged(file)
    assert problem_of(lambda: check_backup(file)).startswith(f"{refused}: ")
    file.write_text("text" * 99)
    assert problem_of(lambda: check_backup(file)) == f"{refused}: file is not a database"


def test_backup_of_an_older_schema_can_be_restored(database: Path, tmp_path: Path) -> None:
    """The next start migrates it."""
    file = tmp_path / "copy.db"
    back_up(database, file)
    with closing(apsw.Connection(str(file))) as connection:
        connection.pragma("user_version", 1)
    assert check_backup(file).schema == 1


def test_trouble_with_files_is_told_in_one_line(database: Path, tmp_path: Path) -> None:
    """Each message names the file that is the trouble."""
    missing, nowhere = tmp_path / "missing.db", tmp_path / "nowhere" / "copy.db"
    assert problem_of(lambda: back_up(missing, nowhere)) == f"{missing}: no database to back up"
    partial = f"{nowhere}.partial"
    assert problem_of(lambda: back_up(database, nowhere)) == (
        f"{nowhere}: cannot write: [Errno 2] No such file or directory: '{partial}'"
    )
    text = tmp_path / "text.db"
    text.write_text("text" * 999)
    assert problem_of(lambda: back_up(text, tmp_path / "copy.db")) == (
        f"{text}: cannot read the database: file is not a database"
    )


def test_backup_that_finds_no_room_leaves_nothing(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own errors are told as those of the system are, and the older backup stays."""

    def fail(_: Path) -> None:
        raise apsw.FullError("database or disk is full")

    file = tmp_path / "copy.db"
    back_up(database, file)
    before = file.read_bytes()
    monkeypatch.setattr(sqlite_backup, "check_backup", fail)
    assert problem_of(lambda: back_up(database, file)) == f"{file}: cannot write: database or disk is full"
    assert (file.read_bytes(), names(tmp_path, "partial")) == (before, [])


def test_database_is_removed_with_its_log(database: Path, tmp_path: Path) -> None:
    """Where there is none, nothing happens; a folder in its place is named."""
    for suffix in ("-wal", "-shm"):
        (tmp_path / f"events.db{suffix}").write_bytes(b"x")
    remove_database(database)
    assert names(tmp_path, "events.db") == []
    remove_database(database)
    database.mkdir()
    assert problem_of(lambda: remove_database(database)) == f"{database}: cannot remove: Is a directory"


# --- what a backup may replace ---------------------------------------------------------------------------------------


async def test_backup_replaces_a_backup_only(database: Path, tmp_path: Path) -> None:
    """With any other file, what the file is for would be lost; links and devices are no files of ours."""
    outside = tmp_path / "outside"
    outside.mkdir()
    file = outside / "copy.db"
    refused = f"{file}: is not a backup of tiktok-forwarder; choose another name"
    back_up(database, file)
    assert back_up(database, file).waiting == 2
    makers: list[Callable[[], object]] = [
        lambda: file.write_text("a key, or anything else"),
        file.touch,
        lambda: foreign(file),
        file.mkdir,
        lambda: file.symlink_to(outside / "other.db"),
        lambda: file.symlink_to(outside / "nowhere"),
        lambda: os.mkfifo(file),
        lambda: os.link(database, file),
    ]
    back_up(database, outside / "other.db")
    for make in makers:
        file.rmdir() if file.is_dir() else file.unlink()
        make()
        before = file.lstat()
        assert problem_of(lambda: back_up(database, file)) == refused
        assert (file.lstat().st_ino, file.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_backup_does_not_replace_a_database_in_use(database: Path, tmp_path: Path) -> None:
    """Also that of another directory: with or without its log, it has another form than a backup."""
    other = tmp_path / "other"
    other.mkdir()
    store = SqliteStore.open(other / "events.db")
    await append(store, "theirs")
    refused = f"{other / 'events.db'}: is not a backup of tiktok-forwarder; choose another name"
    assert problem_of(lambda: back_up(database, other / "events.db")) == refused
    assert (await store.counts())["a"].waiting == 1
    await store.close()
    assert problem_of(lambda: back_up(database, other / "events.db")) == refused


@pytest.mark.parametrize(
    "name",
    [
        "events.db",
        "events.db-wal",
        "events.db.restored",
        "events.reserve",
        "activity.db",
        "encryption.key.next",
        "admin.sock",
    ],
)
def test_backup_takes_no_name_of_the_data_directory(database: Path, tmp_path: Path, name: str) -> None:
    """Each has a meaning there, also where there is no such file yet; elsewhere it has none."""
    (tmp_path / "link").symlink_to(tmp_path)
    for file in (tmp_path / name, tmp_path / "link" / name):
        before = database.read_bytes()
        with pytest.raises(ConfigurationError, match=f"{name}: is a name that the service uses itself"):
            back_up(database, file)
        assert (database.read_bytes(), names(tmp_path, "partial")) == (before, [])
    (tmp_path / "backups").mkdir()
    assert back_up(database, tmp_path / "backups" / name).waiting == 2


def test_leftover_of_an_interrupted_backup_is_replaced_and_nothing_else(database: Path, tmp_path: Path) -> None:
    """Its first page is written last; a journal of it would be applied to the next one of its name."""
    folder = tmp_path / "backups"
    folder.mkdir()
    file, partial = folder / "copy.db", folder / "copy.db.partial"
    back_up(database, file)
    for content in (b"", b"\0" * 9000, file.read_bytes(), file.read_bytes()[:5000]):
        partial.write_bytes(content)
        partial.with_name("copy.db.partial-journal").write_bytes(b"left")
        assert back_up(database, file).waiting == 2
        assert names(folder, "copy") == ["copy.db"]
    for other in (b"mine", b"SQLite format 3\0" + b"x" * 100):
        partial.write_bytes(other)
        told = f"{partial}: is not a partial backup; move it away, or choose another name"
        assert problem_of(lambda: back_up(database, file)) == told
        assert partial.read_bytes() == other
