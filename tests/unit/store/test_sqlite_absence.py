"""A database that is no longer at its path takes nothing, delivers what it holds, and goes on once it is back."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.conformance.rig import T0, event
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.sqlite.transaction import Transaction

ALL = DeadLetterFilter()
REFUSED = "the event store cannot be written: its files are no longer in the data directory"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "events.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqliteStore]:
    """With two waiting events."""
    opened = SqliteStore.open(file, max_bytes=2_000_000)
    await append(opened, "e1", "e2")
    yield opened
    await opened.close()


async def append(store: SqliteStore, *event_ids: str) -> None:
    assert set(await store.append(Arrivals([event(each) for each in event_ids], {}, T0))) == {"stored"}


async def waiting(store: SqliteStore) -> int:
    counts = (await store.counts()).get("a")
    return counts.waiting if counts is not None else 0


async def deliver(store: SqliteStore) -> int:
    lease = await store.lease("a", GroupLimits(), T0, 60)
    if lease is None:
        return 0
    await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
    return len(lease.events)


def remove_directory(file: Path) -> None:
    shutil.rmtree(file.parent)


def remove_database(file: Path) -> None:
    for each in file.parent.glob("events.db*"):
        each.unlink()


def move_directory(file: Path) -> None:
    file.parent.rename(file.parent.with_name("moved"))


def replace_directory(file: Path) -> None:
    move_directory(file)
    file.parent.mkdir()


def replace_database(file: Path) -> None:
    """By a copy of the same content."""
    shutil.copyfile(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


def remove_log(file: Path) -> None:
    file.with_name("events.db-wal").unlink()


def replace_log(file: Path) -> None:
    remove_log(file)
    file.with_name("events.db-wal").touch()


def remove_index(file: Path) -> None:
    file.with_name("events.db-shm").unlink()


# With how many events can be delivered then: a log is missed after a commit, and its database keeps what was committed.
ABSENCES: dict[Callable[[Path], None], tuple[str, int]] = {
    remove_directory: ("deleted", 2),
    remove_database: ("deleted", 2),
    replace_database: ("deleted", 2),
    move_directory: ("missing", 2),
    replace_directory: ("missing", 2),
    remove_log: ("missing", 3),
    replace_log: ("missing", 3),
    remove_index: ("missing", 3),
}


@pytest.mark.parametrize("take_away", ABSENCES, ids=lambda value: value.__name__)
async def test_absent_database_takes_nothing_and_delivers_what_it_holds(
    take_away: Callable[[Path], None], store: SqliteStore, file: Path
) -> None:
    """Not even the first request after it is taken; what was accepted before can still be delivered and counted."""
    problem, held = ABSENCES[take_away]
    take_away(file)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=REFUSED):
            await append(store, "new")
        assert await store.problems() == [problem]
    with pytest.raises(StoreUnavailable, match=REFUSED):
        await store.put_document("input", "i", b"{}", expected_revision=0, changed_by="x", now_ms=T0)
    assert await deliver(store) == held
    assert {row.counter: row.count for row in await store.totals()} == {"accepted": held, "delivered": held}
    assert (await waiting(store), await store.problems()) == (0, [problem])


async def test_database_that_is_found_missing_is_noticed_without_a_request(store: SqliteStore, file: Path) -> None:
    """The watch asks for problems twice a second, and that looks at the paths."""
    assert await store.problems() == []
    file.parent.rename(file.parent.with_name("moved"))
    assert await store.problems() == ["missing"]


async def test_commit_during_which_the_files_go_is_not_acknowledged(store: SqliteStore, file: Path) -> None:
    """They are looked at after the commit too: what is deleted with them was never promised."""

    def take_away(transaction: Transaction) -> None:
        transaction.state.next_event_no += 1
        remove_directory(file)

    with pytest.raises(StoreUnavailable, match=REFUSED):
        await store._writer.write(take_away)
    assert await store.problems() == ["deleted"]


async def test_database_that_comes_back_is_used_again(store: SqliteStore, file: Path) -> None:
    """What was delivered in between is known, a repeat is ignored, and new events are accepted."""
    moved = file.parent.with_name("moved")
    file.parent.rename(moved)
    with pytest.raises(StoreUnavailable):
        await append(store, "new")
    assert await deliver(store) == 2
    moved.rename(file.parent)
    assert await store.append(Arrivals([event("new"), event("e1")], {}, T0)) == ["stored", "duplicate"]
    assert (await store.problems(), await waiting(store)) == ([], 1)
    await store.close()
    reopened = SqliteStore.open(file, max_bytes=2_000_000)
    assert await waiting(reopened) == 1
    await reopened.close()


async def test_what_a_deleted_log_held_is_written_back(store: SqliteStore, file: Path) -> None:
    """As soon as it is missed: a process killed later has lost none of the events that were accepted."""
    remove_log(file)
    assert await store.problems() == ["missing"]
    copy = file.with_name("copy.db")
    shutil.copyfile(file, copy)
    with closing(apsw.Connection(str(copy))) as connection:
        assert connection.execute("SELECT count(*) FROM fresh").get == 2
    await store.close()
    reopened = SqliteStore.open(file, max_bytes=2_000_000)
    await append(reopened, "new")
    assert await waiting(reopened) == 3
    await reopened.close()


async def test_longer_reads_of_another_database_are_refused(store: SqliteStore, file: Path) -> None:
    """They open the path: numbers of another store's events would erase others in this one."""
    moved = file.parent.with_name("moved")
    file.parent.rename(moved)
    file.parent.mkdir()
    other = SqliteStore.open(file, max_bytes=2_000_000)
    await append(other, "other")
    for work in (store.erase([1], T0), store.dead_letters(ALL, limit=10), store.dead_letter_counts()):
        with pytest.raises(StoreUnavailable, match=REFUSED):
            await work
    assert await waiting(store) == 2
    await other.close()


async def test_closing_a_moved_database_leaves_what_is_in_its_place(store: SqliteStore, file: Path) -> None:
    """Another service may have started on a new directory of the same name: its log and its reserve stay."""
    file.parent.rename(file.parent.with_name("moved"))
    file.parent.mkdir()
    other = SqliteStore.open(file, max_bytes=2_000_000)
    await append(other, "other")
    await store.close()
    assert (await other.problems(), await waiting(other)) == ([], 1)
    assert file.with_name("events.reserve").exists()
    await append(other, "more")
    await other.close()
