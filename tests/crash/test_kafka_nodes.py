"""Two nodes in one consumer group: rebalances and kills lose no message; no offset is committed ahead of the store."""

import asyncio
import json
import random
import re
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.accounting import Received
from tests.crash.conftest import PrintAtEnd, Soak
from tests.crash.nodes import Node, drained, make_directories
from tests.crash.payloads import Payloads
from tests.integration.service_process import SandboxThread, command
from tests.kafka_broker import TOPIC, Broker, batch_of_output
from tests.patience import Patience
from tests.postgres_server import PostgresServer, shared_server
from tiktok_sandbox.steps import Pass

ROUNDS = 3
SOAK_ROUNDS = 20
PARTITIONS = 4
EVENTS_OF_A_BATCH = 3
MESSAGES_AT_A_TIME = 24
TIKTOK_SECONDS = 0.02
# A killed consumer keeps its partitions for a session of 15 seconds.
REBALANCE_SECONDS = 90
DRAIN_SECONDS = 120
_ACCEPTED = re.compile(
    r'^tiktok_forwarder_kafka_messages_total\{input="kafka",outcome="accepted"\} (\S+)', re.MULTILINE
)
POISON = (b"{", b"[1]", b'"shopper@example.com"', None, b"")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]


class Output(threading.Thread):
    """mParticle's Kafka output: writes batches until it is stopped; some messages are no batch at all."""

    def __init__(self, broker: Broker, seed: int) -> None:
        super().__init__(daemon=True)
        self._broker = broker
        self._chance = random.Random(seed)
        self._ends = threading.Event()
        self.batches = self.others = 0

    def run(self) -> None:
        while not self._ends.wait(0.1):
            self._broker.produce([self._value() for _ in range(MESSAGES_AT_A_TIME)])

    def _value(self) -> bytes | None:
        if self._chance.random() < 0.05:
            self.others += 1
            return self._chance.choice(POISON)
        self.batches += 1
        return json.dumps(batch_of_output(*(f"e{self.batches}-{n}" for n in range(EVENTS_OF_A_BATCH)))).encode()

    def stop(self) -> None:
        self._ends.set()
        self.join(30)


@pytest.fixture
def database() -> Iterator[tuple[PostgresServer, str]]:
    server = shared_server()
    name = asyncio.run(server.create_database())
    yield server, name
    asyncio.run(server.drop_database(name))


def event_ids_of(value: bytes | None) -> list[str]:
    """The events of a message; none of what is no batch."""
    try:
        batch = json.loads(value or b"")
    except ValueError:
        return []
    return [each["data"]["source_message_id"] for each in batch["events"]] if isinstance(batch, dict) else []


def stored_or_sent(server: PostgresServer, database: str, log: Path) -> set[str]:
    """The events that are in the store, or were in it: an event leaves the queue after the sandbox has logged it."""

    async def waiting() -> set[str]:
        async with server.connection(database) as connection:
            rows = await connection.fetch(
                "SELECT event_id FROM forwarder.fresh UNION ALL SELECT event_id FROM forwarder.returned "
                "UNION ALL SELECT event_id FROM forwarder.dead_letters"
            )
        return {row["event_id"].decode() for row in rows}

    return asyncio.run(waiting()) | Received.from_log(log).seen


def check_committed(broker: Broker, server: PostgresServer, database: str, log: Path) -> int:
    """Fail if a message below the group's committed offsets is not stored; return how many there are."""
    committed = broker.committed()
    known = stored_or_sent(server, database, log)
    below = {place: value for place, value in broker.messages().items() if place[1] < committed[place[0]]}
    for place, value in below.items():
        assert known.issuperset(event_ids_of(value)), (place, committed)
    return len(below)


def wait_until_committed(broker: Broker, messages: Mapping[tuple[int, int], bytes | None]) -> None:
    """Wait until the group has read all messages."""
    ends = {number: sum(1 for partition, _ in messages if partition == number) for number in range(PARTITIONS)}
    patience = Patience(DRAIN_SECONDS)
    while (committed := broker.committed()) != ends:
        assert patience.lasts(), (committed, ends)
        time.sleep(0.3)


def wait_for_all_partitions(node: Node, consumers: int) -> None:
    patience = Patience(REBALANCE_SECONDS)
    while True:
        found = node.kafka_input()
        numbers = sorted(each["partition"] for each in found["partitions"])
        if numbers == list(range(PARTITIONS)) and found["consumers"] == consumers and found["state"] == "connected":
            return
        assert patience.lasts(), found
        time.sleep(0.2)


