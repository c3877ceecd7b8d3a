"""A store without room refuses new events and nothing else, and mends by itself."""

import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.conformance.rig import HOUR, T0, append_to, event, together
from tiktok_forwarder.domain.errors import ConfigurationError, ConnectionsFull, StoreFull, StoreUnavailable
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite import settling as sqlite_settling
from tiktok_forwarder.store.sqlite.file import derived_max_bytes, store_limits
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.sqlite.transaction import StoreState, Transaction

ALL = DeadLetterFilter()
CONNECTIONS = "abc"


async def _fill(store: SqliteStore) -> int:
    """Append until the store is full; return how many events it took."""
    taken = 0
    with pytest.raises(StoreFull):
        while True:
            for connection in CONNECTIONS:
                admissions = await store.append(
                    Arrivals([event(f"e{taken}-{n}", connection, payload=b"x" * 1000) for n in range(10)], {}, T0)
                )
                taken += admissions.count("stored")
    return taken


async def _used_bytes(store: SqliteStore) -> int:
    return await store._writer.look(StoreState.used_bytes)


async def _append_sized(store: SqliteStore, event_id: str, payload_bytes: int) -> Sequence[str]:
    return await store.append(Arrivals([event(event_id, payload=b"x" * payload_bytes)], {}, T0))


async def _books_balance(store: SqliteStore) -> None:
    for connection in CONNECTIONS:
        totals = {row.counter: row.count for row in await store.totals() if row.connection_id == connection}
        counts = (await store.counts()).get(connection)
        waiting = counts.waiting if counts is not None else 0
        parts = ("delivered", "dead_lettered", "dropped", "erased")
        assert totals.get("accepted", 0) == waiting + sum(totals.get(part, 0) for part in parts)


async def test_full_store_still_keeps_every_outcome(tmp_path: Path) -> None:
    """Retries, dead letters and deliveries are written though no event is taken; deliveries make room again."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=2_000_000)
    taken = await _fill(store)
    assert taken > 300
    assert await store.problems() == ["full"]
    for connection in CONNECTIONS:
        lease = await store.lease(connection, GroupLimits(), T0, 60)
        assert lease is not None
        await store.settle(lease, {each.event_no: Retry(0, Answer(500)) for each in lease.events}, T0)
        lease = await store.lease(connection, GroupLimits(), T0, 60)
        assert lease is not None
        await store.settle(lease, {each.event_no: DeadLettered("refused", Answer(200)) for each in lease.events}, T0)
    assert await store.replay(ALL, T0) == taken
    with pytest.raises(StoreFull):
        await store.append(Arrivals([event("more", payload=b"x" * 100_000)], {}, T0))
    while (lease := await store.lease("a", GroupLimits(), T0, 60)) is not None:
        await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
    assert await store.problems() == []
    assert await store.append(Arrivals([event("more")], {}, T0)) == ["stored"]
    await _books_balance(store)
    await store.close()


def _two_events(held_bytes: int) -> list[NewEvent]:
    """Return events of two connections that take up so many bytes together, with 400 for each row."""
    half = held_bytes // 2
    return [event("3", "b", payload=b"x" * (half - 400)), event("3", "c", payload=b"x" * (held_bytes - half - 400))]


@pytest.mark.parametrize("excess_bytes", [0, 1])
async def test_store_takes_events_up_to_four_fifths_of_its_size(tmp_path: Path, excess_bytes: int) -> None:
    """New events may fill it to the byte, with 400 reckoned for each row; the last fifth is kept for deliveries."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=1_500_000)
    room_bytes = 1_200_000 - await _used_bytes(store)
    # One transaction: what an earlier request of it has taken is no room for a later one.
    answers = await together(
        store,
        _append_sized(store, "1", 29_600),
        _append_sized(store, "2", 29_600),
        # A connection may hold half of it, so two are needed.
        append_to(store, _two_events(room_bytes - 60_000 + excess_bytes)),
    )
    assert answers[:2] == [["stored"], ["stored"]]
    assert isinstance(answers[2], StoreFull) == bool(excess_bytes)
    await store.close()


