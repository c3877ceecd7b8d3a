"""What the metrics and the log contain about Kafka inputs."""

import io
import json

import pytest
from rich.console import Console

from tiktok_forwarder.api.types import StatusView
from tiktok_forwarder.cli.status_command import status_view
from tiktok_forwarder.kafka.consumers import KafkaInputStatus
from tiktok_forwarder.kafka.interfaces import ConsumerStatus, PartitionState
from tiktok_forwarder.telemetry.telemetry import Telemetry, open_log

PARTITIONS = (PartitionState("a", 0, 5, 3), PartitionState("a", 1, None, None), PartitionState("b", 0, 7, 4))


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def telemetry(stream: io.StringIO) -> Telemetry:
    return Telemetry(open_log("info", "json", stream))


def test_lag_is_added_by_topic_and_state_is_one_number(telemetry: Telemetry) -> None:
    """An unknown lag counts as none; a consumer with a problem is not connected."""
    telemetry.kafka.statuses = lambda: [
        ConsumerStatus("in_1", "events", "connected", partitions=PARTITIONS),
        ConsumerStatus("in_2", "other", "failed", "a problem"),
    ]
    telemetry.kafka.on_kafka_message("events", "accepted")
    text = telemetry.exposition().decode()
    for line in (
        'tiktok_forwarder_kafka_lag_messages{input="events",topic="a"} 3.0',
        'tiktok_forwarder_kafka_lag_messages{input="events",topic="b"} 4.0',
        'tiktok_forwarder_kafka_connected{input="events"} 1.0',
        'tiktok_forwarder_kafka_connected{input="other"} 0.0',
        'tiktok_forwarder_kafka_messages_total{input="events",outcome="accepted"} 1.0',
    ):
        assert line in text


def test_changes_of_state_and_refusals_are_logged(telemetry: Telemetry, stream: io.StringIO) -> None:
    """Each names the input; of many refused messages within a second one line names the latest by its place."""
    kafka = telemetry.kafka
    kafka.on_kafka_state(ConsumerStatus("in_1", "events", "connecting"))
    kafka.on_kafka_state(ConsumerStatus("in_1", "events", "failed", "a problem"))
    kafka.on_kafka_state(ConsumerStatus("in_1", "events", "connected"))
    kafka.on_kafka_waiting("events", "store_full")
    for offset in (1, 2, 3):
        kafka.on_kafka_refused("events", "unreadable", f"topic a, partition 0, offset {offset}")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "Kafka input failed",
        "Kafka input connected",
        "Kafka messages wait until the event store accepts them",
        "Kafka message refused",
    ]
    assert all(line["input"] == "events" for line in lines)
    assert (lines[0]["problem"], lines[3]["latest"]) == ("a problem", "topic a, partition 0, offset 1")


def test_status_on_a_terminal_has_a_line_for_each_kafka_input() -> None:
    """State, partitions, lag and problem are below the table of connections."""
    inputs = [
        KafkaInputStatus("in_1", "events", "connected", "", 2, 1234, None, PARTITIONS),
        KafkaInputStatus("in_2", "other", "failed", "a problem", 1, 0, None, ()),
        KafkaInputStatus("in_3", "idle", "connecting", "", 0, 0, None, ()),
    ]
    console = Console(width=100)
    with console.capture() as captured:
        console.print(status_view(StatusView(True, [], [], kafka_inputs=inputs), 100))
    assert captured.get().splitlines() == [
        "No connections yet.",
        "Kafka input events: connected, 3 partitions assigned, lag 1,234 messages",
        "Kafka input other: failed, 0 partitions assigned, lag 0 messages; a problem",
        "Kafka input idle: not running, 0 partitions assigned, lag 0 messages",
    ]
