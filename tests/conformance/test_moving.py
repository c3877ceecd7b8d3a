"""Contents that move between stores: all of them, once, also after interruptions; and the refusals around that."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.conformance.moving_rig import Side, SqliteSide, all_leases, fill, new_side
from tests.conformance.rig import HOUR, T0, event
from tests.conformance.test_model import SETTINGS, SqliteMachine
from tests.postgres_server import shared_server
from tests.unit.store.earlier_version import BEFORE_FRESH_EVENTS, write_version
from tiktok_forwarder.database.directory_lock import DirectoryLock
from tiktok_forwarder.domain.errors import ConfigurationError, LeaseLost, StoreUnavailable
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.operations.migration import Migrated, migrate, undo
from tiktok_forwarder.store.expiring import ExpiringPut
from tiktok_forwarder.store.moving import PARTS, Batch, Part, Place
from tiktok_forwarder.store.postgres import moving as postgres_moving
from tiktok_forwarder.store.queue import Arrivals, GroupLimits
from tiktok_forwarder.store.sqlite import moving as sqlite_moving

# Between two files, a test is quick.
WAYS = [
    pytest.param(("sqlite", "sqlite"), id="sqlite-to-sqlite"),
    pytest.param(("sqlite", "postgres"), id="sqlite-to-postgres", marks=pytest.mark.slow),
    pytest.param(("postgres", "sqlite"), id="postgres-to-sqlite", marks=pytest.mark.slow),
]
ALL_WAYS = [
    *WAYS,
    pytest.param(("postgres", "postgres"), id="postgres-to-postgres", marks=pytest.mark.slow),
]
DAYS_LATER = T0 + 24 * HOUR

Pair = tuple[Side, Side]


@pytest.fixture(params=WAYS)
async def sides(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        kinds = zip(request.param, ("from", "to"), strict=True)
        source, target = [await stack.enter_async_context(new_side(kind, tmp_path / name)) for kind, name in kinds]
        yield source, target


async def filled(side: Side) -> None:
    store = await side.open()
    await fill(store)
    await store.close()


async def move(source: Side, target: Side) -> Migrated:
    async with source.movable(is_source=True) as leaving, target.movable(is_source=False) as arriving:
        return await migrate(leaving, arriving, lambda part, done, total: None)


async def undone(source: Side, target: Side | None) -> None:
    async with AsyncExitStack() as stack:
        left = await stack.enter_async_context(source.movable(is_source=True))
        arrived = await stack.enter_async_context(target.movable(is_source=True)) if target is not None else None
        await undo(left, arrived)


@pytest.mark.parametrize("sides", ALL_WAYS, indirect=True)
async def test_every_row_arrives_with_its_values(sides: Pair) -> None:
    """Events of every state, dead letters, totals, keys, documents and their history are the same, row by row."""
    source, target = sides
    await filled(source)
    before = await source.contents()
    migrated = await move(source, target)
    assert await target.contents() == before
    assert await source.contents() == before
    assert migrated == Migrated(
        store=migrated.store,
        documents=len(before["documents"]),
        waiting=len(before["fresh"]) + len(before["returned"]),
        dead_letters=len(before["dead"]),
        known_keys=len(before["keys"]),
    )
    assert all(before.values())


async def test_moved_store_continues_as_the_old_one_would(sides: Pair) -> None:
    """The same groups are leased in the same order, repeats are known for 48 hours, and numbers are not given twice."""
    source, target = sides
    await filled(source)
    store = await source.open()
    expected = await all_leases(store, DAYS_LATER)
    snapshot = await store.snapshot()
    await store.close()
    await move(source, target)
    store = await target.open()
    moved = await store.snapshot()
    assert moved.totals == snapshot.totals
    assert await all_leases(store, DAYS_LATER) == expected
    known = [event(f"e{number}", "ab"[number % 2]) for number in range(40)]
    late = T0 + 5 + 48 * HOUR
    assert await store.append(Arrivals(known, {}, late - 1)) == ["duplicate"] * 40
    new = await store.append(Arrivals([event("new")], {}, DAYS_LATER))
    assert new == ["stored"]
    lease = await store.lease("a", GroupLimits(), DAYS_LATER, 60)
    numbers = {each.event_no for _, events in expected for each in events}
    assert lease.events[0].event_no > max(numbers)
    assert await store.append(Arrivals(known, {}, late)) == ["stored"] * 40
    await store.close()


async def test_contents_move_back(sides: Pair, tmp_path: Path) -> None:
    """To an empty store, with what has happened in the meantime."""
    source, target = sides
    await filled(source)
    await move(source, target)
    store = await target.open()
    await store.append(Arrivals([event("later")], {}, T0 + HOUR))
    await store.close()
    async with new_side(type(source).__name__.removesuffix("Side").lower(), tmp_path / "back") as third:
        await move(target, third)
        assert await third.contents() == await target.contents()
        await _assert_refused(target, f"was moved to .*{_last_part(third)}")


async def test_empty_store_moves(sides: Pair) -> None:
    """So a service that has not received anything yet is moved like any other."""
    source, target = sides
    await (await source.open()).close()
    await move(source, target)
    assert await target.contents() == await source.contents()
    await (await target.open()).close()
    await _assert_refused(source, "was moved to")


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_interrupted_move_continues(sides: Pair, moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before or after each of the changes that a move consists of; a row is never there twice."""
    source, target = sides
    await filled(source)
    before = await source.contents()
    for module in (sqlite_moving, postgres_moving):
        monkeypatch.setattr(module, "MAX_BATCH_ROWS", 4)
    calls = 0
    left = 0

    def interrupted(original: Any) -> Any:
        async def change(*arguments: Any, **named: Any) -> Any:
            nonlocal calls, left
            calls += 1
            left -= 1
            if left == 0 and moment == "before":
                raise Interrupted
            result = await original(*arguments, **named)
            if left == 0:
                raise Interrupted
            return result

        return change

    for kind in (sqlite_moving.MovableFile, postgres_moving.MovableDatabase):
        for name in ("record", "write", "finish"):
            monkeypatch.setattr(kind, name, interrupted(getattr(kind, name)))
    interruptions = 0
    while True:
        left = 3
        try:
            await move(source, target)
            break
        except Interrupted:
            interruptions += 1
    assert interruptions > 5
    assert await target.contents() == before
    await _assert_refused(source, "was moved to")


