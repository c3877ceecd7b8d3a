"""What is logged and counted about Kafka inputs: names of inputs and topics, never a message."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tiktok_forwarder.kafka.interfaces import ConsumerStatus, MessageOutcome, RefusedReason
from tiktok_forwarder.telemetry.counting import PlainCounter

_REMEDY: Final = "see the input's page in the console, and the guide on Kafka"


class KafkaReports(Collector):
    """The observer of this node's consumers. `statuses` returns them when the metrics are read.

    `due` counts an occurrence of a kind and returns how many a line reports now; 0: write none.
    """

    def __init__(
        self,
        log: structlog.typing.FilteringBoundLogger,
        registry: CollectorRegistry,
        due: Callable[[str, str, str], int],
    ) -> None:
        self._log = log
        self._due = due
        self.statuses: Callable[[], Sequence[ConsumerStatus]] = list
        self._messages = PlainCounter(
            registry,
            "tiktok_forwarder_kafka_messages",
            "Messages of Kafka inputs that are done: accepted, refused, or empty.",
            ("input", "outcome"),
        )
        registry.register(self)

    def collect(self) -> Iterable[Metric]:
        connected = GaugeMetricFamily(
            "tiktok_forwarder_kafka_connected",
            "1 while this node's consumer of a Kafka input is connected and has no problem.",
            labels=("input",),
        )
        lag = GaugeMetricFamily(
            "tiktok_forwarder_kafka_lag_messages",
            "Messages of the partitions assigned to this node that are not durable here yet.",
            labels=("input", "topic"),
        )
        for status in self.statuses():
            connected.add_metric((status.input_name,), float(status.state == "connected"))
            by_topic: dict[str, int] = {}
            for each in status.partitions:
                by_topic[each.topic] = by_topic.get(each.topic, 0) + (each.lag or 0)
            for topic, messages in by_topic.items():
                lag.add_metric((status.input_name, topic), messages)
        yield from (connected, lag)

    def on_kafka_message(self, input_name: str, outcome: MessageOutcome) -> None:
        self._messages.add(1, input_name, outcome)

    def on_kafka_refused(self, input_name: str, reason: RefusedReason, place: str) -> None:
        # A topic of something else is nothing but refused messages. The activity has the place of each.
        if messages := self._due("kafka_refused", input_name, reason):
            self._log.warning("Kafka message refused", input=input_name, reason=reason, messages=messages, latest=place)

    def on_kafka_waiting(self, input_name: str, reason: str) -> None:
        if self._due("kafka_waiting", input_name, reason):
            self._log.warning("Kafka messages wait until the event store accepts them", input=input_name, reason=reason)

    def on_kafka_state(self, status: ConsumerStatus) -> None:
        if status.state == "failed":
            self._log.warning("Kafka input failed", input=status.input_name, problem=status.problem, remedy=_REMEDY)
        elif status.state == "connected":
            self._log.warning("Kafka input connected", input=status.input_name)
