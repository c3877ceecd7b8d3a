"""What is put in the place of a database: from which files, in which order, and what happens when that is cut short."""

import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.conformance.rig import T0, event
from tests.unit.store.earlier_version import BEFORE_EXPIRING, BEFORE_KEY_LOG, write_version
from tiktok_forwarder.database.directory_lock import DirectoryLock
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.expiring import ExpiringPut
from tiktok_forwarder.store.queue import Arrivals
from tiktok_forwarder.store.sqlite import backup as sqlite_backup
from tiktok_forwarder.store.sqlite import restore as sqlite_restore
from tiktok_forwarder.store.sqlite.backup import back_up
from tiktok_forwarder.store.sqlite.restore import current_database, finish_restore, restore
from tiktok_forwarder.store.sqlite.store import SqliteStore


async def append(store: SqliteStore, *event_ids: str) -> None:
    await store.append(Arrivals([event(each) for each in event_ids], {}, T0))


async def waiting(database: Path) -> int:
    store = SqliteStore.open(database)
    counts = (await store.counts())["a"]
    await store.close()
    return counts.waiting


def problem_of(work: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as refused:
        work()
    (problem,) = refused.value.problems
    return problem


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


@pytest.fixture
async def database(tmp_path: Path, backup: Path) -> Path:
    """Of a service that was killed with three events, two of them in the log; the backup has the first."""
    running, killed = tmp_path / "running", tmp_path / "data"
    running.mkdir()
    store = SqliteStore.open(running / "events.db")
    await append(store, "e1")
    back_up(running / "events.db", backup)
    await append(store, "e2", "e3")
    shutil.copytree(running, killed)
    await store.close()
    return killed / "events.db"


def test_backup_can_be_made_right_after_a_restore(database: Path, backup: Path, tmp_path: Path) -> None:
    """The restored database has no log before its first start, and nothing is written to read it."""
    restore(backup, database)
    before = database.read_bytes()
    assert back_up(database, tmp_path / "second.db").waiting == 1
    assert database.read_bytes() == before


async def test_restore_ends_every_session(tmp_path: Path) -> None:
    """One that was ended after the backup would be valid again; so would a link that was used."""
    store = SqliteStore.open(tmp_path / "events.db")
    puts = [ExpiringPut("session", "s", b"{}", T0), ExpiringPut("login_link", "l", b"{}", T0)]
    await store.put_expiring(puts, T0)
    back_up(tmp_path / "events.db", tmp_path / "copy.db")
    await store.close()
    restore(tmp_path / "copy.db", tmp_path / "events.db")
    store = SqliteStore.open(tmp_path / "events.db")
    assert await store.list_expiring("session", T0) == await store.list_expiring("login_link", T0) == []
    await store.close()


@pytest.mark.parametrize("schema", [BEFORE_KEY_LOG, BEFORE_EXPIRING])
async def test_backup_of_an_earlier_version_is_restored(tmp_path: Path, schema: int) -> None:
    """It has no sessions to end."""
    write_version(schema, tmp_path / "copy.db", ["e1"])
    restore(tmp_path / "copy.db", tmp_path / "events.db")
    assert await waiting(tmp_path / "events.db") == 1


async def test_restored_file_is_the_database_before_it_is_in_place(
    database: Path, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted restore is finished by the next start; until then, a backup is made of the restored file."""
    with monkeypatch.context() as interrupted:
        interrupted.setattr(sqlite_restore, "finish_restore", lambda _: None)
        restore(backup, database)
    assert database.with_name("events.db-wal").stat().st_size > 0
    assert current_database(database).name == "events.db.restored"
    assert back_up(current_database(database), tmp_path / "second.db").waiting == 1
    assert await waiting(database) == 1
    assert current_database(database) == database
    assert list(database.parent.glob("events.db.*")) == []


async def test_old_log_is_gone_for_good_before_the_new_database_is_in_place(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite would apply it to the new one; a power failure must not bring it back."""
    steps: list[tuple[str, bool, bool]] = []

    def note(name: str) -> None:
        steps.append((name, database.with_name("events.db-wal").exists(), database.read_bytes() == backup.read_bytes()))

    monkeypatch.setattr(sqlite_backup, "sync", lambda path: note(path.name))
    monkeypatch.setattr(sqlite_restore, "sync", lambda path: note(path.name))
    restore(backup, database, lambda: note("before the commit"))
    assert steps == [
        ("before the commit", True, False),
        ("events.db.restored.partial", True, False),
        ("data", True, False),
        ("data", False, False),
        ("data", False, True),
    ]


async def test_restore_that_cannot_be_finished_is_reported(
    database: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both names; once the cause is gone, a start finishes it."""

    def fail(_: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(sqlite_restore, "sync", fail)
        told = f"{database}: cannot be replaced with events.db.restored, the restored database: Input/output error"
        assert problem_of(lambda: restore(backup, database)) == told
        assert problem_of(lambda: finish_restore(database)) == told
        assert problem_of(lambda: SqliteStore.open(database)) == told
    assert await waiting(database) == 1


async def test_leftovers_of_an_interrupted_restore_are_removed(database: Path) -> None:
    """They contain as many events as a database; the second name is that of an earlier version."""
    for name in ("events.db.restored.partial", "events.db.partial"):
        shutil.copy(database, database.with_name(name))
    assert await waiting(database) == 3
    assert list(database.parent.glob("events.db.*")) == []


async def test_database_is_no_backup_of_itself(database: Path, tmp_path: Path) -> None:
    """Without its log it has lost its newest events, under whatever name; a copy of both is made by a backup."""
    linked, copied = tmp_path / "linked.db", tmp_path / "copied.db"
    linked.symlink_to(database)
    for file in (database, linked):
        told = f"{file}: cannot use the backup: it is the database itself"
        assert problem_of(lambda: restore(file, database)) == told  # noqa: B023 - called immediately
    for suffix in ("", "-wal"):
        shutil.copy(f"{database}{suffix}", f"{copied}{suffix}")
    told = f"{copied}: cannot use the backup: copied.db-wal belongs to it; make a copy of both with `backup`"
    assert problem_of(lambda: restore(copied, database)) == told
    assert await waiting(database) == 3


async def test_backup_of_a_stopped_service_needs_no_space_on_its_disk(
    database: Path, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of a log cannot be created on a full disk; a database without a log is read alone, under the lock."""
    assert await waiting(database) == 3
    original, second = sqlite_backup._reader, tmp_path / "second.db"

    def reader(path: Path, *, is_alone: bool) -> apsw.Connection:
        if not is_alone:
            raise apsw.IOError("disk I/O error")
        with pytest.raises(ConfigurationError, match="in use"), DirectoryLock(database.parent):
            pass
        return original(path, is_alone=True)

    monkeypatch.setattr(sqlite_backup, "_reader", reader)
    assert back_up(database, second).waiting == 3
    database.with_name("events.db-wal").touch()
    assert problem_of(lambda: back_up(database, second)) == f"{database}: cannot read the database: disk I/O error"
