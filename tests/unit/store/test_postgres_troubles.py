"""A server that is gone, read-only or slow, and answers that are lost on the way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance.rig import LIMITS, T0, event
from tests.postgres_server import shared_server
from tests.unit.store.postgres_rig import OneDatabase, Wire, one_database, wire
from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.domain.outcome import DeadLettered, Delivered, Retry, Settlement
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals

APPEND = b"forwarder.append_group"


@pytest.fixture
async def database() -> AsyncIterator[OneDatabase]:
    async with one_database() as opened:
        yield opened


@pytest.fixture
async def between(tmp_path: Path) -> AsyncIterator[Wire]:
    async with wire(tmp_path) as made:
        yield made


async def _open(database: OneDatabase, between: Wire) -> PostgresStore:
    """Statements are sent with their text each time, so that the wire can tell them apart."""
    return await database.open(between.address(database.name), limits=PoolLimits(has_pooler=True, connections=2))


async def test_append_whose_answer_is_lost_is_stored_once(database: OneDatabase, between: Wire) -> None:
    """The group is asked for again, and the database answers as it would have done the first time."""
    store = await _open(database, between)
    await store.append(Arrivals([event("known")], {}, T0))
    between.cuts_answer_of = APPEND
    arriving = [event("1"), event("known"), event("2")]
    assert await store.append(Arrivals(arriving, {("a", "missing_ip"): 3}, T0)) == ["stored", "duplicate", "stored"]
    assert between.is_answer_cut
    totals = {row.counter: row.count for row in await store.totals()}
    assert totals == {"accepted": 6, "duplicate": 1, "dropped": 3}
    assert (await store.counts())["a"].waiting == 3


async def test_refusal_whose_answer_is_lost_is_the_same_again(database: OneDatabase, between: Wire) -> None:
    """Close to the quota each request is looked at in a transaction of several statements; its end may be lost too."""
    address = between.address(database.name)
    limits = PoolLimits(has_pooler=True, connections=2)
    store = await database.open(address, limits=limits, max_bytes=20_000)
    for n in range(4):
        await store.append(Arrivals([event(f"e{n}", payload=b"x" * 1600)], {}, T0))
    between.cuts_answer_of = b"COMMIT"
    arriving = [event("new", payload=b"x" * 1600), event("newer", payload=b"x" * 1600), event("b", "b")]
    assert await store.append(Arrivals(arriving, {}, T0)) == ["stored", "connection_full", "stored"]
    assert between.is_answer_cut
    counts = await store.counts()
    assert (counts["a"].waiting, counts["b"].waiting) == (5, 1)


async def test_server_that_cannot_be_reached_is_named_without_the_password(
    database: OneDatabase, between: Wire
) -> None:
    """Every method says so in one line, and everything works again as soon as the server is back."""
    store = await database.open(between.address(database.name).replace(":///", "://:s3cret@/"))
    await store.append(Arrivals([event("1")], {}, T0))
    lease = await store.lease("a", LIMITS, T0, 60)
    assert lease is not None
    between.cut()
    settled = {lease.events[0].event_no: Delivered()}
    for work in (
        store.append(Arrivals([event("2")], {}, T0)),
        store.settle(lease, settled, T0),
        store.counts(),
        store.list_documents("input"),
        store.dead_letters(DeadLetterFilter(), limit=1),
    ):
        with pytest.raises(StoreUnavailable) as raised:
            await work
        assert "s3cret" not in str(raised.value) and "\n" not in str(raised.value)
    assert await store.problems() == ["unreachable"]
    between.is_cut = False
    assert await store.append(Arrivals([event("2")], {}, T0)) == ["stored"]
    await store.settle(lease, settled, T0)
    assert await store.problems() == []


async def test_sessions_that_the_server_ends_are_replaced(database: OneDatabase) -> None:
    """As after a restart of the server: the pool connects anew, and no append is lost or stored twice."""
    store = await database.open()
    stored = 0
    for n in range(10):
        appends = [store.append(Arrivals([event(f"{n}-{m}")], {}, T0)) for m in range(20)]
        await asyncio.sleep(0)
        await database.end_sessions()
        answers = await asyncio.gather(*appends, return_exceptions=True)
        stored += sum(answer == ["stored"] for answer in answers)
        assert {type(answer) for answer in answers} <= {list, StoreUnavailable}
    assert (await store.counts())["a"].waiting >= stored > 0
    for n in range(10):
        await store.append(Arrivals([event(f"{n}-{m}") for m in range(20)], {}, T0))
    assert (await store.counts())["a"].waiting == 200
    assert {row.counter: row.count for row in await store.totals()}["accepted"] == 200


async def test_read_only_server_is_not_used(database: OneDatabase) -> None:
    """A server that was demoted answers, but cannot store anything: only one that can write will do."""
    store = await database.open()
    await database.value(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    await database.end_sessions()
    await asyncio.sleep(0.1)
    with pytest.raises(StoreUnavailable):
        await store.append(Arrivals([event("1")], {}, T0))
    assert await store.problems() == ["read_only"]
    with pytest.raises(ConfigurationError, match="cannot connect to PostgreSQL"):
        await database.open()
    async with shared_server().connection() as connection:
        await connection.execute(f"ALTER DATABASE {database.name} RESET default_transaction_read_only")
    assert await store.append(Arrivals([event("1")], {}, T0)) == ["stored"]


async def test_statement_that_takes_too_long_is_given_up(database: OneDatabase) -> None:
    """A lock that another program holds makes a change fail in time, and change nothing."""
    store = await database.open(limits=PoolLimits(statement_seconds=0.3))
    async with shared_server().connection(database.name) as other, other.transaction():
        await other.execute("LOCK TABLE forwarder.fresh")
        with pytest.raises(StoreUnavailable, match="timeout"):
            await store.append(Arrivals([event("1")], {}, T0))
    assert await store.append(Arrivals([event("1")], {}, T0)) == ["stored"]


async def test_events_of_any_text_come_back_as_they_were(database: OneDatabase) -> None:
    """PostgreSQL's texts cannot contain every character that senders use."""
    store = await database.open()
    name, event_id = "name\x00\ud7ff", "id\x00' é 🛒"
    await store.append(Arrivals([event(event_id, name=name)], {}, T0))
    lease = await store.lease("a", LIMITS, T0, 60)
    assert lease is not None
    assert [(each.event_name, each.event_id) for each in lease.events] == [(name, event_id)]
    await store.settle(lease, {lease.events[0].event_no: DeadLettered("refused")}, T0)
    (letter,) = await store.dead_letters(DeadLetterFilter(), limit=1)
    assert (letter.event_name, letter.event_id) == (name, event_id)


