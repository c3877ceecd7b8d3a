"""The activity's file: bounded, private, and never a reason to fail."""

import itertools
import os
import resource
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import apsw
import msgspec
import pytest
from msgspec import structs

from tiktok_forwarder.activity import database as activity_database
from tiktok_forwarder.activity.database import ACTIVITY_STATEMENTS, ActivityDatabase, migrations
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.records import ActivityWrite, Facts, LevelChange, Record, RecordFilter
from tiktok_forwarder.activity.sampling import MAX_CHANGES
from tiktok_forwarder.database.statements import load_migrations
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.domain.sources import FieldSources

MEBIBYTE = 1024 * 1024
VERSION_1 = Path(__file__).with_name("version_1.sql")
PRESENT_VERSION = len(migrations())
ALL = RecordFilter(limit=1_000_000)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "activity.db"


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A path at which no file can be made: a directory stands there."""
    place = tmp_path / "activity.db"
    (place / "inner").mkdir(parents=True)
    yield place


def record(number: int, subjects: tuple[int, ...] = (), payload: bytes = b"") -> Record:
    return Record(number, "c", "accepted", "PlaceAnOrder", f"m{number}", payload=payload, subjects=subjects)


SOURCES: FieldSources = {"email": "user_identities[1].identity", "custom_mapping": 2, "made_from": ["mpid"]}


def write_of(*records: Record, levels: Sequence[LevelChange] = (), minute: int = 0, count: int = 0) -> ActivityWrite:
    return ActivityWrite(records, {(minute, "c"): {"accepted": count or len(records)}}, levels)


async def event_ids(file: ActivityFile) -> list[str]:
    return [each.record.event_id for each in reversed(await file.recent(ALL))]


def size_of(path: Path) -> int:
    return sum(each.stat().st_size for each in path.parent.glob("activity.db*"))


def test_record_of_an_earlier_version_is_read() -> None:
    """Facts without the sources of the fields are those of a record whose sources are not known."""
    assert msgspec.json.decode(b'{"source":"custom_event x","connection_revision":7}', type=Facts).field_sources is None


async def test_records_come_back_as_they_were(path: Path) -> None:
    """Every member of a record outlives the process."""
    whole = Record(
        5,
        "c",
        "dead_letter",
        "PlaceAnOrder",
        "m1",
        "refused",
        Facts(
            "detail", "source", ("w1", "w2"), "bad_event", Answer(200, 40002, "wrong", "r"), 3, 0.5, 2, 4, 6, 7, SOURCES
        ),
        b'{"event":"PlaceAnOrder"}',
        (1, 2**64 - 1),
    )
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    assert file.write(write_of(whole, record(6)))
    await file.close()
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    assert [each.record for each in await file.recent(ALL)] == [record(6), whole]
    assert [each.record for each in await file.way("c", "PlaceAnOrder", "m1")] == [whole]
    await file.close()


async def test_order_number_of_an_erased_person_is_in_no_file(path: Path) -> None:
    """It is in an index too, which keeps nothing of a deleted record."""
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    kept = structs.replace(record(1), order_id="order-of-another")
    erased = structs.replace(record(2, (7,)), order_id="order-of-the-person", source_name="purchase")
    file.write(write_of(kept, erased))
    assert await file.erase([7]) == 1
    assert not await file.recent(structs.replace(ALL, order_id="order-of-the-person"))
    contents = b"".join(each.read_bytes() for each in path.parent.glob("activity.db*"))
    await file.close()
    assert b"order-of-the-person" not in contents and b"order-of-another" in contents


@pytest.fixture
def open_to_all(path: Path) -> Path:
    path.touch(0o644)
    return path


@pytest.fixture
def damaged(path: Path) -> Path:
    path.write_bytes(b"this is no database " * 1000)
    return path


async def test_nobody_else_can_read_it(open_to_all: Path) -> None:
    """Payloads hold IP addresses: file, log and index are the service's own, also where the file was made by hand."""
    file = ActivityFile.open(open_to_all, max_bytes=16 * MEBIBYTE)
    file.write(write_of(record(1)))
    await file.recent(ALL)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in open_to_all.parent.glob("activity.db*")}
    await file.close()
    assert modes == dict.fromkeys(("activity.db", "activity.db-wal", "activity.db-shm"), 0o600)


async def test_figures_add_up(path: Path) -> None:
    """Writes of one minute are summed, also over a restart, and a time selects minutes."""
    for _ in range(2):
        file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
        file.write(write_of(minute=7, count=2))
        file.write(write_of(minute=7, count=3))
        file.write(write_of(minute=9, count=1))
        await file.close()
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    found = await file.figures(7, 10)
    assert [(each.minute, each.figures) for each in found] == [(7, {"accepted": 10}), (9, {"accepted": 2})]
    assert [each.minute for each in await file.figures(7, 9, "c")] == [7] and not await file.figures(0, 99, "other")
    await file.close()


