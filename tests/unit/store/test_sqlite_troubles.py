"""What the default store says when it cannot do what it is asked to, and how long it stays careful."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from tests.conformance.rig import T0, event
from tiktok_forwarder.database.thread import Change
from tiktok_forwarder.domain.errors import ConfigurationError, ForwarderError, StoreFull, StoreUnavailable
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite import leasing as sqlite_leasing
from tiktok_forwarder.store.sqlite import settling as sqlite_settling
from tiktok_forwarder.store.sqlite import writer as sqlite_writer
from tiktok_forwarder.store.sqlite.statements import run
from tiktok_forwarder.store.sqlite.store import SqliteStore

ALL = DeadLetterFilter()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "events.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(file, max_bytes=2_000_000)
    yield opened
    await opened.close()


async def _message(work: Awaitable[object], kind: type[ForwarderError] = StoreUnavailable) -> str:
    with pytest.raises(kind) as told:
        await work
    return str(told.value)


def _raising(error: Exception) -> Any:
    def change(_: object) -> None:
        raise error

    return change


def _renamed(file: Path, name: str) -> Path:
    return file.rename(file.with_name(name))


def _spoil(file: Path) -> None:
    file.write_text("text" * 999)


async def _busy_timeout(store: SqliteStore) -> int:
    timeout_ms: int = await store._writer.write(lambda change: change.state.connection.pragma("busy_timeout"))
    return timeout_ms


async def test_full_store_says_how_much_it_holds(store: SqliteStore) -> None:
    """The sender's answer names the bytes that events may take, four fifths of the store's size."""
    arrivals = Arrivals([event("e", payload=b"x" * 2_000_000)], {}, T0)
    assert await _message(store.append(arrivals), StoreFull) == "the event store is full: 1600000 bytes are in use"


async def test_error_of_the_database_is_reported_with_its_cause(store: SqliteStore) -> None:
    """A change that has no room is refused as a full store where the caller says so, and as unavailable elsewhere."""
    told = "the event store cannot be written: "
    assert await _message(store._writer.write(_raising(apsw.ConstraintError("odd")))) == f"{told}odd"
    assert await _message(store._writer.write(_raising(apsw.BusyError("held")))) == f"{told}held"
    await store._writer.look(lambda state: state.give_up_disk_reserve())
    full = apsw.FullError("no room")
    assert await _message(store._writer.write(_raising(full))) == f"{told}no room"
    assert await _message(store._writer.submit(Change(_raising(full))), StoreFull) == f"{told}no room"


async def test_lock_is_named_until_the_next_write(store: SqliteStore) -> None:
    """While it is known to be held, a change waits a quarter of a second for it, and five seconds otherwise."""
    assert await _busy_timeout(store) == 5000
    await _message(store._writer.write(_raising(apsw.BusyError("held"))))
    assert store._writer.problem.name == "locked"
    assert await _busy_timeout(store) == 250
    assert store._writer.problem.name == "locked"
    assert await store.append(Arrivals([event("e")], {}, T0)) == ["stored"]
    assert await store.problems() == []
    assert await _busy_timeout(store) == 5000


async def test_change_that_writes_nothing_ends_no_problem(store: SqliteStore) -> None:
    """Only a commit with rows shows that the disk works again; `problems` makes one."""
    await _message(store._writer.write(_raising(apsw.BusyError("held"))))
    await store._writer.write(lambda _: None)
    assert store._writer.problem.name == "locked"
    assert await store.problems() == []


async def _rows_changed(store: SqliteStore) -> int:
    return await store._writer.look(lambda state: state.connection.total_changes())


async def test_store_without_a_problem_is_asked_without_a_write(store: SqliteStore) -> None:
    """A lease and a health check cost no sync; each writes one row while a problem is known."""
    await store.append(Arrivals([event("e1")], {}, T0))
    before = await _rows_changed(store)
    assert await store.lease("a", GroupLimits(), T0, 60) is not None
    assert await store.problems() == []
    assert await _rows_changed(store) == before
    await _message(store._writer.write(_raising(apsw.BusyError("held"))))
    assert await store.lease("a", GroupLimits(), T0, 60) is None
    assert (await _rows_changed(store), store._writer.problem.name) == (before + 1, "")


async def test_lease_that_meets_an_error_passes_no_event_over(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the half-filled group is leased, and the next lease finds all of it again."""
    await store.append(Arrivals([event(each) for each in "123"], {}, T0))
    statements: list[str] = []

    def failing_run(connection: apsw.Connection, name: str, bindings: Any) -> apsw.Cursor:
        statements.append(name)
        if statements.count("due_returned") == 2:
            raise apsw.IOError("unreadable")
        return run(connection, name, bindings)

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_leasing, "run", failing_run)
        assert (
            await _message(store.lease("a", GroupLimits(), T0, 60)) == "the event store cannot be written: unreadable"
        )
    assert "oldest_fresh" in statements
    lease = await store.lease("a", GroupLimits(), T0, 60)
    assert lease is not None and [each.event_id for each in lease.events] == ["1", "2", "3"]