async def test_request_that_the_server_refuses_fails_alone(database: OneDatabase) -> None:
    """The others of its group are stored."""
    store = await database.open()
    faulty = Arrivals([], {("a", "reason\x00"): 1}, T0)
    appends = [
        store.append(Arrivals([event("1")], {}, T0)),
        store.append(faulty),
        store.append(Arrivals([event("2")], {}, T0)),
    ]
    one, refused, two = await asyncio.gather(*appends, return_exceptions=True)
    assert (one, two) == (["stored"], ["stored"])
    assert isinstance(refused, StoreUnavailable)


async def _fill_every_table(store: PostgresStore, payload: bytes, subjects: tuple[int, ...]) -> None:
    """Add an event that waits, one that came back and a dead letter."""
    outcomes: list[Settlement | None] = [Retry(T0 + 9), DeadLettered("refused"), None]
    for outcome in outcomes:
        event_id = f"{payload[:6]!r}-{outcome}"
        await store.append(Arrivals([event(event_id, payload=payload, subjects=subjects)], {}, T0))
        if outcome is not None:
            lease = await store.lease("a", LIMITS, T0, 60)
            assert lease is not None
            await store.settle(lease, {each.event_no: outcome for each in lease.events}, T0)


async def test_space_of_erased_events_is_overwritten_by_new_ones(database: OneDatabase) -> None:
    """PostgreSQL leaves deleted bytes where they are; what it can do is to use their space for the next events."""
    store = await database.open()
    await _fill_every_table(store, b"SECRET" * 50, (7,))
    tables = ("fresh", "returned", "dead_letters")
    paths = [await database.value("SELECT pg_relation_filepath('forwarder.' || $1)", table) for table in tables]
    files = [shared_server().folder / "data" / path for path in paths]
    await database.value("CHECKPOINT")
    assert [b"SECRET" in file.read_bytes() for file in files] == [True, True, True]
    assert await store.erase([7], T0) == 3
    assert await store.counts() == {}
    await _fill_every_table(store, b"PUBLIC" * 50, ())
    await database.value("CHECKPOINT")
    assert [b"SECRET" in file.read_bytes() for file in files] == [False, False, False]


async def test_closed_store_refuses_appends(database: OneDatabase) -> None:
    """What was asked for before is stored."""
    store = await database.open()
    before = store.append(Arrivals([event("1")], {}, T0))
    await store.close()
    assert await before == ["stored"]
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.append(Arrivals([event("2")], {}, T0))
    assert await store.problems() == ["closed"]


@pytest.mark.parametrize(
    "address", ["", "mysql://localhost/x", "postgresql://[", "postgresql://u:s3cret@localhost:no/x"]
)
async def test_address_that_is_none_is_refused(address: str) -> None:
    """In one sentence, without what may be a password."""
    with pytest.raises(ConfigurationError) as raised:
        await PostgresStore.open(address)
    assert "s3cret" not in str(raised.value)
    assert len(raised.value.problems) == 1
