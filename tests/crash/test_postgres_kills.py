"""SIGKILL of a PostgreSQL server and of the processes that share it: nothing is lost, and nothing is stored twice."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.conformance.rig import LIMITS, NOTHING, T0, event
from tests.crash.conftest import Soak
from tests.postgres_server import USER, OwnServer, own_server
from tiktok_forwarder.domain.errors import LeaseLost, StoreUnavailable
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.postgres.store import PostgresStore
from tiktok_forwarder.store.queue import Arrivals

KILLS = 3
SOAK_KILLS = 20
SENDERS = 8
APPENDS_BETWEEN = 500
LEASE_SECONDS = 2

Opening = Callable[[str], Awaitable[PostgresStore]]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

# Prints what it has appended and delivered until it is killed.
_NODE = f"""
import asyncio, sys
from tests.conformance.rig import LIMITS, T0, event
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.queue import Arrivals
from tiktok_forwarder.store.postgres.store import PostgresStore

async def main(address, prefix):
    store = await PostgresStore.open(address)
    async def append(sender):
        for n in range(1_000_000):
            names = [f"{{prefix}}-{{sender}}-{{n}}-{{m}}" for m in range(5)]
            await store.append(Arrivals([event(name) for name in names], {{}}, T0))
            print("appended", *names, flush=True)
    async def deliver():
        while True:
            lease = await store.lease("a", LIMITS, T0, {LEASE_SECONDS})
            if lease is None:
                await asyncio.sleep(0.01)
                continue
            await store.settle(lease, {{each.event_no: Delivered() for each in lease.events}}, T0)
            print("delivered", *[each.event_id for each in lease.events], flush=True)
    await asyncio.gather(*map(append, range({SENDERS})), deliver())

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server() as started:
        yield started


@pytest.fixture
async def open_store(server: OwnServer) -> AsyncIterator[Opening]:
    """Closes the stores that it has opened, however the test ends."""
    stores: list[PostgresStore] = []

    async def opening(address: str) -> PostgresStore:
        stores.append(await PostgresStore.open(address))
        return stores[-1]

    yield opening
    for store in stores:
        await store.close()


async def test_killed_server_loses_no_event_and_stores_none_twice(
    server: OwnServer, open_store: Opening, soak: Soak
) -> None:
    """Senders repeat what was not acknowledged, deliverers what was not settled; the totals agree with both."""
    store = await open_store(server.address(await server.create_database()))
    is_over = asyncio.Event()
    acknowledged = asyncio.Semaphore(0)
    appended: list[str] = []
    settled: dict[int, str] = {}

    async def send(sender: int) -> None:
        n = 0
        while not is_over.is_set():
            name = f"{sender}-{n}"
            try:
                await store.append(Arrivals([event(name)], {}, T0))
            except StoreUnavailable:
                await asyncio.sleep(0.05)
                continue
            appended.append(name)
            acknowledged.release()
            n += 1

    async def deliver() -> None:
        while not is_over.is_set():
            try:
                lease = await store.lease("a", LIMITS, T0, LEASE_SECONDS)
                if lease is None:
                    await asyncio.sleep(0.01)
                    continue
                await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
            except (StoreUnavailable, LeaseLost):
                await asyncio.sleep(0.05)
                continue
            twice = settled.keys() & {each.event_no for each in lease.events}
            assert not twice
            settled.update({each.event_no: each.event_id for each in lease.events})

    async def kill() -> None:
        for _ in range(SOAK_KILLS if soak.is_on else KILLS):
            for _ in range(APPENDS_BETWEEN):
                await acknowledged.acquire()
            server.kill()
            await asyncio.to_thread(server.restart)
        is_over.set()

    await asyncio.gather(kill(), *map(send, range(SENDERS)), deliver())
    counts = (await store.counts()).get("a", NOTHING)
    totals = {row.counter: row.count for row in await store.totals()}
    # A sender that was stopped between its event's commit and the acknowledgement has not counted it.
    assert len(appended) == len(set(appended)) <= totals["accepted"] <= len(appended) + SENDERS
    assert totals["accepted"] == totals["delivered"] + counts.waiting
    left = await _drain(store)
    assert len(left) == counts.waiting and len(settled) <= totals["delivered"]
    assert not set(left) & set(settled.values())
    # What was settled though its answer was lost is known to the database alone.
    unknown = totals["delivered"] - len(settled)
    assert len(set(appended) - set(left) - set(settled.values())) <= unknown