@pytest.mark.parametrize(
    ("payload_bytes", "admission"), [(799_600, "stored"), (799_601, "connection_full")], ids=["fits", "one too many"]
)
async def test_connection_may_hold_two_fifths_of_the_size(tmp_path: Path, payload_bytes: int, admission: str) -> None:
    """To the byte, with 400 reckoned for the row."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=2_000_000)
    events = [event("e", payload=b"x" * payload_bytes), event("e", "b")]
    assert await store.append(Arrivals(events, {}, T0)) == [admission, "stored"]
    await store.close()


async def test_refused_request_takes_no_room_from_those_of_its_moment(tmp_path: Path) -> None:
    """A request that is too large for what is left of the store leaves that to smaller ones, also to later ones."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=2_000_000)
    for connection in "bc":
        await store.append(Arrivals([event("e", connection, payload=b"x" * 680_000)], {}, T0))
    room_bytes = 1_600_000 - await _used_bytes(store)
    assert 10_000 < room_bytes < 100_000
    requests = [("first", 1000), ("too large", room_bytes), ("last", 1000)]
    first, too_large, last = await together(store, *[_append_sized(store, *request) for request in requests])
    assert (first, type(too_large), last) == (["stored"], StoreFull, ["stored"])
    await store.close()


async def test_dead_letters_use_up_their_connections_share(tmp_path: Path) -> None:
    """A connection whose events all die must not take the place of the others' events."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=4_000_000)
    admissions: list[str] = []
    body = b"x" * 2000
    for n in range(20):
        events = [event(f"{n}-{m}", payload=body) for m in range(100)]
        admissions += await store.append(Arrivals([*events, event(f"{n}", "b")], {}, T0))
        await store.dead_letter_all("a", "connection_deleted", T0)
    assert {"stored", "connection_full"} == set(admissions)
    with pytest.raises(ConnectionsFull):
        await store.append(Arrivals([event("0-0"), event("new", payload=body)], {}, T0))
    assert await store.append(Arrivals([event("x", "b")], {}, T0)) == ["stored"]
    await store.discard(ALL, T0)
    assert await store.append(Arrivals([event("new")], {}, T0)) == ["stored"]
    await _books_balance(store)
    await store.close()


@contextmanager
def _no_file_larger_than(size_bytes: int) -> Iterator[None]:
    """The system refuses every write beyond, as a full disk or a used-up quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_disk_without_space_loses_nothing_and_is_survived(tmp_path: Path) -> None:
    """Senders are told to come back, deliverers to try again; all that was acknowledged is there, and it goes on."""
    file = tmp_path / "events.db"
    store = SqliteStore.open(file, max_bytes=50_000_000)
    await store.append(Arrivals([event(f"{n}") for n in range(50)], {}, T0))
    lease = await store.lease("a", GroupLimits({"2.0": 10}), T0, 60)
    assert lease is not None
    delivered = {each.event_no: Delivered() for each in lease.events}
    with _no_file_larger_than(1000):
        # The memory of repeats would begin a new turn here.
        with pytest.raises(StoreFull):
            await store.append(Arrivals([event("later")], {}, T0 + 13 * HOUR))
        with pytest.raises(StoreFull):
            await store.append(Arrivals([event("late")], {}, T0))
        with pytest.raises(StoreUnavailable):
            await store.settle(lease, delivered, T0)
        with pytest.raises(StoreUnavailable):
            await store.dead_letter_all("a", "connection_deleted", T0)
        assert await store.problems() == ["disk"]
        counts = (await store.counts())["a"]
        assert (counts.waiting, counts.leased, counts.dead_letters) == (50, 10, 0)
    assert await store.problems() == []
    await store.settle(lease, delivered, T0)
    assert await store.append(Arrivals([event("later")], {}, T0 + 13 * HOUR)) == ["stored"]
    assert await store.append(Arrivals([event("late"), event("0")], {}, T0)) == ["stored", "duplicate"]
    await _books_balance(store)
    await store.close()
    reopened = SqliteStore.open(file, max_bytes=50_000_000)
    assert (await reopened.counts())["a"].waiting == 42
    assert await reopened.append(Arrivals([event("later"), event("late")], {}, T0 + 13 * HOUR)) == ["duplicate"] * 2
    await _books_balance(reopened)
    await reopened.close()


