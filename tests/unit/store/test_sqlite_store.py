"""What is SQLite's own in the default store: durable settings, files that cannot be used, and a killed process."""

import asyncio
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.conformance.rig import T0, append_to, event, together
from tiktok_forwarder.domain.errors import ConfigurationError, LeaseLost, StoreUnavailable
from tiktok_forwarder.domain.outcome import Delivered, Retry, Settlements
from tiktok_forwarder.store.queue import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite import writer as sqlite_writer
from tiktok_forwarder.store.sqlite.file import open_reader, open_writer, store_limits
from tiktok_forwarder.store.sqlite.statements import STATEMENTS, migrations
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.sqlite.transaction import Transaction


async def _filled(file: Path, events: int = 3) -> None:
    store = SqliteStore.open(file)
    await store.append(Arrivals([event(str(n)) for n in range(events)], {}, T0))
    await store.close()


def _spoil(file: Path) -> bytes:
    """Damage all pages but the first two; return what the file held."""
    content = file.read_bytes()
    file.write_bytes(content[: 8192 * 2] + bytes(each ^ 0xFF for each in content[8192 * 2 :]))
    return content


@pytest.mark.parametrize("opened", ["new", "again", "beside"])
async def test_every_connection_is_durable(tmp_path: Path, opened: str) -> None:
    """WAL with a sync at each commit, erased rows overwritten, a current SQLite, a file for its owner alone."""
    file = tmp_path / "events.db"
    limits = store_limits(10_000_000, 0.2)
    if opened != "new":
        await _filled(file)
    connection = open_reader(file) if opened == "beside" else open_writer(file, limits)
    pragma = connection.pragma
    assert (pragma("journal_mode"), pragma("synchronous"), pragma("secure_delete")) == ("wal", 2, 1)
    assert (pragma("page_size"), pragma("busy_timeout")) == (8192, 5000)
    if opened != "beside":
        assert pragma("max_page_count") * 8192 <= 10_000_000
        assert pragma("wal_autocheckpoint") == limits.checkpoint_pages < 4000
    connection.close()
    assert apsw.SQLITE_VERSION_NUMBER >= 3_051_003
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["header", "page", "no database", "truncated"])
async def test_damaged_file_is_refused_and_left_alone(tmp_path: Path, damage: str) -> None:
    """In one sentence that names it and what to do; nothing is created anew."""
    file = tmp_path / "events.db"
    await _filled(file, 300)
    content = bytearray(file.read_bytes())
    if damage == "header":
        content[:100] = b"\xff" * 100
    elif damage == "page":
        content[8192 * 3 : 8192 * 9] = b"\xff" * 8192 * 6
    elif damage == "no database":
        content = bytearray(b"hello, this is no database at all" * 100)
    else:
        del content[8192 * 3 + 100 :]
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refusal:
        SqliteStore.open(file)
    (problem,) = refusal.value.problems
    assert problem.startswith(f"{file}: cannot open the database")
    assert "restore a backup" in problem
    assert file.read_bytes() == content


async def test_log_without_its_database_is_refused_and_kept(tmp_path: Path) -> None:
    """SQLite itself would delete the log, and with it events that were accepted."""
    file, log = tmp_path / "events.db", tmp_path / "events.db-wal"
    log.write_bytes(b"log" * 100)
    with pytest.raises(ConfigurationError, match=r"missing or empty, but events\.db-wal beside it is not"):
        SqliteStore.open(file)
    assert log.read_bytes() == b"log" * 100
    assert not file.exists()


async def test_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    """No table is added to what belongs to somebody else."""
    file = tmp_path / "events.db"
    other = apsw.Connection(str(file))
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    content = file.read_bytes()
    with pytest.raises(ConfigurationError, match="belongs to another program"):
        SqliteStore.open(file)
    assert file.read_bytes() == content


async def test_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """In a sentence that names the file."""
    with pytest.raises(ConfigurationError, match=r"missing/events\.db: cannot open the database: No such file"):
        SqliteStore.open(tmp_path / "missing" / "events.db", max_bytes=10_000_000)