def configure(address: str, tiktok_url: str, broker: Broker, folder: Path) -> tuple[dict[str, str], list[Path]]:
    """Make the data directories of two nodes with a Kafka input; return the nodes' variables and the directories."""
    variables = {
        "TIKTOK_FORWARDER_STORE": address,
        "TIKTOK_FORWARDER_TIKTOK_BASE_URL": tiktok_url,
        "TIKTOK_FORWARDER_MAX_WAIT_SECONDS": "0.02",
        "TIKTOK_FORWARDER_RETRY_FIRST_SECONDS": "0.1",
        "TIKTOK_FORWARDER_RETRY_MAX_SECONDS": "0.5",
    }
    directories = [folder / "first", folder / "second"]
    make_directories(address, *directories)
    kafka = ("--name", "kafka", "--kafka", broker.server, "--topic", TOPIC, "--plaintext")
    done = command("inputs", "add", *kafka, "--data-dir", str(directories[0]), TIKTOK_FORWARDER_STORE=address)
    assert done.returncode == 0, done.stderr
    return variables, directories


def wait_for_messages(nodes: list[Node]) -> None:
    """Wait until each node has accepted messages of its own partitions."""
    patience = Patience(REBALANCE_SECONDS)
    for node in nodes:
        while not (accepted := _ACCEPTED.search(metrics_of(node))) or float(accepted[1]) == 0:
            assert patience.lasts(), node.log()
            time.sleep(0.2)


def metrics_of(node: Node) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_two_nodes_of_a_group_account_for_every_event(
    database: tuple[PostgresServer, str], tmp_path: Path, seed: int, soak: Soak, print_at_end: PrintAtEnd
) -> None:
    """Each event is delivered; right after a kill, every message below the committed offsets is stored or sent."""
    server, name = database
    rounds = soak.choose(ROUNDS, SOAK_ROUNDS, SOAK_ROUNDS)
    log, payloads = tmp_path / "sandbox.jsonl", Payloads()
    address = server.address(name)
    checked = 0
    with SandboxThread(log) as sandbox, Broker(tmp_path / "broker.log") as broker, ExitStack() as stack:
        sandbox.ask(lambda sandbox: sandbox.script.from_now_on(Pass(delay_seconds=TIKTOK_SECONDS, times=None)))
        broker.create_topic(partitions=PARTITIONS)
        variables, directories = configure(address, sandbox.url, broker, tmp_path)
        nodes = [Node(directory, variables) for directory in directories]
        for node in nodes:
            stack.callback(node.close)
        output = Output(broker, seed)
        stack.callback(output.stop)
        nodes[0].start()
        wait_for_all_partitions(nodes[0], 1)
        output.start()
        time.sleep(2)
        # A rebalance while messages arrive: the first node gives up half of its partitions.
        nodes[1].start()
        wait_for_all_partitions(nodes[0], 2)
        wait_for_messages(nodes)
        for number in range(rounds):
            time.sleep(random.Random(seed + number).uniform(0.5, 2))
            # Both in the first round: then nothing is stored after the offsets are read.
            killed = nodes if number == 0 else [nodes[number % 2]]
            for node in killed:
                node.kill()
            checked += check_committed(broker, server, name, log)
            payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
            for node in killed:
                node.start()
            wait_for_all_partitions(nodes[0], 2)
        output.stop()
        messages = broker.messages()
        wait_until_committed(broker, messages)
        books = drained(nodes[0].status, payloads, sandbox, DRAIN_SECONDS)
        for node in nodes:
            node.end()
        assert broker.members() == 0
    received = Received.from_log(log)
    sent = [event_id for value in messages.values() for event_id in event_ids_of(value)]
    assert len(messages) == output.batches + output.others and output.others > 0 and len(sent) == len(set(sent))
    assert set(sent) == received.taken.keys() == received.seen
    totals = books["totals"]
    # What is no batch, and no JSON error either, is counted as a dropped event.
    assert totals["accepted"] == totals["delivered"] + totals["dropped"]
    assert totals["delivered"] == len(sent)
    assert checked > 0
    print_at_end(
        f"{rounds} kills in a consumer group of two nodes: {len(messages):,} messages, {len(sent):,} events delivered, "
        f"{totals.get('duplicate', 0):,} received again, {checked:,} messages checked below committed offsets"
    )