def _small_files_only(file: Path) -> AbstractContextManager[None]:
    """A disk on which the database may grow to the size of its log, but the log no further; the reserve has no room."""
    return _no_file_larger_than(file.with_name("events.db-wal").stat().st_size)


async def _used_store(file: Path) -> SqliteStore:
    """With a log that is larger than the database."""
    store = SqliteStore.open(file, max_bytes=50_000_000)
    for n in range(40):
        await store.append(Arrivals([event(f"{n}")], {}, T0))
    return store


async def test_full_disk_still_takes_outcomes_by_giving_up_its_reserve(tmp_path: Path) -> None:
    """The first delivery that meets the full disk is kept already; senders wait until there is room for the reserve."""
    file, reserve = tmp_path / "events.db", tmp_path / "events.reserve"
    store = await _used_store(file)
    assert reserve.stat().st_size == 6_242_304
    first, second = [await store.lease("a", GroupLimits({"2.0": 20}), T0, 60) for _ in range(2)]
    assert first is not None and second is not None
    with _small_files_only(file):
        await store.settle(first, {each.event_no: Delivered() for each in first.events}, T0)
        assert reserve.stat().st_size == 1_048_576
        await store.settle(second, {each.event_no: Delivered() for each in second.events}, T0)
        assert await store.problems() == ["full"]
        with pytest.raises(StoreFull):
            await store.append(Arrivals([event("new")], {}, T0))
        assert await store.append(Arrivals([], {("a", "missing_ip"): 1}, T0)) == []
    assert await store.problems() == []
    assert await store.append(Arrivals([event("new")], {}, T0)) == ["stored"]
    assert reserve.stat().st_size == 6_242_304
    assert (await store.counts())["a"].waiting == 1
    await _books_balance(store)
    await store.close()
    assert reserve.stat().st_size == 6_242_304


@pytest.mark.parametrize("failing", ["commit", "truncate_log"])
async def test_person_is_erased_with_the_last_space_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """The part of the reserve that the next start would need is used too, and kept again at the end."""
    file, reserve = tmp_path / "events.db", tmp_path / "events.reserve"
    store = await _used_store(file)
    await store.append(Arrivals([event("hers", subjects=(7,))], {}, T0))
    assert await store._writer.look(lambda state: state.give_up_disk_reserve())
    assert reserve.stat().st_size == 1_048_576
    owner = Transaction if failing == "commit" else sqlite_settling
    original = getattr(owner, failing)

    def fail_while_reserved(*arguments: Any) -> Any:
        if reserve.exists():
            raise apsw.FullError("no room")
        return original(*arguments)

    with monkeypatch.context() as full:
        full.setattr(owner, failing, fail_while_reserved)
        assert await store.erase([7], T0) == 1
    assert not reserve.exists()
    assert (await store.counts())["a"].waiting == 40
    await store.close()
    assert reserve.stat().st_size == 6_242_304


async def test_store_without_its_reserve_is_full_from_the_start(tmp_path: Path) -> None:
    """Where the disk has no room for the reserve, no event is taken that could not be delivered later."""
    file = tmp_path / "events.db"
    await (await _used_store(file)).close()
    (tmp_path / "events.reserve").unlink()
    with _no_file_larger_than(1_000_000):
        store = SqliteStore.open(file, max_bytes=50_000_000)
        assert await store.problems() == ["full"]
        with pytest.raises(StoreFull):
            await store.append(Arrivals([event("new")], {}, T0))
        lease = await store.lease("a", GroupLimits(), T0, 60)
        assert lease is not None
        await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
    assert await store.problems() == []
    assert await store.append(Arrivals([event("new")], {}, T0)) == ["stored"]
    await store.close()


