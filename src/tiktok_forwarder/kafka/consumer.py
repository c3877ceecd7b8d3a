"""The consumer of one input: a thread that receives messages and commits what is durable.

Only this thread calls the client library. It hands messages to the event loop, and learns from there which are done.
"""

import contextlib
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.kafka.interfaces import (
    Assignment,
    ConsumerPort,
    ConsumerStatus,
    KafkaState,
    Message,
    Partition,
    PartitionState,
)

if TYPE_CHECKING:
    import confluent_kafka

# Bounds of what is received and not yet durable.
MAX_MESSAGES: Final = 500
MAX_BYTES: Final = 8 * 1024 * 1024
_MAX_AT_A_TIME: Final = 100
_POLL_SECONDS: Final = 0.2
_COMMIT_SECONDS: Final = 1.0
# How long a partition that another consumer gets, or the end of the thread, waits for messages that are being stored.
RELEASE_SECONDS: Final = 5.0
# How long messages may take to be stored before nothing more is fetched.
_PAUSE_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 5.0
_STATUS_SECONDS: Final = 1.0
_QUERY_SECONDS: Final = 2.0
_MAX_PROBLEM_LENGTH: Final = 200
# What a problem is about, besides topics, whose names have no spaces.
_GROUP: Final = "the group"
_COMMIT: Final = "a commit"
# A commit that a rebalance overtakes is repeated by the node that has the partition then.
_OF_A_REBALANCE: Final = ("ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "REBALANCE_IN_PROGRESS", "_NO_OFFSET")
_TIMING: Final = re.compile(r" \(after \d+ms in state [A-Z_]+.*|, \d+ identical error\(s\) suppressed.*")
_BROKER: Final = re.compile(r"^(?:sasl_)?(?:plaintext|ssl)://([^/]+)/\w+: ")
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]+")


class _Broker(Struct):
    state: str = ""


class _Statistics(Struct):
    """The part of librdkafka's statistics that is read."""

    brokers: dict[str, _Broker] = {}


_STATISTICS: Final = msgspec.json.Decoder(_Statistics)


