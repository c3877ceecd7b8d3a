"""Several nodes over one database: who delivers what, and what happens when a node comes or goes."""

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_node import CONNECTIONS, POLICY, DeliveryNode, delivery_node, every_connection
from tests.integration.delivery_rig import Connections, Received, Rig, ScriptedTikTok, answer, delivery_rig, ids
from tests.patience import wait_until
from tests.unit.store.postgres_rig import OneDatabase, one_database, wire
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.store.claims import CLAIM_SECONDS

pytestmark = pytest.mark.slow
TAKEOVER_SECONDS = 5.0


class Nodes:
    """Nodes over one database, in front of one TikTok."""

    def __init__(self, database: OneDatabase, rig: Rig, stack: AsyncExitStack) -> None:
        self.database = database.name
        self.address = database.address
        self.tiktok = rig.tiktok
        self.connections = every_connection()
        self._stack = stack

    async def start(
        self,
        policy: DeliveryPolicy = POLICY,
        connections: Connections | None = None,
        *,
        address: str = "",
        tiktok: ScriptedTikTok | None = None,
    ) -> DeliveryNode:
        url = (tiktok or self.tiktok).url
        node = delivery_node(address or self.address, url, connections or self.connections, policy)
        return await self._stack.enter_async_context(node)

    async def start_program(self) -> asyncio.subprocess.Process:
        """Start a node in a process of its own."""
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.delivery_node", self.address, self.tiktok.url),
            stdout=asyncio.subprocess.PIPE,
        )
        self._stack.push_async_callback(_end, program)
        return program


async def _end(program: asyncio.subprocess.Process) -> None:
    if program.returncode is None:
        program.kill()
    await program.communicate()


@pytest.fixture
async def nodes() -> AsyncIterator[Nodes]:
    async with one_database() as database, delivery_rig(start=False) as rig, AsyncExitStack() as stack:
        yield Nodes(database, rig, stack)


async def until_shared(*nodes: DeliveryNode) -> None:
    await wait_until(lambda: all(len(node.delivers) == len(CONNECTIONS) / len(nodes) for node in nodes))


async def test_nodes_share_the_connections(nodes: Nodes) -> None:
    """One that joins gets its part within seconds; each event is sent once, whichever node has received it."""
    one = await nodes.start()
    assert one.delivers == set(CONNECTIONS)
    two = await nodes.start()
    await until_shared(one, two)
    assert one.delivers | two.delivers == set(CONNECTIONS)
    for connection_id in CONNECTIONS:
        await one.accept(ids(25, f"{connection_id}-one-"), connection_id)
        await two.accept(ids(25, f"{connection_id}-two-"), connection_id)
    await wait_until(lambda: len(nodes.tiktok.event_ids) >= 200)
    await asyncio.sleep(0.2)
    assert Counter(nodes.tiktok.event_ids).most_common(1)[0][1] == 1
    assert len(nodes.tiktok.event_ids) == 200
    assert (one.witness.failures, two.witness.failures) == ([], [])


async def test_event_that_another_node_received_is_sent_without_delay(nodes: Nodes) -> None:
    """Each node is told what the others have received."""
    one, two = await nodes.start(), await nodes.start()
    await until_shared(one, two)
    for number in range(5):
        for connection_id in sorted(two.delivers):
            sent = len(nodes.tiktok.requests)
            await asyncio.sleep(0.1)
            await one.accept([f"{connection_id}{number}"], connection_id)
            assert await wait_until(lambda sent=sent: len(nodes.tiktok.requests) > sent) < 0.4


async def test_connections_of_a_node_that_stops_pass_to_the_other(nodes: Nodes) -> None:
    """At the next renewal, with what it had not sent."""
    one, two = await nodes.start(), await nodes.start()
    await until_shared(one, two)
    await one.deliverer.stop(1.0)
    assert await wait_until(lambda: two.delivers == set(CONNECTIONS)) < 2.5
    await one.accept(["late"], "a")
    await wait_until(lambda: "late" in nodes.tiktok.event_ids)


async def test_connections_of_a_killed_node_are_delivered_within_five_seconds(nodes: Nodes) -> None:
    """What it was sending is sent again, as the same bytes; everything else is sent once."""
    program = await nodes.start_program()
    assert program.stdout is not None
    assert await program.stdout.readline() == b"a b c d\n"
    one = await nodes.start()
    await wait_until(lambda: len(one.delivers) == 2)
    (theirs, _) = sorted(set(CONNECTIONS) - one.delivers)
    answering = asyncio.Event()

    async def hang(_: Received) -> web.StreamResponse:
        await answering.wait()
        return answer(0)

    nodes.tiktok.judge = hang
    await one.accept(ids(10, "sending"), theirs)
    await wait_until(lambda: len(nodes.tiktok.requests) == 1)
    program.send_signal(signal.SIGKILL)
    killed_at = time.monotonic()
    nodes.tiktok.judge = lambda _: answer(0)
    await one.accept(ids(10, "waiting"), theirs)
    await wait_until(lambda: len(nodes.tiktok.requests) == 3)
    answering.set()
    assert nodes.tiktok.requests[-1].at - killed_at < TAKEOVER_SECONDS
    assert one.delivers == set(CONNECTIONS)
    sent, *rest = nodes.tiktok.requests
    assert sent.body in [request.body for request in rest]
    counted = Counter(nodes.tiktok.event_ids)
    assert counted == {**dict.fromkeys(ids(10, "sending"), 2), **dict.fromkeys(ids(10, "waiting"), 1)}


