"""Five services of three roles over a PostgreSQL cluster under Patroni, while one process after another is killed."""

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec import Struct

from tests.crash.accounting import Received, account, assert_books
from tests.crash.balanced_senders import BalancedSenders
from tests.crash.conftest import PrintAtEnd, Show, Soak
from tests.crash.ledger import Ledger
from tests.crash.nodes import Node, dead_letters, drained, make_directories
from tests.crash.payloads import Payloads
from tests.integration.service_process import SandboxThread
from tests.patroni_cluster import TTL_SECONDS, PatroniCluster, patroni_cluster
from tiktok_sandbox.steps import Pass

ROLES = ("ingest", "ingest", "deliver", "deliver", "console")
FAULTS = 8
SOAK_FAULTS = 15
SOAK_SECONDS_EACH = 60.0
# What is killed stays away for this long, unless it comes back without a hand.
DOWN_SECONDS = 6.0
FROZEN_SECONDS = TTL_SECONDS + 8.0
MAX_SECONDS_WITHOUT_202 = TTL_SECONDS + 5
TIKTOK_SECONDS = 0.02
DRAIN_SECONDS = 90
REQUESTS_IN_FLIGHT = 4

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800), pytest.mark.xdist_group("failover")]


class Faults:
    """What can happen to the processes. Each function returns once it has happened and what was lost is back."""

    def __init__(self, cluster: PatroniCluster, nodes: Sequence[Node], chance: random.Random) -> None:
        self._cluster = cluster
        self._nodes = nodes
        self._chance = chance
        self.kinds: dict[str, Callable[[], None]] = {
            "primary": self.kill_primary,
            "primary and its Patroni": self.kill_primary_and_patroni,
            "standby and its Patroni": self.kill_standby,
            "etcd server": self.kill_etcd,
            "ingest node": lambda: self.kill_node("ingest"),
            "deliver node": lambda: self.kill_node("deliver"),
            "console node": lambda: self.kill_node("console"),
            "partition of the primary": self.freeze_primary,
        }

    def kill_primary(self) -> None:
        self._cluster.primary.kill_postgres()

    def kill_primary_and_patroni(self) -> None:
        killed = self._cluster.primary
        killed.kill()
        assert self._cluster.primary is not killed
        killed.patroni.restart()

    def kill_standby(self) -> None:
        killed = self._cluster.standby()
        killed.kill()
        time.sleep(DOWN_SECONDS)
        killed.patroni.restart()

    def kill_etcd(self) -> None:
        server = self._chance.choice(self._cluster.etcd)
        server.kill()
        time.sleep(DOWN_SECONDS)
        server.restart()

    def kill_node(self, role: str) -> None:
        node = self._chance.choice([node for node in self._nodes if node.name.startswith(role)])
        node.kill()
        time.sleep(DOWN_SECONDS)
        node.start()

    def freeze_primary(self) -> None:
        """Neither Patroni nor clients get an answer, and connections stay open. The others choose a new primary."""
        frozen = self._cluster.primary
        frozen.freeze()
        time.sleep(FROZEN_SECONDS)
        frozen.thaw()
        assert self._cluster.primary is not frozen


class Happened(Struct, frozen=True):
    """A fault, and how long no request was answered 202 after it."""

    kind: str
    gap_seconds: float


@pytest.fixture(scope="module")
def cluster() -> Iterator[PatroniCluster]:
    with patroni_cluster() as running:
        yield running


def test_failovers_lose_nothing(
    cluster: PatroniCluster,
    tmp_path: Path,
    seed: int,
    soak: Soak,
    show: Show,
    print_at_end: PrintAtEnd,
) -> None:
    """Whatever is killed, the rest goes on: accepted is delivered, dead-lettered and dropped, and heals by itself."""
    chance = random.Random(seed)
    ledger, payloads = Ledger(), Payloads()
    log = tmp_path / "sandbox.jsonl"
    address = cluster.address("postgres")
    names = [f"{role}{number}" for number, role in enumerate(ROLES, 1)]
    make_directories(address, *[tmp_path / name for name in names])
    happened: list[Happened] = []
    with SandboxThread(log) as sandbox, ExitStack() as stack:
        sandbox.ask(lambda sandbox: sandbox.script.from_now_on(Pass(delay_seconds=TIKTOK_SECONDS, times=None)))
        nodes = []
        for name, role in zip(names, ROLES, strict=True):
            variables = {
                "TIKTOK_FORWARDER_STORE": address,
                "TIKTOK_FORWARDER_ROLE": role,
                "TIKTOK_FORWARDER_TIKTOK_BASE_URL": sandbox.url,
                "TIKTOK_FORWARDER_MAX_WAIT_SECONDS": "0.05",
                "TIKTOK_FORWARDER_RETRY_FIRST_SECONDS": "0.1",
                "TIKTOK_FORWARDER_RETRY_MAX_SECONDS": "0.5",
            }
            node = Node(tmp_path / name, variables)
            stack.callback(node.close)
            node.start()
            nodes.append(node)
        senders = BalancedSenders(ledger, nodes[:2], chance.randrange(2**32), sandbox.sandbox.script.poison)
        stack.callback(senders.stop)
        faults = Faults(cluster, nodes, chance)
        kinds = list(faults.kinds)
        chance.shuffle(kinds)
        for kind in itertools.islice(itertools.cycle(kinds), soak.choose(FAULTS, SOAK_FAULTS, 4 * SOAK_FAULTS)):
            time.sleep(1)
            began = time.monotonic()
            faults.kinds[kind]()
            cluster.wait_until_whole()
            payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
            time.sleep(max(2.0, began + SOAK_SECONDS_EACH - time.monotonic() if soak.is_on else 0.0))
            gap = senders.longest_gap(began, time.monotonic())
            happened.append(Happened(kind, gap))
            payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
        senders.stop()
        books = drained(nodes[-1].status, payloads, sandbox, DRAIN_SECONDS)
        for node in nodes:
            node.end()
        payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
    received = Received.from_log(log)
    dead = dead_letters(address)
    found = account(ledger, received, dead)
    show(f"{len(happened)} faults of a cluster with five nodes", found)
    print_at_end("\n".join(map(_row, happened)))
    assert_books(ledger, received, dead, books)
    assert (found.lost, found.unexpected) == (0, 0)
    assert found.duplicated <= len(happened) * REQUESTS_IN_FLIGHT * payloads.largest_request
    assert [each for each in happened if each.gap_seconds > MAX_SECONDS_WITHOUT_202] == []


def _row(each: Happened) -> str:
    return f"{each.kind:<26}{each.gap_seconds:>6.1f} s without a 202"