async def test_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older program must not work on what it does not understand."""
    file = tmp_path / "events.db"
    await _filled(file)
    connection = apsw.Connection(str(file))
    connection.pragma("user_version", len(migrations()) + 1)
    connection.close()
    with pytest.raises(ConfigurationError, match="is from a newer version of tiktok-forwarder"):
        SqliteStore.open(file)


async def test_closed_store_says_so(tmp_path: Path) -> None:
    """Rather than wait for ever."""
    store = SqliteStore.open(tmp_path / "events.db")
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.totals()
    appended = store.append(Arrivals([event("1")], {}, T0))
    with pytest.raises(StoreUnavailable, match="closed"):
        await appended


async def test_lease_of_an_earlier_process_is_lost(tmp_path: Path) -> None:
    """Even when somebody holds the same events under a new one: tokens do not come again."""
    await _filled(tmp_path / "events.db")
    leases = []
    for _ in range(2):
        store = SqliteStore.open(tmp_path / "events.db")
        lease = await store.lease("a", GroupLimits(), T0, 60)
        assert lease is not None
        leases.append(lease)
        if lease is leases[0]:
            await store.close()
    with pytest.raises(LeaseLost):
        await store.settle(leases[0], {leases[0].events[0].event_no: Delivered()}, T0)
    await store.settle(leases[1], {each.event_no: Delivered() for each in leases[1].events}, T0)
    assert await store.counts() == {}
    await store.close()


async def test_lock_held_by_another_is_a_trouble_that_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the store's patience senders are told to come back; afterwards it writes again by itself."""
    monkeypatch.setattr(sqlite_file, "BUSY_MS", 50)
    file = tmp_path / "events.db"
    store = SqliteStore.open(file)
    other = apsw.Connection(str(file))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable):
        await store.append(Arrivals([event("1")], {}, T0))
    assert await store.problems() == ["locked"]
    other.execute("ROLLBACK")
    assert await store.problems() == []
    assert await store.append(Arrivals([event("1")], {}, T0)) == ["stored"]
    other.close()
    await store.close()