async def test_node_that_is_cut_off_stops_sending_before_another_begins(nodes: Nodes, tmp_path: Path) -> None:
    """Also in the middle of a group that it divides, for which it does not need the database."""
    async with delivery_rig(start=False) as apart, wire(tmp_path) as to_database:

        async def refuse(_: Received) -> web.StreamResponse:
            await asyncio.sleep(0.25)
            return answer(40002)

        apart.tiktok.judge = refuse
        one = await nodes.start(address=to_database.address(nodes.database), tiktok=apart.tiktok)
        await one.accept(ids(10), "a")
        await wait_until(lambda: len(apart.tiktok.requests) == 1)
        two = await nodes.start()
        to_database.cut()
        assert await wait_until(lambda: two.delivers == set(CONNECTIONS)) < TAKEOVER_SECONDS
        await wait_until(lambda: sorted(nodes.tiktok.event_ids) == ids(10))
        sent = len(apart.tiktok.requests)
        await asyncio.sleep(0.6)
        # A group of ten whose events are all refused is divided into 19 requests.
        assert 5 < sent == len(apart.tiktok.requests) < 19
        assert apart.tiktok.requests[-1].at < nodes.tiktok.requests[0].at
        to_database.is_cut = False


async def test_time_without_the_database_repeats_no_request(nodes: Nodes, tmp_path: Path) -> None:
    """Though every claim has ended: each node keeps its connections, and stores what TikTok has answered."""
    policy = replace(POLICY, trouble_wait_seconds=1.0)
    async with wire(tmp_path) as to_database:
        address = to_database.address(nodes.database)
        one, two = [await nodes.start(policy, address=address) for _ in range(2)]
        await until_shared(one, two)
        before = one.delivers, two.delivers
        answering = asyncio.Event()

        async def hang(_: Received) -> web.StreamResponse:
            await answering.wait()
            return answer(0)

        nodes.tiktok.judge = hang
        for connection_id in CONNECTIONS:
            await one.accept(ids(10, connection_id), connection_id)
        await wait_until(lambda: len(nodes.tiktok.requests) == len(CONNECTIONS))
        to_database.cut()
        answering.set()
        await asyncio.sleep(CLAIM_SECONDS + 1)
        to_database.is_cut = False
        delivered = [node.witness.outcomes for node in (one, two)]
        await wait_until(lambda: sum(counts.total() for counts in delivered) == 40)
        await asyncio.sleep(1.5)
        assert (one.delivers, two.delivers) == before
        assert len(nodes.tiktok.requests) == len(CONNECTIONS)


async def test_connections_of_one_access_token_share_its_rate(nodes: Nodes) -> None:
    """However many nodes there are: one of them sends all requests of the token."""
    policy = replace(POLICY, requests_per_second=20.0, limits=replace(POLICY.limits, max_events={"2.0": 1}))
    connections = every_connection("shared")
    one, two = [await nodes.start(policy, connections) for _ in range(2)]
    for connection_id in CONNECTIONS:
        await two.accept(ids(20, connection_id), connection_id)
    await wait_until(lambda: len(nodes.tiktok.requests) == 80)
    times = [request.at for request in nodes.tiktok.requests]
    assert max(sum(at <= time < at + 1 for time in times) for at in times) <= 23
    assert sorted([len(one.delivers), len(two.delivers)]) == [0, 4]


async def test_connection_that_another_node_delivers_has_a_status(nodes: Nodes) -> None:
    """Paused or not; a pause by hand may be made and ended on any node."""
    one, two = await nodes.start(), await nodes.start()
    await until_shared(one, two)
    theirs = min(two.delivers)
    status = one.deliverer.status(theirs)
    assert (status.condition, status.is_elsewhere) == ("not_checked", True)
    status = await one.deliverer.pause(theirs, "why", "ann")
    assert (status.condition, status.reason, status.by, status.is_elsewhere) == ("paused", "why", "ann", True)
    await two.deliverer.stop(1.0)
    await wait_until(lambda: theirs in one.delivers)
    assert one.deliverer.status(theirs).condition == "paused"
    assert (await one.deliverer.resume(theirs, "ann")).condition == "not_checked"