async def test_no_process_starts_while_contents_move(sides: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on the source, which must not change, nor on the target, which is not complete."""
    source, target = sides
    await filled(source)
    with monkeypatch.context() as interrupting:
        for kind in (sqlite_moving.MovableFile, postgres_moving.MovableDatabase):
            interrupting.setattr(kind, "finish", _interrupt)
        with pytest.raises(Interrupted):
            await move(source, target)
    await _assert_refused(source, "is being moved to .*: repeat tiktok-forwarder migrate to complete it, or undo")
    await _assert_refused(target, "is being filled from .*: repeat tiktok-forwarder migrate to complete it")
    await move(source, target)
    await (await target.open()).close()


async def test_move_that_is_complete_can_be_repeated(sides: Pair) -> None:
    """Who does not know whether the command ended repeats it."""
    source, target = sides
    await filled(source)
    first = await move(source, target)
    assert await move(source, target) == first


async def test_target_must_be_empty(sides: Pair) -> None:
    """Nothing changes: both stores can still be used."""
    source, target = sides
    await filled(source)
    await filled(target)
    with pytest.raises(ConfigurationError, match=r"is not empty; migrate to an empty store"):
        await move(source, target)
    for side in sides:
        await (await side.open()).close()


async def test_moved_store_moves_nowhere_else(sides: Pair, tmp_path: Path) -> None:
    """A second copy would deliver everything twice; nor is the old store a target."""
    source, target = sides
    await filled(source)
    await move(source, target)
    async with new_side("sqlite", tmp_path / "other") as other:
        with pytest.raises(ConfigurationError, match="was moved to"):
            await move(source, other)
    with pytest.raises(ConfigurationError, match="is not empty"):
        await move(target, source)


async def test_move_is_undone(sides: Pair) -> None:
    """The source is used again, and the target no more."""
    source, target = sides
    await filled(source)
    await move(source, target)
    await undone(source, target)
    await (await source.open()).close()
    await _assert_refused(target, "contains what a move from .* left that was undone: use an empty store")
    with pytest.raises(ConfigurationError, match="is not empty"):
        await move(source, target)
    with pytest.raises(ConfigurationError, match="was not migrated to another store"):
        await undone(source, target)


async def test_what_expires_does_not_move(sides: Pair) -> None:
    """Users log in again: to the target, and after an undone move to the source, since they may have logged out."""
    source, target = sides
    store = await source.open()
    await store.put_expiring([ExpiringPut("session", "one", b"", T0 + HOUR)], T0)
    await store.close()
    await move(source, target)
    store = await target.open()
    assert await store.list_expiring("session", T0) == []
    await store.close()
    await undone(source, target)
    store = await source.open()
    assert await store.list_expiring("session", T0) == []
    await store.close()


async def test_move_whose_target_was_used_is_not_undone(sides: Pair) -> None:
    """Its events would be delivered twice, and new ones lost."""
    source, target = sides
    await filled(source)
    await move(source, target)
    store = await target.open()
    lease = await store.lease("a", GroupLimits(), T0 + 20, 60)
    await store.settle(lease, {lease.events[0].event_no: Delivered()}, T0 + 20)
    await store.close()
    with pytest.raises(ConfigurationError, match="was used since the migration: migrate it back to an empty store"):
        await undone(source, target)
    await undone(source, None)
    await (await source.open()).close()


async def test_move_under_way_is_undone(sides: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source has not changed; what has arrived in the target is not used."""
    source, target = sides
    await filled(source)
    with monkeypatch.context() as interrupting:
        for kind in (sqlite_moving.MovableFile, postgres_moving.MovableDatabase):
            interrupting.setattr(kind, "write", _interrupt)
        with pytest.raises(Interrupted):
            await move(source, target)
    await undone(source, target)
    await (await source.open()).close()
    await _assert_refused(target, "that was undone")


async def test_store_in_use_does_not_move(sides: Pair) -> None:
    """Whichever side a running service uses; it continues, and both can be used afterwards."""
    source, target = sides
    await filled(source)
    for side in sides:
        store = await _running(side)
        with pytest.raises(ConfigurationError, match="is in use by another process"):
            await move(source, target)
        await store.close()
    for side in sides:
        await (await side.open()).close()


async def _running(side: Side) -> Any:
    """A store as a service holds it."""
    store = await side.open()
    if not hasattr(side, "file"):
        await store.problems()
        return store
    lock = DirectoryLock(side.file.parent)
    lock.__enter__()
    close = store.close

    async def close_and_unlock() -> None:
        await close()
        lock.__exit__(None, None, None)

    store.close = close_and_unlock
    return store


@pytest.mark.slow
async def test_node_that_stood_still_during_a_move_cannot_continue(tmp_path: Path) -> None:
    """It is not seen any more when the move begins, and finds that it may neither append, lease nor settle."""
    async with new_side("postgres", tmp_path) as source, new_side("sqlite", tmp_path / "to") as target:
        store = await source.open()
        await fill(store)
        lease = await store.lease("a", GroupLimits(), T0 + 20, 60)
        async with shared_server().connection(source.name) as connection:  # type: ignore[attr-defined]
            await connection.execute("UPDATE forwarder.nodes SET seen_at = clock_timestamp() - interval '11 seconds'")
        before = await source.contents()
        await move(source, target)
        with pytest.raises(StoreUnavailable, match="the contents of the database were moved"):
            await store.append(Arrivals([event("late")], {}, T0))
        assert await store.lease("b", GroupLimits(), T0 + 20, 60) is None
        with pytest.raises(LeaseLost):
            await store.settle(lease, {lease.events[0].event_no: Delivered()}, T0 + 20)
        await store.close()
        assert await source.contents() == before == await target.contents()


async def test_batches_are_bounded_in_rows_and_bytes(sides: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is in memory as a whole. One row is always allowed."""
    source, _ = sides
    await filled(source)
    for module in (sqlite_moving, postgres_moving):
        monkeypatch.setattr(module, "MAX_BATCH_ROWS", 7)
        monkeypatch.setattr(module, "MAX_BATCH_BYTES", 450_000)
    async with source.movable(is_source=True) as store:
        for part in PARTS:
            batches = await _batches(store, part)
            assert sum(len(batch.rows) for batch in batches) == (await store.contents()).rows[part]
            assert max(len(batch.rows) for batch in batches) <= 7 or part == "known_keys"
            assert max(sum(len(row[-1]) for row in batch.rows) for batch in batches) < 800_000


async def _batches(store: Any, part: Part) -> list[Batch]:
    batches: list[Batch] = []
    place = Place(part, b"")
    while (batch := await store.read(place)).rows:
        batches.append(batch)
        place = batch.place
    return batches


@pytest.mark.slow
async def test_events_of_an_earlier_version_move(tmp_path: Path) -> None:
    """Fresh ones may be in the table of those that came back."""
    names = [f"e{number}" for number in range(1, 30)]
    (tmp_path / "from").mkdir()
    write_version(BEFORE_FRESH_EVENTS, tmp_path / "from" / "events.db", names)
    async with new_side("sqlite", tmp_path / "from") as source, new_side("postgres", tmp_path) as target:
        await move(source, target)
        assert [row[5] for row in (await target.contents())["fresh"]] == [name.encode() for name in names]
        assert await target.contents() == await source.contents()


async def _interrupt(*_: object, **__: object) -> None:
    raise Interrupted


async def _assert_refused(side: Side, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        await side.open()


def _last_part(side: Side) -> str:
    return side.address.partition("?")[0].rpartition("/")[2]


class MovingMachine(SqliteMachine):
    """Whatever has happened to the events: their store moves to PostgreSQL and back, and nothing is different."""

    def teardown(self) -> None:
        try:
            self.run(self._move_there_and_back())
        finally:
            super().teardown()

    async def _move_there_and_back(self) -> None:
        await self.rig.store.close()
        folder = Path(self.folder.name)
        async with new_side("postgres", folder) as database:
            source, back = SqliteSide(folder), SqliteSide(folder / "back")
            before = await source.contents()
            await move(source, database)
            await move(database, back)
            assert await database.contents() == await back.contents() == before
            await undone(source, None)
        await self.rig.open()


TestMovedStates = pytest.mark.slow(pytest.mark.timeout(300)(MovingMachine.TestCase))
TestMovedStates.settings = settings(SETTINGS, max_examples=10)