async def test_a_lock_is_waited_for_once_by_all_who_wait_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one each would wait anew, and the last for minutes."""
    monkeypatch.setattr(sqlite_file, "BUSY_MS", 200)
    file = tmp_path / "events.db"
    store = SqliteStore.open(file)
    with closing(apsw.Connection(str(file))) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        appends = (store.append(Arrivals([event(str(number))], {}, T0)) for number in range(40))
        told = await asyncio.gather(*appends, return_exceptions=True)
        assert {type(each) for each in told} == {StoreUnavailable}
        assert time.monotonic() - began < 4
    assert await store.append(Arrivals([event("1")], {}, T0)) == ["stored"]
    await store.close()


async def test_nothing_is_leased_while_outcomes_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be sent again and again; when the trouble is over it is leased by itself."""
    monkeypatch.setattr(sqlite_file, "BUSY_MS", 50)
    file = tmp_path / "events.db"
    await _filled(file)
    store = SqliteStore.open(file)
    with closing(apsw.Connection(str(file))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.append(Arrivals([event("new")], {}, T0))
        with pytest.raises(StoreUnavailable):
            await store.lease("a", GroupLimits(), T0, 60)
    lease = await store.lease("a", GroupLimits(), T0, 60)
    assert lease is not None and len(lease.events) == 3
    await store.close()


async def test_damage_stops_every_change_until_the_file_is_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that succeeds does not end it: it may have cost what lay on another page."""
    monkeypatch.setattr(sqlite_writer, "_CHECK_AGAIN_SECONDS", 0.0)
    file = tmp_path / "events.db"
    await _filled(file, 300)
    store = SqliteStore.open(file)
    content = _spoil(file)
    with pytest.raises(StoreUnavailable):
        await store.erase([1], T0)
    for _ in range(2):
        assert await store.problems() == ["damaged"]
        with pytest.raises(StoreUnavailable, match="stop the service, keep a copy of its directory"):
            await store.append(Arrivals([event("new")], {}, T0))
        with pytest.raises(StoreUnavailable):
            await store.lease("a", GroupLimits(), T0, 60)
    file.write_bytes(content)
    assert await store.problems() == []
    assert await store.append(Arrivals([event("new")], {}, T0)) == ["stored"]
    lease = await store.lease("a", GroupLimits({"2.0": 1000}), T0, 60)
    assert lease is not None and len(lease.events) == 301
    await store.close()


async def test_damaged_database_is_left_alone_between_two_checks(tmp_path: Path) -> None:
    """A check reads the whole file, so there is one in five seconds; until one finds it sound nothing is written."""
    file = tmp_path / "events.db"
    await _filled(file, 300)
    store = SqliteStore.open(file)
    content = _spoil(file)
    with pytest.raises(StoreUnavailable):
        await store.erase([1], T0)
    with pytest.raises(StoreUnavailable, match="damaged"):
        await store.append(Arrivals([event("new")], {}, T0))
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="damaged"):
        await store.append(Arrivals([event("new")], {}, T0))
    store._writer._check_again_at -= 5
    assert await store.append(Arrivals([event("new")], {}, T0)) == ["stored"]
    await store.close()


async def test_one_change_at_fault_spoils_no_other_of_its_transaction(tmp_path: Path) -> None:
    """Whatever shares a transaction with it is done all the same, once, and memory agrees with the file."""
    store = SqliteStore.open(tmp_path / "events.db")
    await store.append(Arrivals([event("0"), event("1"), event("2", subjects=(7,))], {}, T0))
    lease = await store.lease("a", GroupLimits(), T0, 60)
    assert lease is not None
    settlements: Settlements = {lease.events[0].event_no: Delivered(), lease.events[1].event_no: Retry(T0 + 9)}

    def fault(transaction: Transaction) -> None:
        transaction.run("remove_document", ("connection", "x"))
        raise ZeroDivisionError

    first, settled, failed, none, last = await together(
        store,
        append_to(store, [event("3")], {("a", "missing_ip"): 1}),
        store.settle(lease, settlements, T0),
        store._writer.write(fault),
        store.dead_letter_all("b", "connection_deleted", T0),
        append_to(store, [event("4"), event("3")]),
    )
    assert (first, settled, none, last) == (["stored"], None, 0, ["stored", "duplicate"])
    assert isinstance(failed, ZeroDivisionError)
    counts = (await store.counts())["a"]
    assert (counts.waiting, counts.leased) == (4, 1)
    totals = {row.counter: row.count for row in await store.totals()}
    assert totals == {"accepted": 6, "dropped": 1, "delivered": 1, "duplicate": 1}
    more = await store.lease("a", GroupLimits(), T0 + 9, 60)
    assert more is not None
    assert [each.event_id for each in more.events] == ["1", "3", "4"]
    await store.close()


async def test_erased_events_leave_no_trace_in_the_files(tmp_path: Path) -> None:
    """Neither in the database nor in its log, whatever state they were in."""
    file = tmp_path / "events.db"
    store = SqliteStore.open(file)
    for n in range(200):
        mine = event(f"mine{n}", payload=b'{"p":"SECRETDIGEST%d"}' % n, subjects=(n % 2,))
        await store.append(Arrivals([mine], {}, T0))
    lease = await store.lease("a", GroupLimits({"2.0": 50}), T0, 60)
    assert lease is not None
    await store.settle(lease, {each.event_no: Retry(T0 + 9) for each in lease.events}, T0)
    assert await store.erase([0], T0) == 100
    files = [file, file.with_name("events.db-wal")]
    kept = b"".join(each.read_bytes() for each in files if each.exists())
    assert b"SECRETDIGEST1" in kept
    assert not [n for n in range(0, 200, 2) if b'SECRETDIGEST%d"' % n in kept]
    await store.close()


async def test_requests_that_share_a_transaction_get_their_own_answers(tmp_path: Path) -> None:
    """Each event is stored once, whichever request brought it first; numbers of events are no powers of two."""
    store = SqliteStore.open(tmp_path / "events.db")
    names = [[str(n) for n in range(77)], ["76", "77", "77"], [], ["5", "78"]]
    requests = [append_to(store, map(event, each), {("a", "sampled_out"): 1}) for each in names]
    answers = await together(store, *requests)
    assert answers == [["stored"] * 77, ["duplicate", "stored", "duplicate"], [], ["duplicate", "stored"]]
    totals = {row.counter: row.count for row in await store.totals()}
    assert totals == {"accepted": 79 + 4, "dropped": 4, "duplicate": 3}
    lease = await store.lease("a", GroupLimits(), T0, 60)
    assert lease is not None
    assert [each.event_id for each in lease.events] == [str(n) for n in range(79)]
    await store.close()


async def test_an_event_that_no_row_can_hold_costs_only_its_request(tmp_path: Path) -> None:
    """The others of its transaction are stored."""
    store = SqliteStore.open(tmp_path / "events.db")
    names = ["PlaceAnOrder", "\ud800", "AddToCart"]
    requests = [append_to(store, [event("1", name=name)]) for name in names]
    first, unfit, second = await together(store, *requests)
    assert (first, type(unfit), second) == (["stored"], UnicodeEncodeError, ["stored"])
    await store.close()


async def test_statements_of_the_hot_path_use_their_keys(tmp_path: Path) -> None:
    """None of them walks the queue, however long it is."""
    await _filled(tmp_path / "events.db")
    connection = apsw.Connection(str(tmp_path / "events.db"))
    scanning = {
        "lanes",
        "totals",
        "seen_generations",
        # The log of keys: read at the start, and from its beginning as far as it is deleted.
        "key_log",
        "merged_slices",
        "forget_merged_keys",
        "fresh_about",
        "returned_about",
        "dead_letters_about",
        "dead_letter_counts",
        "documents",
        # Asked once, when a backup is restored.
        "any_expiring",
        # Of incidents and notices, of which there are at most a thousand.
        "incidents",
        "notices",
        "due_notices",
        "any_old_notice",
        "old_waiting_notices",
        "delete_old_notices",
        "delete_surplus_notices",
        # Hourly and beside the writer: an index with every dead letter is read, and no dead letter.
        "dead_letters_before",
        # Of moves: a table of one row, and what counts everything.
        "find_move",
        "advance_move",
        "finish_move",
        "count_parts",
    }
    for name in STATEMENTS.keys() - scanning:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", _bindings(name))]
        scans = [step for step in plan if step.startswith("SCAN") and step not in _HARMLESS_SCANS]
        assert not scans or name.startswith("empty_"), (name, plan)
        assert not [step for step in plan if "TEMP B-TREE" in step], (name, plan)
    connection.close()


# A list of numbers that was passed in, and an INSERT's own row.
_HARMLESS_SCANS = (
    "SCAN json_each VIRTUAL TABLE INDEX 1:",
    "SCAN carray VIRTUAL TABLE INDEX 1:",
    "SCAN chosen VIRTUAL TABLE INDEX 1:",
    "SCAN CONSTANT ROW",
)


def _bindings(name: str) -> dict[str, int] | tuple[int, ...]:
    named = set(re.findall(r":(\w+)", STATEMENTS[name]))
    return dict.fromkeys(named, 1) or (1,) * max(STATEMENTS[name].count("?"), 0)


_APPENDING = """
import asyncio, sys
from pathlib import Path
from tests.conformance.rig import T0, event
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.queue import Arrivals

async def main(file, prefix):
    store = SqliteStore.open(Path(file))
    async def append(worker):
        for n in range(1_000_000):
            name = f"{prefix}-{worker}-{n}"
            await store.append(Arrivals([event(name)], {}, T0))
            print(name, flush=True)
    await asyncio.gather(*map(append, range(8)))

asyncio.run(main(*sys.argv[1:]))
"""


def _acknowledged_before_kills(file: Path) -> set[str]:
    acknowledged: set[str] = set()
    for prefix in ("first", "second", "third"):
        with subprocess.Popen(
            [sys.executable, "-c", _APPENDING, str(file), prefix], stdout=subprocess.PIPE, text=True
        ) as appending:
            assert appending.stdout is not None
            for _ in range(500):
                acknowledged.add(appending.stdout.readline().strip())
            appending.send_signal(signal.SIGKILL)
            # A last line may be cut: its event was acknowledged, but we have not read its name.
            acknowledged |= set(appending.stdout.read().splitlines()[:-1])
    return acknowledged


@pytest.mark.slow
async def test_nothing_acknowledged_is_missing_after_a_kill(tmp_path: Path) -> None:
    """SIGKILL in the middle of appending, three times over the same file."""
    file = tmp_path / "events.db"
    acknowledged = _acknowledged_before_kills(file)
    store = SqliteStore.open(file)
    found: set[str] = set()
    while (lease := await store.lease("a", GroupLimits(), T0, 60)) is not None:
        found |= {each.event_id for each in lease.events}
        await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
    assert len(acknowledged) >= 1500
    assert acknowledged - found == set()
    await store.close()
    connection = open_reader(file)
    assert connection.pragma("integrity_check") == "ok"
    connection.close()
