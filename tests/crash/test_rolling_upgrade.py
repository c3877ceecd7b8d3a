"""Two services over one PostgreSQL database are updated one after the other, under load."""

import asyncio
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import tiktok_forwarder
from tests.crash.accounting import Received, account, assert_books
from tests.crash.balanced_senders import BalancedSenders
from tests.crash.conftest import Show
from tests.crash.ledger import Ledger
from tests.crash.nodes import dead_letters, drained, make_directories, status_of
from tests.crash.payloads import Payloads
from tests.integration.service_process import SandboxThread, ServiceProcess
from tests.postgres_server import shared_server
from tiktok_forwarder.store.postgres.statements import migrations
from tiktok_sandbox.steps import Pass

# The checkout of an older version to update from; otherwise the next version is made up from this one.
OLD_CHECKOUT_VARIABLE = "OLD_CHECKOUT"
TABLES = (
    "nodes",
    "lanes",
    "lane_counts",
    "totals",
    "fresh",
    "returned",
    "leases",
    "dead_letters",
    "claims",
    "documents",
)
SIDE_BY_SIDE_SECONDS = 4.0
MAX_SECONDS_WITHOUT_202 = 5.0
TAKEN_OVER_REQUESTS = 8
DRAIN_SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Node(ServiceProcess):
    """A service of a version, on a data directory of its own."""

    def __init__(self, data_dir: Path, source: Path, database: str, tiktok_url: str) -> None:
        variables = {"TIKTOK_FORWARDER_STORE": database, "PYTHONPATH": str(source)}
        super().__init__(data_dir, tiktok_url, **variables)


@pytest.fixture
def database() -> Iterator[str]:
    server = shared_server()
    name = asyncio.run(server.create_database())
    yield server.address(name)
    asyncio.run(server.drop_database(name))


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Path, Path]:
    """The sources of the version before, and of the one after."""
    this = Path(tiktok_forwarder.__file__).parents[1]
    if older := os.environ.get(OLD_CHECKOUT_VARIABLE):
        return Path(older) / "src", this
    known = len(migrations())
    next_one = tmp_path / "next"
    shutil.copytree(this, next_one, ignore=shutil.ignore_patterns("__pycache__"))
    added = "".join(f"ALTER TABLE forwarder.{table} ADD COLUMN added_later integer;\n" for table in TABLES)
    script = next_one / "tiktok_forwarder" / "store" / "postgres" / "migrations" / f"{known + 1:03}_next.sql"
    script.write_text(f"-- oldest program: {known}\n{added}")
    return this, next_one


def test_rolling_upgrade_loses_nothing(
    database: str, versions: tuple[Path, Path], tmp_path: Path, seed: int, show: Show
) -> None:
    """Both versions deliver side by side, and the older one starts again although the newer has changed the schema."""
    before, after = versions
    ledger, payloads = Ledger(), Payloads()
    log = tmp_path / "sandbox.jsonl"
    directories = [tmp_path / name / "data" for name in ("first", "second")]
    for directory in directories:
        directory.parent.mkdir()
    make_directories(database, *directories, PYTHONPATH=str(before))
    with SandboxThread(log) as sandbox, ExitStack() as stack:
        sandbox.ask(lambda sandbox: sandbox.script.from_now_on(Pass(delay_seconds=0.02, times=None)))
        nodes = [Node(directory, before, database, sandbox.url) for directory in directories]
        stack.callback(_kill_all, nodes)
        senders = BalancedSenders(ledger, nodes, random.Random(seed).randrange(2**32), sandbox.sandbox.script.poison)
        stack.callback(senders.stop)
        began = time.monotonic()

        def side_by_side() -> None:
            time.sleep(SIDE_BY_SIDE_SECONDS)
            payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))

        def restart(number: int, source: Path, how: signal.Signals) -> None:
            ended = nodes[number].end(how)
            assert ended == (0 if how is signal.SIGTERM else -how), nodes[number].log_file.read_text()
            nodes[number] = Node(directories[number], source, database, sandbox.url)
            side_by_side()

        side_by_side()
        restart(0, after, signal.SIGTERM)
        restart(1, before, signal.SIGKILL)
        restart(0, after, signal.SIGKILL)
        restart(1, after, signal.SIGTERM)
        gap = senders.longest_gap(began, time.monotonic())
        senders.stop()
        books = drained(lambda: status_of(directories[0]), payloads, sandbox, DRAIN_SECONDS)
        for node in nodes:
            assert node.end() == 0, node.log_file.read_text()
        payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
    received = Received.from_log(log)
    dead = dead_letters(database)
    found = account(ledger, received, dead)
    show("an upgrade of two nodes in turn", found)
    assert_books(ledger, received, dead, books)
    assert (found.lost, found.unexpected) == (0, 0)
    assert found.duplicated <= TAKEN_OVER_REQUESTS * payloads.largest_request
    assert gap < MAX_SECONDS_WITHOUT_202


def _kill_all(nodes: list[Node]) -> None:
    for node in nodes:
        if node.process.poll() is None:
            node.end(signal.SIGKILL)