@pytest.mark.parametrize(
    ("error", "is_of_the_disk"),
    [(apsw.FullError(), True), (apsw.IOError(), True), (apsw.ConstraintError(), False), (ValueError(), False)],
    ids=lambda value: type(value).__name__,
)
async def test_reserve_is_given_up_once_for_an_error_of_the_disk(
    tmp_path: Path, error: Exception, is_of_the_disk: bool
) -> None:
    """Another error would be met again, and would cost new events; without a reserve there is nothing to try."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=2_000_000)
    for may_help in (is_of_the_disk, False):
        assert await store._writer.look(lambda _: store._writer._makes_room(error, [])) == may_help
    assert (tmp_path / "events.reserve").stat().st_size == (131_072 if is_of_the_disk else 262_144)
    await store.close()


def test_small_disk_has_a_small_log() -> None:
    """What the log and one transaction may take fits beside the database on a disk of 16 MB."""
    limits = store_limits(12_800_000, 0.2)
    assert (limits.checkpoint_pages + limits.transaction_bytes // 8192) * 8192 < 16_000_000 - 12_800_000
    assert limits.append_bytes == 10_240_000


def test_large_store_has_a_bounded_log() -> None:
    """A larger log would only make restarts slow, and a larger transaction the answers of its requests."""
    limits = store_limits(64 * 1024**3, 0.2)
    assert (limits.checkpoint_pages, limits.transaction_bytes) == (4000, 8_388_608)


def test_size_follows_from_the_free_space(tmp_path: Path) -> None:
    """A store may use four fifths of it, with what the file holds already, and never more than 64 GiB."""
    # The second is on a smaller file system than most disks, and nothing is written there.
    for file in (tmp_path / "events.db", Path("/dev/events.db")):
        space = os.statvfs(file.parent)
        free = 0.8 * space.f_bavail * space.f_frsize
        assert derived_max_bytes(file) == pytest.approx(min(68_719_476_736, free), rel=0.1)
    with (tmp_path / "events.db").open("wb") as content:
        content.truncate(68_719_476_736)
    assert derived_max_bytes(tmp_path / "events.db") == 68_719_476_736


@pytest.mark.parametrize(("connections", "refusal"), [("a", ConnectionsFull), ("abc", StoreFull)])
async def test_store_that_started_on_a_full_disk_grows_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: str, refusal: type[StoreFull]
) -> None:
    """The size is derived from the free space again, once a second, so that no restart is needed."""
    free_bytes, now = 0, 100.0
    monkeypatch.setattr(sqlite_file, "_free_bytes", lambda _: free_bytes)
    store = SqliteStore.open(tmp_path / "events.db", monotonic=lambda: now)

    async def store_more(event_id: str) -> None:
        events = [event(event_id, connection, payload=b"x" * 100_000) for connection in connections]
        assert set(await store.append(Arrivals(events, {}, T0))) == {"stored"}

    with pytest.raises(refusal):
        for number in range(9):
            await store_more(f"e{number}")
    free_bytes = 100_000_000
    with pytest.raises(refusal):
        await store_more("too soon")
    now += 1
    await store_more("later")
    assert await store.problems() == []
    await store.close()


async def test_size_that_was_set_does_not_grow(tmp_path: Path) -> None:
    """It is the operator's."""
    now = 100.0
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=1_048_576, monotonic=lambda: now)
    await _fill(store)
    now += 10
    assert await store.problems() == ["full"]
    await store.close()


def test_store_too_small_to_work_is_refused(tmp_path: Path) -> None:
    """With the figure that is needed."""
    with pytest.raises(ConfigurationError, match="needs at least 1048576"):
        SqliteStore.open(tmp_path / "events.db", max_bytes=100_000)


async def test_all_events_of_a_full_connection_fit_among_the_dead_letters(tmp_path: Path) -> None:
    """Whatever their sizes: few at a time are copied before the originals are deleted."""
    store = SqliteStore.open(tmp_path / "events.db", max_bytes=sqlite_file.SMALLEST_STORE_BYTES)
    taken = 0
    with pytest.raises(ConnectionsFull):
        while True:
            await _append_sized(store, f"e{taken}", (500, 3000, 9000)[taken % 3])
            taken += 1
    # Events that come back are moved in the file, which leaves half-empty pages.
    for _ in range(3):
        lease = await store.lease("a", GroupLimits(), T0, 60)
        assert lease is not None
        await store.settle(lease, {each.event_no: Retry(1) for each in lease.events[::2]}, T0)
        await store.release(lease)
    assert await store.dead_letter_all("a", "connection_deleted", T0) == taken
    counts = (await store.counts())["a"]
    assert (counts.waiting, counts.dead_letters) == (0, taken)
    await store.close()
