"""What a Kafka input receives and reports: messages, the state of its consumers, and who is notified."""

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.intake.accept import Done
from tiktok_forwarder.kafka.offsets import PartitionOffsets

KafkaState = Literal["connecting", "connected", "failed"]
MessageOutcome = Literal["accepted", "refused", "empty"]
RefusedReason = Literal["unreadable", "too_large", "damaged", "internal"]
"""Why a message can never be accepted."""


class Partition(Struct, frozen=True, order=True):
    """A partition of a topic."""

    topic: str
    number: int


class PartitionState(Struct, frozen=True, order=True):
    """An assigned partition. `lag`: messages that are not durable here yet; None while that is not known."""

    topic: str
    partition: int
    next_offset: int | None
    lag: int | None


class ConsumerStatus(Struct, frozen=True):
    """The consumer of one input on one node. `problem` is empty, or one line."""

    input_id: str
    input_name: str
    state: KafkaState
    problem: str = ""
    last_message_at_ms: int | None = None
    partitions: Sequence[PartitionState] = ()


class Assignment:
    """A partition as it is assigned to a consumer. Used in the consumer's thread, except for `is_released`.

    `is_released`: another consumer may have the partition now, so that a message must not be tried again here.
    """

    def __init__(self, partition: Partition, first_offset: int | None) -> None:
        self.partition = partition
        self.offsets = PartitionOffsets(first_offset)
        self.is_released = False


class Message(Struct, frozen=True, gc=False):
    """A message as it was received; an empty value is a tombstone or has nothing in it."""

    assignment: Assignment
    offset: int
    value: bytes

    @property
    def place(self) -> str:
        partition = self.assignment.partition
        return f"topic {partition.topic}, partition {partition.number}, offset {self.offset}"


class MessageAcceptor(Protocol):
    """Accepts messages as it does the bodies of requests: what `Acceptor` does."""

    def accept_soon(self, body: bytes, sender: Input, done: Done) -> None:
        """Call `done` with the result or the error. Raises errors that are known before anything is stored."""
        ...


class ConsumerPort(Protocol):
    """What a consumer's thread calls. Implementations pass everything on to the event loop."""

    def receive(self, messages: Sequence[Message]) -> None: ...

    def on_damaged(self, message: Message) -> None:
        """The broker's bytes of this message cannot be read, by any consumer."""
        ...

    def on_status(self, status: ConsumerStatus) -> None: ...

    def on_internal_error(self, error: Exception) -> None: ...


class KafkaObserver(Protocol):
    """Receives what happens to messages and consumers, in the event loop's thread. Calls must be quick."""

    def on_refused(self, input_name: str, reason: str) -> None:
        """A message is refused; counted as a request with a body like this is."""
        ...

    def on_kafka_message(self, input_name: str, outcome: MessageOutcome) -> None:
        """A message is done: its offset may be committed."""
        ...

    def on_kafka_refused(self, input_name: str, reason: RefusedReason, place: str) -> None:
        """A message can never be accepted. `place` names topic, partition and offset, never the content."""
        ...

    def on_kafka_waiting(self, input_name: str, reason: str) -> None:
        """The store does not accept the input's messages now; they are tried again until it does."""
        ...

    def on_kafka_state(self, status: ConsumerStatus) -> None:
        """The state of a consumer on this node, or its problem, has changed."""
        ...

    def on_internal_error(self, error: Exception) -> None: ...