async def test_the_oldest_records_make_room(path: Path) -> None:
    """However much happens, the file and its log stay below the bound, and the newest records are there."""
    max_bytes = 4 * MEBIBYTE
    file = ActivityFile.open(path, max_bytes=max_bytes)
    largest = 0
    for start in range(0, 12_000, 500):
        file.write(write_of(*(record(number, payload=b"x" * 1200) for number in range(start, start + 500))))
        await file.figures(0, 1)
        largest = max(largest, size_of(path))
    found = await event_ids(file)
    (minute,) = await file.figures(0, 1)
    await file.close()
    assert largest <= max_bytes and file.lost_records == 0
    assert found == [f"m{number}" for number in range(12_000 - len(found), 12_000)] and len(found) > 1000
    assert minute.figures == {"accepted": 12_000}


async def test_a_write_larger_than_the_file_is_lost_alone(path: Path) -> None:
    """What can never fit is counted as lost; its figures are kept, and the next write succeeds."""
    file = ActivityFile.open(path, max_bytes=4 * MEBIBYTE)
    file.write(write_of(*(record(number, payload=b"x" * 4000) for number in range(2000))))
    file.write(write_of(record(2001)))
    assert await event_ids(file) == ["m2001"]
    assert (await file.figures(0, 1))[0].figures == {"accepted": 2001}
    assert file.lost_records == 2000
    await file.close()


async def test_minutes_are_bounded_too(path: Path) -> None:
    """Figures of years ago go, those of the last days stay."""
    file = ActivityFile.open(path, max_bytes=4 * MEBIBYTE)
    for minute in range(0, 5000, 10):
        file.write(ActivityWrite((), {(each, "c"): {"accepted": 1} for each in range(minute, minute + 10)}, ()))
    await file.close()
    file = ActivityFile.open(path, max_bytes=4 * MEBIBYTE)
    found = await file.figures(0, 5000)
    await file.close()
    assert 800 < len(found) < 2000 and found[-1].minute == 4999


async def test_sampling_is_remembered(path: Path) -> None:
    """Levels outlive a restart in their order, the oldest of too many do not."""
    changes = [LevelChange("c", second, second % 3) for second in range(MAX_CHANGES + 50)]
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    file.write(write_of(levels=changes))
    await file.close()
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    await file.close()
    assert list(file.new_levels()) == changes[-(MAX_CHANGES - 1) :]


async def test_erased_records_are_beyond_recovery(path: Path) -> None:
    """After an erasure neither the file nor its log holds a byte of what was about the person."""
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    mine = [record(number, (77, number), b"digest-of-jane" * 20) for number in range(1, 200)]
    whole = Record(0, "c", "attempted", facts=Facts(answer=Answer(message="digest-of-jane is wrong")))
    file.write(write_of(*mine, whole, record(500, (78,), b"digest-of-joe")))
    assert await file.erase([77, 79]) == 199
    assert await event_ids(file) == ["m500"]
    left = b"".join(each.read_bytes() for each in path.parent.glob("activity.db*"))
    await file.close()
    assert b"digest-of-jane" not in left and b"digest-of-joe" in left


async def test_a_live_view_asks_for_what_is_new(path: Path) -> None:
    """Records after a number are the newest within the limit; none of them is missed though the newest was erased."""
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    file.write(write_of(*(record(number) for number in range(1, 9)), record(9, (7,))))
    newest = (await file.recent(ALL))[0].record_no
    assert [each.record_no for each in await file.recent(RecordFilter(after_record_no=6))] == [9, 8, 7]
    assert [each.record_no for each in await file.recent(RecordFilter(connection_id="c", after_record_no=6))] == [
        9,
        8,
        7,
    ]
    assert [each.record_no for each in await file.recent(RecordFilter(after_record_no=6, limit=1))] == [9]
    assert await file.erase([7]) == 1
    file.write(write_of(record(10)))
    assert [each.record.event_id for each in await file.recent(RecordFilter(after_record_no=newest))] == ["m10"]
    await file.close()


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("recent", "PRIMARY KEY (rowid>? AND rowid<?)"),
        ("recent_of_connection", "(connection_id=? AND record_no>? AND record_no<?)"),
    ],
)
def test_what_is_new_is_found_without_a_scan(name: str, search: str) -> None:
    """A live view asks every second or so, so the index leads to the records after its number."""
    named = dict.fromkeys(field.name for field in msgspec.structs.fields(RecordFilter))
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript("".join(migrations()))
        plan = database.execute(f"EXPLAIN QUERY PLAN {ACTIVITY_STATEMENTS[name]}", named).fetchall()
    assert plan[0][3].startswith("SEARCH records USING") and plan[0][3].endswith(search)


