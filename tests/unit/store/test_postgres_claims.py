"""How processes share claims: each has its part, and that of one that is gone passes to the others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence

import pytest

from tests.conformance.rig import LIMITS, T0, event
from tests.unit.store.postgres_rig import OneDatabase, one_database
from tiktok_forwarder.domain.errors import LeaseLost
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.claims import CLAIM_SECONDS, DELIVERY
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals, Lease

NAMES = [f"g{number}" for number in range(7)]


@pytest.fixture
async def database() -> AsyncIterator[OneDatabase]:
    async with one_database() as opened:
        yield opened


async def renew(store: PostgresStore, wanted: Collection[str] = NAMES) -> frozenset[str]:
    """Renew as a node does that gives its surplus back; return what it holds then."""
    held = await store.renew_claims(DELIVERY, wanted)
    given_back = sorted(held.names)[: held.surplus]
    await store.give_back_claims(DELIVERY, given_back)
    return held.names.difference(given_back)


async def settled(stores: Sequence[PostgresStore], wanted: Collection[str] = NAMES) -> list[frozenset[str]]:
    """What each process holds once all have renewed their claims twice."""
    for _ in range(2):
        held = [await renew(store, wanted) for store in stores]
    return held


async def lease_one(store: PostgresStore) -> Lease:
    await store.append(Arrivals([event("1")], {}, T0))
    lease = await store.lease("a", LIMITS, T0, 60)
    assert lease is not None
    return lease


async def deliver(store: PostgresStore, lease: Lease) -> None:
    await store.settle(lease, {lease.events[0].event_no: Delivered()}, T0)


@pytest.mark.parametrize(("processes", "parts"), [(1, [7]), (2, [3, 4]), (3, [2, 2, 3]), (5, [1, 1, 1, 2, 2])])
async def test_names_are_shared_evenly(database: OneDatabase, processes: int, parts: list[int]) -> None:
    """Every name is held by exactly one, whoever came first."""
    stores = [await database.open() for _ in range(processes)]
    held = await settled(stores)
    assert Counter(name for names in held for name in names) == dict.fromkeys(NAMES, 1)
    assert max(map(len, held)) == max(parts)


async def test_process_that_joins_gets_its_part(database: OneDatabase) -> None:
    """As soon as the others have given it back: they are told how much that is."""
    one, two = await database.open(), await database.open()
    assert await renew(one) == set(NAMES)
    assert await renew(two) == set()
    assert (await one.renew_claims(DELIVERY, NAMES)).surplus == 3
    kept, got = await settled([one, two])
    assert (len(kept), len(got)) == (4, 3)


async def test_claims_taken_at_the_same_time_are_granted_once(database: OneDatabase) -> None:
    """However the calls meet."""
    stores = [await database.open() for _ in range(4)]
    for _ in range(3):
        held = await asyncio.gather(*[renew(store) for store in stores])
        assert max(Counter(name for names in held for name in names).values()) == 1


async def test_claims_of_a_process_that_is_gone_pass_to_the_others(database: OneDatabase) -> None:
    """Once they have ended, and not before; so do its leases, whatever their time."""
    gone, other = await database.open(), await database.open()
    await settled([gone, other])
    lease = await lease_one(gone)
    database.clock.seconds += CLAIM_SECONDS - 0.1
    assert len(await renew(other)) == 3
    assert await other.lease("a", LIMITS, T0, 60) is None
    database.clock.seconds += 0.1
    assert await renew(other) == set(NAMES)
    again = await other.lease("a", LIMITS, T0, 60)
    assert again is not None
    with pytest.raises(LeaseLost):
        await deliver(gone, lease)
    await deliver(other, again)


async def test_claims_of_a_process_that_stops_are_free_immediately(database: OneDatabase) -> None:
    """One that wants nothing does not count among those that share either."""
    one, two = await database.open(), await database.open()
    await settled([one, two])
    assert await renew(one, []) == set()
    assert await renew(two) == set(NAMES)


async def test_closed_store_gives_its_claims_back(database: OneDatabase) -> None:
    """Also if its user has not done so."""
    one, two = await database.open(), await database.open()
    await settled([one, two])
    await one.close()
    assert await renew(two) == set(NAMES)


async def test_leases_outlast_a_time_in_which_no_process_reached_the_server(database: OneDatabase) -> None:
    """The first that comes back must not take its neighbors, which settle their requests in a moment, for dead."""
    one, two = await database.open(), await database.open()
    before = await settled([one, two])
    lease = await lease_one(two)
    database.clock.seconds += 30
    assert await renew(one) == before[0]
    await deliver(two, lease)
    assert await renew(two) == before[1]
    database.clock.seconds += 30
    await renew(one)
    database.clock.seconds += CLAIM_SECONDS - 1
    await renew(one)
    database.clock.seconds += 1
    assert await renew(one) == set(NAMES)


async def test_lease_of_a_process_without_claims_lasts_its_time(database: OneDatabase) -> None:
    """Leases alone decide who settles what; claims only end them earlier."""
    one, two = await database.open(), await database.open()
    lease = await lease_one(one)
    await renew(two)
    database.clock.seconds += 30
    await renew(two)
    await deliver(one, lease)
    assert await two.counts() == {}


async def test_topics_are_shared_independently(database: OneDatabase) -> None:
    """A process that does not deliver leaves the connections to the others."""
    one, two = await database.open(), await database.open()
    assert (await two.renew_claims("totals", ["totals"])).names == {"totals"}
    assert await renew(one) == set(NAMES)
    assert (await one.renew_claims("totals", ["totals"])).names == set()
