"""Two services over one PostgreSQL database, killed in turn under load: both account for every event together."""

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.accounting import Received, account, assert_books
from tests.crash.conftest import Show, Soak
from tests.crash.ledger import Ledger, Senders
from tests.crash.nodes import Node, dead_letters, drained, make_directories
from tests.crash.payloads import Payloads
from tests.integration.service_process import SandboxThread
from tests.postgres_server import shared_server
from tiktok_sandbox.steps import Pass

KILLS = 10
SOAK_KILLS = 100
SOONEST_KILL_SECONDS = 0.3
LATEST_KILL_SECONDS = 1.5
TIKTOK_SECONDS = 0.02
START_SECONDS = 30
DRAIN_SECONDS = 60
REQUESTS_IN_FLIGHT = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]


class LoadedNode:
    """A service of the two, with the load of its own senders."""

    def __init__(self, data_dir: Path, variables: Mapping[str, str], ledger: Ledger) -> None:
        self.node = Node(data_dir, variables)
        self._ledger = ledger
        self._senders: Senders | None = None

    def start(self, seed: int, sandbox: SandboxThread) -> None:
        """Start the service and its senders; return after their first 202."""
        self.node.start()
        self._senders = Senders(self._ledger, self.node.port, seed, sandbox.sandbox.script.poison, threads=2)
        assert self._senders.first_202.wait(START_SECONDS), self.node.log()

    def kill(self) -> None:
        self.node.kill()
        self.stop_sending()

    def stop_sending(self) -> None:
        if self._senders is not None:
            self._senders.stop()

    def close(self) -> None:
        self.stop_sending()
        self.node.close()


@pytest.fixture
def address() -> Iterator[str]:
    server = shared_server()
    name = asyncio.run(server.create_database())
    yield server.address(name)
    asyncio.run(server.drop_database(name))


def test_two_nodes_killed_in_turn_lose_nothing(address: str, tmp_path: Path, seed: int, soak: Soak, show: Show) -> None:
    """Accepted is delivered, dead-lettered and dropped; TikTok sees repeats only with the same ID and bytes."""
    kills = soak.choose(KILLS, SOAK_KILLS, SOAK_KILLS)
    chance = random.Random(seed)
    ledger, payloads = Ledger(), Payloads()
    log = tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox, ExitStack() as stack:
        sandbox.ask(lambda sandbox: sandbox.script.from_now_on(Pass(delay_seconds=TIKTOK_SECONDS, times=None)))
        variables = {
            "TIKTOK_FORWARDER_STORE": address,
            "TIKTOK_FORWARDER_TIKTOK_BASE_URL": sandbox.url,
            "TIKTOK_FORWARDER_MAX_WAIT_SECONDS": "0.02",
            "TIKTOK_FORWARDER_RETRY_FIRST_SECONDS": "0.1",
            "TIKTOK_FORWARDER_RETRY_MAX_SECONDS": "0.5",
        }
        directories = [tmp_path / "first", tmp_path / "second"]
        make_directories(address, *directories)
        nodes = [LoadedNode(directory, variables, ledger) for directory in directories]
        for node in nodes:
            stack.callback(node.close)
            node.start(chance.randrange(2**32), sandbox)
        for number in range(kills):
            time.sleep(chance.uniform(SOONEST_KILL_SECONDS, LATEST_KILL_SECONDS))
            nodes[number % 2].kill()
            payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
            nodes[number % 2].start(chance.randrange(2**32), sandbox)
        for node in nodes:
            node.stop_sending()
        books = drained(nodes[0].node.status, payloads, sandbox, DRAIN_SECONDS)
        assert books["totals"] == nodes[1].node.status()["totals"]
        for node in nodes:
            node.node.end()
        payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
    received = Received.from_log(log)
    dead = dead_letters(address)
    assert_books(ledger, received, dead, books)
    found = account(ledger, received, dead)
    show(f"{kills} kills of two nodes in turn", found)
    assert (found.lost, found.unexpected) == (0, 0)
    assert found.ok > 10 * kills
    assert found.duplicated <= kills * REQUESTS_IN_FLIGHT * payloads.largest_request