async def test_standby_takes_over_from_a_killed_server(server: OwnServer, open_store: Opening) -> None:
    """Of several hosts in the address, the one that can write is used; a synchronous standby has every event."""
    name = await server.create_database()
    with own_server(server) as standby:
        await server.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        await server.run("SELECT pg_reload_conf()")
        hosts = f"host={standby.folder},{server.folder}&port=5432,5432"
        store = await open_store(f"postgresql:///{name}?{hosts}&user={USER}")
        appended: list[str] = []
        is_over = asyncio.Event()

        async def send(sender: int) -> None:
            n = 0
            while not is_over.is_set():
                try:
                    await store.append(Arrivals([event(f"{sender}-{n}")], {}, T0))
                except StoreUnavailable:
                    await asyncio.sleep(0.05)
                    continue
                appended.append(f"{sender}-{n}")
                acknowledged.release()
                n += 1

        async def fail_over() -> None:
            for _ in range(APPENDS_BETWEEN):
                await acknowledged.acquire()
            server.kill()
            # As copied from the first: it would wait for a standby of its own.
            await standby.run("ALTER SYSTEM SET synchronous_standby_names = ''")
            await standby.run("SELECT pg_promote()")
            await standby.run("SELECT pg_reload_conf()")
            for _ in range(APPENDS_BETWEEN):
                await acknowledged.acquire()
            is_over.set()

        acknowledged = asyncio.Semaphore(0)
        await asyncio.gather(fail_over(), *map(send, range(SENDERS)))
        totals = {row.counter: row.count for row in await store.totals()}
        assert len(appended) <= totals["accepted"] <= len(appended) + SENDERS
        assert (await store.counts())["a"].waiting == totals["accepted"]
        assert set(appended) <= set(await _drain(store))
        await store.close()


async def test_killed_process_leaves_its_events_to_the_others(
    server: OwnServer, open_store: Opening, soak: Soak
) -> None:
    """The leases of a process that was killed expire; accepted is delivered and waiting, whoever did it."""
    address = server.address(await server.create_database())
    nodes = [_start_node(address, f"start{number}") for number in range(2)]
    outputs: list[str] = []
    for number in range(SOAK_KILLS if soak.is_on else KILLS):
        await asyncio.sleep(1.5)
        killed = nodes.pop(0)
        nodes.append(_start_node(address, f"node{number}"))
        outputs += await asyncio.to_thread(_end, killed)
    for node in nodes:
        outputs += await asyncio.to_thread(_end, node)
    appended = _names(outputs, "appended")
    delivered = _names(outputs, "delivered")
    store = await open_store(address)
    begun = time.monotonic()
    left: list[str] = []
    while (await store.counts()).get("a") is not None and time.monotonic() < begun + 60:
        left += await _drain(store)
        await asyncio.sleep(0.1)
    totals = {row.counter: row.count for row in await store.totals()}
    assert len(appended) > 100
    assert len(delivered) == len(set(delivered))
    assert not set(delivered) & set(left)
    assert totals["accepted"] == totals["delivered"] >= len(delivered) + len(left)
    # At most one lease of each killed process was settled without its line.
    unknown = totals["delivered"] - len(delivered) - len(left)
    assert len(set(appended) - set(delivered) - set(left)) <= unknown


async def _drain(store: PostgresStore) -> list[str]:
    """Deliver what can be leased; return the IDs."""
    done: list[str] = []
    await asyncio.sleep(LEASE_SECONDS)
    while (lease := await store.lease("a", LIMITS, T0, LEASE_SECONDS * 10)) is not None:
        await store.settle(lease, {each.event_no: Delivered() for each in lease.events}, T0)
        done += [each.event_id for each in lease.events]
    return done


def _start_node(address: str, prefix: str) -> Any:
    return subprocess.Popen([sys.executable, "-c", _NODE, address, prefix], stdout=subprocess.PIPE, text=True)


def _end(node: Any) -> list[str]:
    node.kill()
    output, _ = node.communicate()
    return list(output.split("\n")[:-1])


def _names(lines: list[str], verb: str) -> list[str]:
    return [name for line in lines if line.startswith(verb) for name in line.split()[1:]]
