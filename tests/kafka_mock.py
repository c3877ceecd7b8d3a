"""librdkafka's mock cluster: brokers in memory over real TCP, for faults that no real broker has on request."""

import socket
import struct
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

PARTITIONS = 4
_PRODUCE, _PRODUCE_VERSION = 0, 7
_GZIP = 1


class MockCluster:
    """Lasts as long as this object; `settings` are `test.mock.` settings of librdkafka."""

    def __init__(self, brokers: int = 1, **settings: Any) -> None:
        given = {f"test.mock.{name.replace('_', '.')}": value for name, value in settings.items()}
        silent = {"log_level": 0}
        self._host: Producer | None = Producer(
            {"bootstrap.servers": "ignored", "test.mock.num.brokers": brokers, **given, **silent}
        )
        found = self._host.list_topics(timeout=10).brokers.values()
        self.servers = [f"{each.host}:{each.port}" for each in found]

    def client(self) -> dict[str, Any]:
        return {"bootstrap.servers": ",".join(self.servers)}

    def create_topic(self, name: str) -> None:
        """The cluster creates a topic when it is asked for it."""
        assert self._host is not None
        self._host.list_topics(name, timeout=10)

    def produce(self, topic: str, values: list[bytes], partition: int, **settings: Any) -> None:
        producer = Producer({**self.client(), **settings})
        for value in values:
            producer.produce(topic, value, partition=partition)
        assert producer.flush(30) == 0

    def produce_damaged(self, topic: str, partition: int, messages: int) -> None:
        """Write a batch of messages that claims to be compressed, and is not. Only for a cluster of one broker."""
        records = b"these bytes are not compressed"
        after_crc = struct.pack(">hiqqqhii", _GZIP, messages - 1, 0, 0, -1, -1, -1, messages) + records
        # Consumers do not verify checksums unless they are told to.
        batch = struct.pack(">iBI", 0, 2, 0) + after_crc
        batch = struct.pack(">qi", 0, len(batch)) + batch
        name = topic.encode()
        body = struct.pack(">hhi", -1, -1, 5000) + struct.pack(">ih", 1, len(name)) + name
        body += struct.pack(">iii", 1, partition, len(batch)) + batch
        request = struct.pack(">hhih", _PRODUCE, _PRODUCE_VERSION, 1, -1) + body
        host, port = self.servers[0].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as connected:
            connected.sendall(struct.pack(">i", len(request)) + request)
            answer = connected.recv(4096)
        (code,) = struct.unpack_from(">h", answer, 4 + 4 + 4 + 2 + len(name) + 4 + 4)
        assert code == 0, code

    def committed(self, topic: str, group: str) -> dict[int, int]:
        reader = Consumer({**self.client(), "group.id": group})
        try:
            asked = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            return {each.partition: max(0, each.offset) for each in reader.committed(asked, timeout=10)}
        finally:
            reader.close()

    def vanish(self) -> None:
        """Stop every broker."""
        self._host = None