async def test_a_damaged_file_is_begun_anew(damaged: Path) -> None:
    """Whatever stands where the file should be, the service starts, records, and says why nothing earlier is there."""
    reasons: list[str] = []
    file = ActivityFile.open(damaged, max_bytes=16 * MEBIBYTE, on_begun_anew=reasons.append)
    file.write(write_of(record(1)))
    assert await event_ids(file) == ["m1"]
    await file.close()
    assert reasons == ["file is not a database"]


@pytest.fixture
def version_1(path: Path) -> Path:
    """What the first version left behind."""
    with closing(sqlite3.connect(path)) as older:
        older.executescript(VERSION_1.read_text())
    return path


async def test_file_of_version_1_opens_with_what_it_holds(version_1: Path) -> None:
    """An update of the service costs no record, no figure and no memory of what was sampled."""
    reasons: list[str] = []
    file = ActivityFile.open(version_1, max_bytes=16 * MEBIBYTE, on_begun_anew=reasons.append)
    file.write(write_of(record(2), minute=7, count=1))
    newer, older = await file.recent(ALL)
    assert (newer.record_no, newer.record) == (42, record(2))
    facts = Facts("detail", warnings=("w1",), answer=Answer(200, 40002, "wrong", "r"))
    payload, subjects = b'{"event":"PlaceAnOrder"}', (1, 2**64 - 1)
    kept = Record(5, "c", "dead_letter", "PlaceAnOrder", "m1", "refused", facts, payload, subjects)
    assert (older.record_no, older.record) == (41, kept)
    assert [each.figures for each in await file.figures(7, 8)] == [{"accepted": 11}]
    assert not await file.recent(structs.replace(ALL, source_name="x")) and not await file.names(0)
    assert (list(file.new_levels()), reasons) == ([LevelChange("c", 100, 2)], [])
    await file.close()


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A program that knows one migration more; the end of the context makes it the present one again."""
    folder = tmp_path / "next_activity" / "migrations"
    folder.mkdir(parents=True)
    for number, script in enumerate(migrations(), 1):
        (folder / f"{number:03}.sql").write_text(script)
    (folder / "999_made_up.sql").write_text(
        "ALTER TABLE levels ADD COLUMN made_up INTEGER NOT NULL DEFAULT 3;"
        "CREATE TABLE runs (number INTEGER); INSERT INTO runs VALUES (7);"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with monkeypatch.context() as context:
        context.setattr(activity_database, "migrations", lambda: load_migrations("next_activity"))
        yield context
    sys.modules.pop("next_activity", None)


def version_of(path: Path) -> tuple[int, list[int]]:
    """How many migrations a file has had, and what the made-up one left in it, if it was run."""
    with closing(sqlite3.connect(path)) as file:
        ((version,),) = file.execute("PRAGMA user_version").fetchall()
        made_up = file.execute("SELECT 1 FROM sqlite_schema WHERE name = 'runs'").fetchall()
        return version, [number for (number,) in file.execute("SELECT number FROM runs")] if made_up else []


@pytest.mark.usefixtures("next_version")
async def test_file_is_migrated_once(version_1: Path) -> None:
    """The first start of a newer program migrates the file with the records in it, and later starts leave it alone."""
    for number in (2, 3):
        file = ActivityFile.open(version_1, max_bytes=16 * MEBIBYTE)
        file.write(write_of(record(number)))
        await file.close()
    assert version_of(version_1) == (PRESENT_VERSION + 1, [7])
    file = ActivityFile.open(version_1, max_bytes=16 * MEBIBYTE)
    assert await event_ids(file) == ["m1", "m2", "m3"]
    await file.close()


async def test_file_of_a_newer_version_is_begun_anew(version_1: Path, next_version: pytest.MonkeyPatch) -> None:
    """An older program does not read what it does not know, and says that it starts without the earlier records."""
    reasons: list[str] = []
    await ActivityFile.open(version_1, max_bytes=16 * MEBIBYTE, on_begun_anew=reasons.append).close()
    assert reasons == []
    next_version.undo()
    file = ActivityFile.open(version_1, max_bytes=16 * MEBIBYTE, on_begun_anew=reasons.append)
    file.write(write_of(record(1)))
    assert await event_ids(file) == ["m1"] and await file.newest() == 1
    await file.close()
    newer = f"schema {PRESENT_VERSION + 1}; this version knows {PRESENT_VERSION}"
    assert reasons == [f"from a newer version of tiktok-forwarder ({newer})"]
    assert version_of(version_1) == (PRESENT_VERSION, [])


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError, apsw.CantOpenError])
async def test_file_on_a_full_disk_is_kept_for_the_next_start(
    version_1: Path, monkeypatch: pytest.MonkeyPatch, error: type[apsw.Error]
) -> None:
    """Records are kept in memory until then: nothing shows that those in the file are not intact."""

    def fail(*_: object) -> None:
        raise error("no room")

    reasons: list[str] = []
    with monkeypatch.context() as full:
        full.setattr(ActivityDatabase, "_open_file", fail)
        full.setattr(ActivityDatabase, "_remove_files", fail)
        file = ActivityFile.open(version_1, max_bytes=16 * MEBIBYTE, on_begun_anew=reasons.append)
        file.write(write_of(record(1)))
        assert await event_ids(file) == ["m1"]
        await file.close()
    assert reasons == ["no room; records are kept in memory until the next start, and the file is not changed"]
    file = ActivityFile.open(version_1, max_bytes=16 * MEBIBYTE, on_begun_anew=reasons.append)
    assert (await file.newest(), len(reasons)) == (41, 1)
    await file.close()


@pytest.mark.parametrize(("free_bytes", "events"), [(8 * MEBIBYTE, ["m1", "m2"]), (8 * MEBIBYTE - 1, ["m1"])])
async def test_last_space_of_a_disk_is_left_to_the_events(
    path: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int, events: list[str]
) -> None:
    """Records are lost and counted; figures are added to the next write that can be made."""
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    file.write(write_of(record(1), minute=7))
    assert await event_ids(file) == ["m1"]
    with monkeypatch.context() as full:
        full.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free_bytes, f_frsize=1))
        file.write(write_of(record(2), minute=7))
        assert await event_ids(file) == events
    assert file.lost_records == 2 - len(events)
    file.write(write_of(record(3), minute=7))
    assert await event_ids(file) == [*events, "m3"]
    assert [each.figures for each in await file.figures(7, 8)] == [{"accepted": 3}]
    await file.close()


async def test_person_is_erased_though_the_disk_is_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleting needs space too: without any, all records are deleted, and the log says why."""

    def fail(_: ActivityDatabase) -> None:
        raise apsw.FullError("no room")

    reasons: list[str] = []
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE, on_begun_anew=reasons.append)
    file.write(write_of(*(record(number, subjects=(number,)) for number in range(1, 6))))
    assert len(await event_ids(file)) == 5
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name("activity.db-wal").stat().st_size, hard))
    try:
        assert await file.erase([3]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    file.write(write_of(record(9)))
    with monkeypatch.context() as full:
        full.setattr(ActivityDatabase, "cut_log", fail)
        assert await file.erase([99]) == 0
    # Nothing of that person was there.
    assert await event_ids(file) == ["m9"]
    (reason,) = reasons
    assert reason.endswith("; a person's records had to be erased")
    await file.close()


async def test_damage_while_running_costs_what_was_kept(path: Path) -> None:
    """A file that goes bad under the service is replaced, and recording goes on."""
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    file.write(write_of(*(record(number, payload=b"x" * 2000) for number in range(2000))))
    await file.recent(RecordFilter(limit=1))
    for each in path.parent.glob("activity.db*"):
        os.truncate(each, 0)
        each.write_bytes(os.urandom(200_000))
    for number in range(5):
        file.write(write_of(record(9000 + number)))
    assert "m9004" in await event_ids(file)
    await file.close()


async def test_without_a_place_it_lives_in_memory(unwritable: Path) -> None:
    """A file that cannot be made is no reason not to start."""
    file = ActivityFile.open(unwritable, max_bytes=16 * MEBIBYTE)
    file.write(write_of(record(1)))
    assert await event_ids(file) == ["m1"]
    await file.close()
    assert (unwritable / "inner").is_dir()


async def test_writing_never_waits(path: Path) -> None:
    """While another holds the file, writes return at once; beyond a bound they are refused, and none is lost."""
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    # Made beforehand: while they were made, the thread could give up on one and make room for another.
    writes = [write_of(*(record(number) for number in range(1000))) for _ in range(24)]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        taken = sum(itertools.takewhile(bool, map(file.write, writes)))
        elapsed_seconds = time.monotonic() - began
        other.execute("ROLLBACK")
    # One more may be in the thread's hands already, which waits for the other for up to the busy timeout.
    assert 21 <= taken <= 23
    assert elapsed_seconds < 5
    assert (await file.figures(0, 1))[0].figures == {"accepted": taken * 1000}
    assert file.lost_records == 0 and file.write(write_of(record(1)))
    await file.close()


async def test_after_the_end_nothing_is_taken(path: Path) -> None:
    """A closed file refuses writes and questions; closing twice is fine."""
    file = ActivityFile.open(path, max_bytes=16 * MEBIBYTE)
    await file.close()
    await file.close()
    assert not file.write(write_of(record(1)))
    with pytest.raises(StoreUnavailable):
        await file.recent(ALL)