async def test_damaged_store_says_what_to_do(store: SqliteStore) -> None:
    """One sentence, with the steps in their order."""
    await _message(store._writer.write(_raising(apsw.CorruptError("malformed"))))
    store._writer._check_again_at = float("inf")
    assert await _message(store.append(Arrivals([event("e")], {}, T0))) == (
        "the database is damaged: stop the service, keep a copy of its directory, and restore a backup"
    )
    assert await store.problems() == ["damaged"]


async def test_damaged_file_is_checked_every_five_seconds(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check reads all of it; the first comes at once, and the first that finds it sound ends the problem."""
    clock = SimpleNamespace(seconds=100.0, checks=0, is_whole=False)

    def is_whole(_: apsw.Connection) -> bool:
        clock.checks += 1
        return bool(clock.is_whole)

    monkeypatch.setattr(sqlite_writer, "time", SimpleNamespace(monotonic=lambda: clock.seconds))
    monkeypatch.setattr(sqlite_file, "is_whole", is_whole)
    await _message(store._writer.write(_raising(apsw.CorruptError("malformed"))))
    checks = []
    for seconds in (100.0, 104.5, 105.0, 105.5):
        clock.seconds = seconds
        await _message(store.append(Arrivals([event("e")], {}, T0)))
        checks.append(clock.checks)
    assert checks == [1, 1, 2, 2]
    clock.seconds, clock.is_whole = 110.0, True
    assert await store.append(Arrivals([event("e")], {}, T0)) == ["stored"]
    assert await store.append(Arrivals([event("f")], {}, T0)) == ["stored"]
    assert clock.checks == 3


async def test_read_beside_the_writer_reports_its_file(store: SqliteStore, file: Path) -> None:
    """A file that is gone is no damage; one that is no database any more is, until it is found whole."""
    away = _renamed(file, "away.db")
    assert await _message(store.dead_letters(ALL, limit=1)) == f"cannot read {file}: unable to open database file"
    assert store._writer.problem.name == ""
    _spoil(file)
    assert await _message(store.dead_letters(ALL, limit=1)) == f"cannot read {file}: file is not a database"
    assert store._writer.problem.name == "damaged"
    _renamed(away, "events.db")
    assert await store.problems() == []


async def test_erasure_that_a_long_read_holds_up_is_reported(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The events are gone, but their bytes are still in the log: whoever asked must ask again."""
    await store.append(Arrivals([event("e", subjects=(7,))], {}, T0))
    with monkeypatch.context() as patched:
        patched.setattr(sqlite_settling, "truncate_log", lambda _: False)
        assert await _message(store.erase([7], T0)) == (
            "the events are deleted, but a long read still uses their log: erase again"
        )
    assert await store.counts() == {}
    assert await store.erase([7], T0) == 0


async def test_closed_store_is_a_problem_of_its_own(file: Path) -> None:
    """Health checks can tell it from one that waits for a disk."""
    store = SqliteStore.open(file)
    await store.close()
    assert await store.problems() == ["closed"]


def test_store_that_is_too_small_says_how_much_it_needs(file: Path) -> None:
    """In bytes, as the setting is given; a size of exactly that is enough."""
    with pytest.raises(ConfigurationError) as refused:
        SqliteStore.open(file, max_bytes=1_048_575)
    assert refused.value.problems == ("the store may use 1048575 bytes, but needs at least 1048576",)
    asyncio.run(SqliteStore.open(file, max_bytes=1_048_576).close())


async def test_long_read_holds_up_no_change(store: SqliteStore) -> None:
    """It has a thread and a connection of its own."""
    is_reading, may_end = threading.Event(), threading.Event()

    def read(_: apsw.Connection) -> str:
        is_reading.set()
        may_end.wait(10)
        return "read"

    reading = asyncio.create_task(store._read_beside(read))
    await asyncio.to_thread(is_reading.wait, 10)
    assert await store.append(Arrivals([event("e")], {}, T0)) == ["stored"]
    may_end.set()
    assert await reading == "read"
