"""Two stores over one database behave as one, whichever of them is asked."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conformance.rig import HOUR, LIMITS, T0, event
from tests.unit.store.postgres_rig import OneDatabase, one_database
from tiktok_forwarder.domain.errors import ConfigurationError, ConnectionsFull, LeaseLost, RevisionConflict
from tiktok_forwarder.domain.outcome import DeadLettered, Delivered, Retry, Settlements
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.postgres.statements import SEEN_SLOTS, SEEN_TURN_MS, migrations
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Admission, Arrivals, GroupLimits, Lease
from tiktok_forwarder.store.rules import DUPLICATE_WINDOW_MS

ALL = DeadLetterFilter()


@pytest.fixture
async def database() -> AsyncIterator[OneDatabase]:
    async with one_database() as opened:
        yield opened


async def _append(store: PostgresStore, *ids: str, now_ms: int = T0, **of: Any) -> list[Admission]:
    return list(await store.append(Arrivals([event(each, **of) for each in ids], {}, now_ms)))


async def _lease(store: PostgresStore, limits: GroupLimits = LIMITS) -> Lease:
    lease = await store.lease("a", limits, T0, 60)
    assert lease is not None
    return lease


async def _is_ready(store: PostgresStore) -> bool:
    return await store.ready("a", LIMITS, fill_seconds=0, now_ms=T0, wait_seconds=0)


async def _totals(store: PostgresStore) -> dict[str, int]:
    return {row.counter: row.count for row in await store.totals()}


async def test_first_nodes_start_at_once_on_an_empty_database(database: OneDatabase) -> None:
    """One creates the schema while the others wait; each has a number of its own."""
    stores = await asyncio.gather(*[database.open() for _ in range(4)])
    assert await database.value("SELECT array_agg(version ORDER BY version) FROM forwarder.versions") == list(
        range(1, len(migrations()) + 1)
    )
    assert await database.value("SELECT count(DISTINCT process) FROM forwarder.nodes") == len(stores)


async def test_database_of_a_newer_version_is_refused(database: OneDatabase) -> None:
    """An older program could misread what a newer one has stored."""
    await (await database.open()).close()
    await database.value("INSERT INTO forwarder.versions (version) VALUES ($1)", len(migrations()) + 1)
    with pytest.raises(ConfigurationError, match="newer version of this program"):
        await database.open()


async def test_database_of_a_newer_version_that_only_added_to_it_opens(database: OneDatabase) -> None:
    """In the middle of an update, a node of the version before may have to start again."""
    known = len(migrations())
    await (await database.open()).close()
    for number, oldest in ((known + 1, known), (known + 2, 7)):
        await database.value("INSERT INTO forwarder.versions (version, oldest_program) VALUES ($1, $2)", number, oldest)
        await (await database.open()).close()
    await database.value(
        "INSERT INTO forwarder.versions (version, oldest_program) VALUES ($1, $2)", known + 3, known + 1
    )
    with pytest.raises(ConfigurationError, match="newer version of this program"):
        await database.open()


def test_migration_names_the_oldest_program_that_may_go_on() -> None:
    """Nodes are updated one after another: whether the version before may run meanwhile is decided, not forgotten."""
    for number, script in enumerate(migrations()[6:], 7):
        found = re.match(r"-- oldest program: (\d+)\n", script)
        assert found is not None and 6 < int(found[1]) <= number, script.splitlines()[0]


async def test_role_that_may_not_create_the_schema_is_told_so(database: OneDatabase) -> None:
    """One sentence names what is missing."""
    await database.value("CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(ConfigurationError, match=r"permission denied.*must own the schema forwarder"):
            await database.open(database.address.replace("user=postgres", "user=guest"))
    finally:
        await database.value("DROP ROLE guest")


async def test_event_is_leased_by_one_node(database: OneDatabase) -> None:
    """However both ask at the same time."""
    one, two = await database.open(), await database.open()
    await _append(one, *[str(n) for n in range(200)])
    leases = await asyncio.gather(*[_lease(store, GroupLimits({"2.0": 20})) for store in (one, two) for _ in range(5)])
    assert Counter(each.event_id for lease in leases for each in lease.events) == {str(n): 1 for n in range(200)}
    assert (await two.counts())["a"].leased == 200


async def test_lease_is_in_force_on_every_node(database: OneDatabase) -> None:
    """Another node may end it; one that has expired is leased by whoever asks, and settled by nobody else."""
    one, two = await database.open(), await database.open()
    await _append(one, "1", "2")
    lease = await _lease(one)
    assert await two.lease("a", LIMITS, T0, 60) is None
    assert not await _is_ready(two)
    database.clock.seconds += 60
    assert await _is_ready(two)
    again = await _lease(two)
    for lost in (one.settle(lease, {lease.events[0].event_no: Delivered()}, T0), one.renew(lease, 60)):
        with pytest.raises(LeaseLost):
            await lost
    await one.settle(again, {again.events[0].event_no: Delivered()}, T0)
    await one.release(again)
    assert [each.event_id for each in (await _lease(one)).events] == ["2"]


async def test_closed_store_ends_its_own_leases_only(database: OneDatabase) -> None:
    """What a stopped node has leased is due at once for the others; what they hold stays theirs."""
    one, two = await database.open(), await database.open()
    await _append(one, "1", "2")
    single = GroupLimits({"2.0": 1})
    await _lease(one, single)
    held = await _lease(two, single)
    await one.close()
    assert [each.event_id for each in (await _lease(two)).events] == ["1"]
    await two.settle(held, {held.events[0].event_no: Delivered()}, T0)


async def test_repeats_are_known_on_every_node(database: OneDatabase) -> None:
    """Of the same events sent to both at once each is stored once, and the other is counted as its duplicate."""
    one, two = await database.open(), await database.open()
    groups = [[f"{n}-{m}" for m in range(10)] for n in range(20)]
    appended = [_append(store, *ids) for store in (one, two) for ids in groups]
    admissions = Counter(admission for answer in await asyncio.gather(*appended) for admission in answer)
    assert admissions == {"stored": 200, "duplicate": 200}
    assert await _totals(two) == {"accepted": 200, "duplicate": 200}
    assert (await one.counts())["a"].waiting == 200


async def test_turn_of_the_keys_is_one_moment_for_all_nodes(database: OneDatabase) -> None:
    """Keys are known over every turn of the window, whichever node began the turn."""
    one, two = await database.open(), await database.open()
    await _append(one, "0")
    for turn in range(1, SEEN_SLOTS + 2):
        now_ms = T0 + turn * SEEN_TURN_MS
        at_once = [_append(store, str(turn), now_ms=now_ms) for store in (one, two)]
        assert sorted(map(str, await asyncio.gather(*at_once))) == ["['duplicate']", "['stored']"]
        expected = "duplicate" if now_ms < T0 + DUPLICATE_WINDOW_MS else "stored"
        if turn < SEEN_SLOTS:
            assert await _append(two, "0", now_ms=now_ms) == [expected]
    assert await database.value("SELECT count(*) FROM forwarder.seen_turns") == SEEN_SLOTS


async def test_totals_of_all_nodes_add_up(database: OneDatabase) -> None:
    """Events may be accepted by one, delivered by another, and counted by a third."""
    one, two, three = [await database.open() for _ in range(3)]
    await _append(one, "1", "2", "3", "4")
    lease = await _lease(two)
    numbers = [each.event_no for each in lease.events]
    outcomes: Settlements = {numbers[0]: Delivered(), numbers[1]: DeadLettered("refused"), numbers[2]: Retry(T0 + 5)}
    await two.settle(lease, outcomes, T0)
    assert await _totals(three) == {"accepted": 4, "delivered": 1, "dead_lettered": 1}
    counts = (await three.counts())["a"]
    assert (counts.waiting, counts.leased, counts.dead_letters) == (2, 1, 1)
    assert await three.replay(ALL, T0) == 1
    assert await _totals(one) == {"accepted": 4, "delivered": 1, "replayed": 1}


async def test_changes_on_one_node_meet_the_leases_of_another(database: OneDatabase) -> None:
    """Erased and buried events leave a lease of another node, whose settlement then means nothing for them."""
    one, two = await database.open(), await database.open()
    await _append(one, "1", subjects=(7,))
    await _append(one, "2")
    lease = await _lease(one)
    first, second = (each.event_no for each in lease.events)
    assert await two.erase([7], T0) == 1
    assert await two.dead_letter_all("a", "connection_deleted", T0) == 1
    await one.settle(lease, {first: Delivered(), second: Delivered()}, T0)
    assert await _totals(two) == {"accepted": 2, "erased": 1, "dead_lettered": 1}


async def test_replays_of_two_nodes_share_the_letters(database: OneDatabase) -> None:
    """No letter comes back twice, however the steps of both meet."""
    one, two = await database.open(), await database.open()
    for first in range(0, 2500, 500):
        await _append(one, *[str(n) for n in range(first, first + 500)])
    buried = await asyncio.gather(*[store.dead_letter_all("a", "connection_deleted", T0) for store in (one, two)])
    assert sum(buried) == 2500
    replayed = await asyncio.gather(one.replay(ALL, T0), two.replay(ALL, T0))
    assert sum(replayed) == 2500
    assert (await one.counts())["a"].waiting == 2500


async def test_quota_is_shared_by_all_nodes(database: OneDatabase) -> None:
    """Together they store no more than one alone would, though they ask at the same time."""
    one, two = await database.open(max_bytes=2_000_000), await database.open(max_bytes=2_000_000)
    answers = await asyncio.gather(
        *[
            _append(store, *[f"{name}-{n}-{m}" for m in range(10)], payload=b"x" * 1600)
            for n in range(40)
            for name, store in (("one", one), ("two", two))
        ],
        return_exceptions=True,
    )
    assert {type(answer) for answer in answers} == {list, ConnectionsFull}
    assert sum(answer.count("stored") for answer in answers if isinstance(answer, list)) == 500
    counts = (await two.counts())["a"]
    assert (counts.waiting, counts.quota_used) == (500, 1.0)


async def test_document_changed_by_two_nodes_at_once_is_changed_once(database: OneDatabase) -> None:
    """The other is told that its revision is out of date, and nothing is lost of either's view."""
    one, two = await database.open(), await database.open()

    async def put(store: PostgresStore, expected: int) -> str:
        try:
            await store.put_document(
                "connection", "1", b"x", expected_revision=expected, changed_by="ann", now_ms=T0 + HOUR
            )
        except RevisionConflict:
            return "conflict"
        return "changed"

    for expected in range(5):
        outcomes = await asyncio.gather(*[put(store, expected) for store in (one, two) for _ in range(3)])
        assert Counter(outcomes) == {"changed": 1, "conflict": 5}
    assert [each.revision for each in await two.document_history("connection", "1")] == [1, 2, 3, 4, 5]


async def test_number_of_a_node_that_is_gone_is_used_again(database: OneDatabase) -> None:
    """The rows of counts stay as few as nodes run; a node that stood still for long gets another number."""
    one = await database.open()
    await _append(one, "1")
    await database.value("UPDATE forwarder.nodes SET seen_at = clock_timestamp() - interval '61 minutes'")
    two = await database.open()
    assert await database.value("SELECT count(*) FROM forwarder.nodes") == 1
    assert await _append(one, "2") == ["stored"]
    assert await _append(two, "3") == ["stored"]
    assert await database.value("SELECT count(*) FROM forwarder.nodes") == 2
    assert await _totals(two) == {"accepted": 3}