class GroupConsumer:
    """Consumes topics as a member of a group, from `start` to `stop`; a failed client is replaced by a new one."""

    def __init__(
        self,
        input_id: str,
        input_name: str,
        topics: Sequence[str],
        configuration: Mapping[str, Any],
        port: ConsumerPort,
        now_ms: Callable[[], int],
    ) -> None:
        self._input_id = input_id
        self._input_name = input_name
        self._topics = list(topics)
        self._configuration = configuration
        self._port = port
        self._now_ms = now_ms
        self._thread = threading.Thread(target=self._run, name=f"kafka {input_name}", daemon=True)
        self._is_stopping = threading.Event()
        self._release_seconds = RELEASE_SECONDS
        # Filled by the event loop, emptied here.
        self._finished: deque[Message] = deque()
        self._has_finished = threading.Event()
        self._assignments: dict[Partition, Assignment] = {}
        self._in_flight_messages = 0
        self._in_flight_bytes = 0
        self._paused: set[Partition] = set()
        self._is_connected = False
        self._connection_problem = ""
        self._problems: dict[str, str] = {}
        self._last_message_at_ms: int | None = None
        self._highs: dict[Partition, int] = {}
        self._next_commit = self._next_status = 0.0

    def start(self) -> None:
        self._thread.start()

    def finish(self, message: Message) -> None:
        """Note that a message is done. Called in the event loop's thread."""
        self._finished.append(message)
        self._has_finished.set()

    def begin_stop(self, grace_seconds: float) -> None:
        """Receive nothing more; commit what is durable within the grace period, and leave the group."""
        self._release_seconds = min(RELEASE_SECONDS, grace_seconds)
        self._is_stopping.set()
        self._has_finished.set()

    def join(self, seconds: float) -> bool:
        """Wait for the end of the thread; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    # --- the thread ---

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self._consume()
            except Exception as error:
                self._on_failure(error)
                self._is_stopping.wait(_RETRY_SECONDS)

    def _consume(self) -> None:
        # Importing the library takes memory and time, which only those with a Kafka input need.
        from confluent_kafka import Consumer  # noqa: PLC0415

        callbacks = {"error_cb": self._on_error, "stats_cb": self._on_statistics, "on_commit": self._on_commit}
        consumer = Consumer({**self._configuration, **callbacks})
        try:
            consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._is_stopping.is_set():
                self._take_finished()
                if self._is_full and not self._wait(lambda: not self._is_full, _PAUSE_SECONDS):
                    self._pause(consumer)
                elif not self._is_full:
                    self._resume(consumer)
                self._receive(consumer)
                self._commit_now_and_then(consumer)
                self._report_now_and_then(consumer)
        finally:
            self._leave(consumer)

    def _receive(self, consumer: "confluent_kafka.Consumer") -> None:
        first = consumer.poll(0.0 if self._paused else _POLL_SECONDS)
        if first is None:
            return
        # Polling serves the callbacks of rebalances, errors and statistics too.
        messages = [first, *consumer.consume(_MAX_AT_A_TIME - 1, 0.0)]
        received = [message for found in messages if (message := self._message_of(consumer, found)) is not None]
        if received:
            self._last_message_at_ms = self._now_ms()
            self._port.receive(received)

    def _message_of(self, consumer: "confluent_kafka.Consumer", found: "confluent_kafka.Message") -> Message | None:
        error, topic, number, offset = found.error(), found.topic(), found.partition(), found.offset()
        assignment = None
        if topic is not None and number is not None:
            assignment = self._assignments.get(Partition(topic, number))
        if error is None:
            if assignment is None or offset is None:
                return None
            message = Message(assignment, offset, found.value() or b"")
            self._track(message)
            return message
        if assignment is not None and offset is not None and offset >= 0 and _is_damaged(error):
            self._skip(consumer, Message(assignment, offset, b""))
            return None
        self._problems[topic or _GROUP] = f"topic {topic}: {_line(error.str())}" if topic else _line(error.str())
        return None

    def _track(self, message: Message) -> None:
        message.assignment.offsets.receive(message.offset)
        self._in_flight_messages += 1
        self._in_flight_bytes += len(message.value)

    def _skip(self, consumer: "confluent_kafka.Consumer", message: Message) -> None:
        """Go on behind what cannot be read: the broker would return the same bytes forever."""
        from confluent_kafka import TopicPartition  # noqa: PLC0415

        partition, offsets = message.assignment.partition, message.assignment.offsets
        # The offset is that of the first message in the damaged bytes: each answer to a seek goes on by one more.
        known = offsets.received_until
        skipped = message if known is None or known <= message.offset else Message(message.assignment, known, b"")
        self._track(skipped)
        consumer.seek(TopicPartition(partition.topic, partition.number, skipped.offset + 1))
        self._port.on_damaged(skipped)

    # --- what is in flight ---

    @property
    def _is_full(self) -> bool:
        return self._in_flight_messages >= MAX_MESSAGES or self._in_flight_bytes >= MAX_BYTES

    def _take_finished(self) -> None:
        self._has_finished.clear()
        while self._finished:
            message = self._finished.popleft()
            self._in_flight_messages -= 1
            self._in_flight_bytes -= len(message.value)
            message.assignment.offsets.finish(message.offset)

    def _wait(self, is_done: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so by what has been finished; return whether it is."""
        deadline = time.monotonic() + seconds
        while True:
            self._take_finished()
            left = deadline - time.monotonic()
            if is_done() or left <= 0:
                return is_done()
            self._has_finished.wait(left)

    def _pause(self, consumer: "confluent_kafka.Consumer") -> None:
        """Fetch nothing while the store is behind, but stay in the group: polling goes on."""
        more = [each for each in self._assignments if each not in self._paused]
        if more:
            consumer.pause(_plain(more))
            self._paused.update(more)

    def _resume(self, consumer: "confluent_kafka.Consumer") -> None:
        if self._paused:
            consumer.resume(_plain(self._paused & self._assignments.keys()))
            self._paused.clear()

    # --- committing ---

    def _commit_now_and_then(self, consumer: "confluent_kafka.Consumer") -> None:
        now = time.monotonic()
        if now >= self._next_commit:
            self._next_commit = now + _COMMIT_SECONDS
            self._commit(consumer, self._assignments.values(), is_last=False)

    def _commit(self, consumer: "confluent_kafka.Consumer", which: Any, *, is_last: bool) -> None:
        from confluent_kafka import KafkaException, TopicPartition  # noqa: PLC0415

        self._take_finished()
        offsets = [
            TopicPartition(each.partition.topic, each.partition.number, offset)
            for each in which
            if (offset := each.offsets.uncommitted) is not None
        ]
        if not offsets:
            return
        # If it fails, the node that has the partition next receives the messages again.
        with contextlib.suppress(KafkaException):
            if is_last:
                self._on_commit(None, consumer.commit(offsets=offsets, asynchronous=False) or [])
            else:
                consumer.commit(offsets=offsets, asynchronous=True)

    def _on_commit(
        self, error: "confluent_kafka.KafkaError | None", partitions: "Sequence[confluent_kafka.TopicPartition]"
    ) -> None:
        if error is None:
            self._problems.pop(_COMMIT, None)
        elif error.name() not in _OF_A_REBALANCE:
            self._problems[_COMMIT] = f"offsets cannot be committed: {_line(error.str())}"
        for each in partitions:
            assignment = self._assignments.get(Partition(each.topic, each.partition))
            if error is None and each.error is None and assignment is not None:
                assignment.offsets.on_committed(each.offset)

    # --- the group ---

    def _on_assign(
        self, consumer: "confluent_kafka.Consumer", partitions: "list[confluent_kafka.TopicPartition]"
    ) -> None:
        from confluent_kafka import KafkaException  # noqa: PLC0415

        firsts: dict[Partition, int] = {}
        with contextlib.suppress(KafkaException):  # only the lag is unknown then, until the first message
            for each in consumer.committed(partitions, timeout=_QUERY_SECONDS) if partitions else ():
                if each.offset >= 0:
                    firsts[Partition(each.topic, each.partition)] = each.offset
        for each in partitions:
            partition = Partition(each.topic, each.partition)
            self._assignments[partition] = Assignment(partition, firsts.get(partition))
            self._problems.pop(partition.topic, None)
        self._problems.pop(_GROUP, None)

    def _on_revoke(
        self, consumer: "confluent_kafka.Consumer", partitions: "list[confluent_kafka.TopicPartition]"
    ) -> None:
        revoked = [each for each in map(self._assignment_of, partitions) if each is not None]
        self._wait(lambda: not any(each.offsets.unfinished for each in revoked), self._release_seconds)
        self._commit(consumer, revoked, is_last=True)
        self._release(revoked)

    def _on_lost(
        self, _consumer: "confluent_kafka.Consumer", partitions: "list[confluent_kafka.TopicPartition]"
    ) -> None:
        """Commit nothing: another consumer has the partitions already."""
        self._release([each for each in map(self._assignment_of, partitions) if each is not None])

    def _assignment_of(self, found: "confluent_kafka.TopicPartition") -> Assignment | None:
        return self._assignments.get(Partition(found.topic, found.partition))

    def _release(self, assignments: Sequence[Assignment]) -> None:
        for each in assignments:
            each.is_released = True
            self._assignments.pop(each.partition, None)
            self._paused.discard(each.partition)
            self._highs.pop(each.partition, None)

    def _leave(self, consumer: "confluent_kafka.Consumer") -> None:
        try:
            assignments = list(self._assignments.values())
            self._wait(lambda: not any(each.offsets.unfinished for each in assignments), self._release_seconds)
            self._commit(consumer, assignments, is_last=True)
            self._release(assignments)
        finally:
            # Leaves the group, so that others get the partitions immediately.
            consumer.close()

    # --- state ---

    def _on_error(self, error: "confluent_kafka.KafkaError") -> None:
        if error.name() != "_ALL_BROKERS_DOWN" or not self._connection_problem:
            self._connection_problem = _line(error.str())

    def _on_statistics(self, text: str) -> None:
        self._is_connected = any(each.state == "UP" for each in _STATISTICS.decode(text).brokers.values())
        if self._is_connected:
            self._connection_problem = ""

    def _on_failure(self, error: Exception) -> None:
        from confluent_kafka import KafkaException  # noqa: PLC0415

        self._is_connected = False
        if isinstance(error, KafkaException):
            self._connection_problem = _line(str(error.args[0].str() if error.args else error))
        else:
            self._connection_problem = "internal error; the service log shows where"
            self._port.on_internal_error(error)
        self._port.on_status(self._status())

    def _report_now_and_then(self, consumer: "confluent_kafka.Consumer") -> None:
        now = time.monotonic()
        if now >= self._next_status:
            self._next_status = now + _STATUS_SECONDS
            self._read_highs(consumer)
            self._port.on_status(self._status())

    def _read_highs(self, consumer: "confluent_kafka.Consumer") -> None:
        """Read where the partitions end: by the last fetch, or by the broker's answer while nothing is fetched."""
        from confluent_kafka import KafkaException, TopicPartition  # noqa: PLC0415

        with contextlib.suppress(KafkaException):
            for each, assignment in self._assignments.items():
                found = TopicPartition(each.topic, each.number)
                marks = (
                    consumer.get_watermark_offsets(found, timeout=_QUERY_SECONDS)
                    if self._paused and self._is_connected
                    else consumer.get_watermark_offsets(found, cached=True)
                )
                if marks is not None and marks[1] >= 0:
                    self._highs[each] = marks[1]
                    if assignment.offsets.next_offset is None and marks[0] >= 0:
                        assignment.offsets.begin_at(marks[0])

    def _status(self) -> ConsumerStatus:
        problem = self._connection_problem or next(iter(self._problems.values()), "")
        state: KafkaState = "connected" if self._is_connected else "connecting"
        if problem and (self._problems or not self._is_connected):
            state = "failed"
        return ConsumerStatus(
            self._input_id,
            self._input_name,
            state,
            problem if state == "failed" else "",
            self._last_message_at_ms,
            sorted(self._partition_states()),
        )

    def _partition_states(self) -> Iterator[PartitionState]:
        for partition, assignment in self._assignments.items():
            high, offset = self._highs.get(partition), assignment.offsets.next_offset
            lag = max(0, high - offset) if high is not None and offset is not None else None
            yield PartitionState(partition.topic, partition.number, offset, lag)


def _plain(partitions: "Any") -> "list[confluent_kafka.TopicPartition]":
    from confluent_kafka import TopicPartition  # noqa: PLC0415

    return [TopicPartition(each.topic, each.number) for each in partitions]


def _is_damaged(error: "confluent_kafka.KafkaError") -> bool:
    return error.name() in ("_BAD_COMPRESSION", "_BAD_MSG", "INVALID_MSG")


def _line(text: str) -> str:
    """Return a text of the library in one line, without timings, which would make every line another one."""
    line = _UNPRINTABLE.sub(" ", _BROKER.sub(r"broker \1: ", _TIMING.sub("", text.partition("\n")[0]))).strip()
    return line if len(line) <= _MAX_PROBLEM_LENGTH else f"{line[:_MAX_PROBLEM_LENGTH]}…"
