"""Two services over one PostgreSQL database, killed in turn under load: both account for every event together."""

import asyncio
import random
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.crash.accounting import Received, account, assert_books
from tests.crash.conftest import Show, Soak
from tests.crash.ledger import Ledger, Senders
from tests.crash.nursery import ProcessSpawner, SpawnRequest
from tests.crash.payloads import Payloads
from tests.integration.service_process import CONNECTION, STARTED, SandboxThread, command, environment
from tests.postgres_server import shared_server
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.settings import load_settings
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.postgres.store import PostgresStore
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


class Node:
    """A service of the two, with a data directory of its own and the load of its own senders."""

    def __init__(self, data_dir: Path, variables: Mapping[str, str], ledger: Ledger) -> None:
        self.data_dir = data_dir
        self._log = data_dir.parent / f"{data_dir.name}.log"
        self._variables = environment(**variables, TIKTOK_FORWARDER_DATA_DIR=str(data_dir))
        self._ledger = ledger
        self._nursery = ProcessSpawner()
        self._senders: Senders | None = None

    def start(self, seed: int, sandbox: SandboxThread) -> None:
        """Start the service and its senders; return after their first 202."""
        self._log.write_text("")
        self._nursery.start(SpawnRequest(("serve", "--port", "0"), self._variables, str(self._log)))
        deadline = time.monotonic() + START_SECONDS
        while STARTED not in (log := self._log.read_text()):
            assert self._nursery.is_running and time.monotonic() < deadline, log
            time.sleep(0.005)
        port = int(log.partition(STARTED)[2].split()[0])
        self._senders = Senders(self._ledger, port, seed, sandbox.sandbox.script.poison, threads=2)
        assert self._senders.first_202.wait(START_SECONDS), self._log.read_text()

    def kill(self) -> None:
        self._nursery.signal(signal.SIGKILL)
        assert self._nursery.ended() == -signal.SIGKILL, self._log.read_text()
        self.stop_sending()

    def stop_sending(self) -> None:
        if self._senders is not None:
            self._senders.stop()

    def status(self) -> dict[str, Any]:
        """How the service accounts for its one connection."""
        settings = load_settings(None, {}, data_dir=self.data_dir)
        (books,) = call_running(settings, "GET", "/api/status", None)["connections"]
        return dict(books)

    def end(self) -> None:
        self._nursery.signal(signal.SIGTERM)
        assert self._nursery.ended() == 0, self._log.read_text()

    def close(self) -> None:
        self.stop_sending()
        self._nursery.close()


@pytest.fixture
def address() -> Iterator[str]:
    server = shared_server()
    name = asyncio.run(server.create_database())
    yield server.address(name)
    asyncio.run(server.drop_database(name))


@pytest.fixture
def directories(address: str, tmp_path: Path) -> tuple[Path, Path]:
    """Two data directories with one key; the database has an input and a connection."""
    first, second = tmp_path / "first", tmp_path / "second"
    file = tmp_path / "shop.toml"
    file.write_text(CONNECTION)
    shop = ("--name", "shop", "--key", "key-of-the-shop", "--secret", "secret-of-the-shop")
    variables = {"TIKTOK_FORWARDER_STORE": address, "SHOP_TOKEN": "access-token-0123456789"}
    for arguments in (("inputs", "add", *shop), ("connections", "add", str(file))):
        done = command(*arguments, "--data-dir", str(first), **variables)
        assert done.returncode == 0, done.stderr
    second.mkdir(mode=0o700)
    shutil.copy2(first / "encryption.key", second)
    return first, second


def test_two_nodes_killed_in_turn_lose_nothing(
    address: str, directories: tuple[Path, Path], tmp_path: Path, seed: int, soak: Soak, show: Show
) -> None:
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
        nodes = [Node(directory, variables, ledger) for directory in directories]
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
        books = _drained(nodes[0], payloads, sandbox)
        assert books["totals"] == nodes[1].status()["totals"]
        for node in nodes:
            node.end()
        payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
    received = Received.from_log(log)
    dead = asyncio.run(_dead_letters(address))
    assert_books(ledger, received, dead, books)
    found = account(ledger, received, dead)
    show(f"{kills} kills of two nodes in turn", found)
    assert (found.lost, found.unexpected) == (0, 0)
    assert found.ok > 10 * kills
    assert found.duplicated <= kills * REQUESTS_IN_FLIGHT * payloads.largest_request


def _drained(node: Node, payloads: Payloads, sandbox: SandboxThread) -> dict[str, Any]:
    deadline = time.monotonic() + DRAIN_SECONDS
    while (books := node.status())["queue"] and books["queue"]["waiting"]:
        assert time.monotonic() < deadline, books
        time.sleep(0.05)
        payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
    return books


async def _dead_letters(address: str) -> list[str]:
    store = await PostgresStore.open(address)
    try:
        return [letter.event_id for letter in await store.dead_letters(DeadLetterFilter(), limit=1_000_000)]
    finally:
        await store.close()
