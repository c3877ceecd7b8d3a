"""The consumers of all Kafka inputs on this node, and what every node's consumers report."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import SecretUnreadable
from tiktok_forwarder.inputs.inputs import Input, Inputs
from tiktok_forwarder.inputs.settings import KafkaSettings
from tiktok_forwarder.kafka.client_settings import client_settings
from tiktok_forwarder.kafka.consumer import RELEASE_SECONDS, GroupConsumer
from tiktok_forwarder.kafka.interfaces import (
    ConsumerStatus,
    KafkaObserver,
    KafkaState,
    Message,
    MessageAcceptor,
    PartitionState,
)
from tiktok_forwarder.kafka.receiver import Receiver
from tiktok_forwarder.store.nodes import Nodes

# Leaving the group is a request to a broker, which may not answer.
_LEAVE_SECONDS: Final = 5.0
_UNREADABLE: Final = "the stored password cannot be decrypted; set it again in the input's settings"
_STATUSES: Final = msgspec.json.Decoder(list[ConsumerStatus])


class KafkaInputStatus(Struct, frozen=True):
    """A Kafka input on all nodes. `consumers` is the number of nodes that consume it.

    `lag` is the sum of the partitions' known lags: messages in Kafka that are not durable here yet. `problem` is one
    line, empty unless the state is `failed`.
    """

    input_id: str
    name: str
    state: KafkaState
    problem: str
    consumers: int
    lag: int
    last_message_at_ms: int | None
    partitions: Sequence[PartitionState]


class _Wanted(NamedTuple):
    """What a consumer is started with: another one is needed when this changes."""

    settings: KafkaSettings
    password: str | None


class _Running:
    """A consumer with its receiver. Its thread reports to the event loop."""

    def __init__(
        self, found: Input, wanted: _Wanted, acceptor: MessageAcceptor, observer: KafkaObserver, clock: Clock
    ) -> None:
        self.wanted = wanted
        self.status = ConsumerStatus(found.id, found.name, "connecting")
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._consumer = GroupConsumer(
            found.id,
            found.name,
            wanted.settings.topics,
            client_settings(wanted.settings, wanted.password),
            self,
            clock.now_ms,
        )
        self.receiver = Receiver(acceptor, found, self._consumer.finish, observer)
        self._consumer.start()

    async def stop(self, grace_seconds: float) -> None:
        self._consumer.begin_stop(grace_seconds)
        await asyncio.to_thread(self._consumer.join, grace_seconds + _LEAVE_SECONDS)
        self.receiver.close()

    # --- called in the consumer's thread ---

    def receive(self, messages: Sequence[Message]) -> None:
        self._call(lambda: self.receiver.receive(messages))

    def on_damaged(self, message: Message) -> None:
        self._call(lambda: self.receiver.refuse(message, "damaged"))

    def on_status(self, status: ConsumerStatus) -> None:
        self._call(lambda: self._use_status(status))

    def on_internal_error(self, error: Exception) -> None:
        self._call(lambda: self._observer.on_internal_error(error))

    def _call(self, call: Callable[[], None]) -> None:
        # The loop may have ended while the thread was waiting for a broker.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)

    def _use_status(self, status: ConsumerStatus) -> None:
        before, self.status = self.status, status
        if (before.state, before.problem) != (status.state, status.problem):
            self._observer.on_kafka_state(status)


class KafkaConsumers:
    """Runs a consumer for each Kafka input, from `start` to `stop`, as the inputs are now.

    Only nodes that receive events call `start`; every node answers for all.
    """

    def __init__(
        self, inputs: Inputs, acceptor: MessageAcceptor, clock: Clock, nodes: Nodes, *, observer: KafkaObserver
    ) -> None:
        self._inputs = inputs
        self._acceptor = acceptor
        self._clock = clock
        self._nodes = nodes
        self._observer = observer
        self._running: dict[str, _Running] = {}
        # Inputs whose password cannot be opened: nothing runs for them.
        self._unreadable: dict[str, ConsumerStatus] = {}
        self._is_changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        nodes.on_question("kafka_status", lambda _: msgspec.json.encode(self.own_statuses()))

    def start(self) -> None:
        self._inputs.on_change(self._is_changed.set)
        self._is_changed.set()
        self._following = asyncio.create_task(self._follow())

    async def stop(self, grace_seconds: float) -> None:
        """Receive nothing more, commit what is durable within the grace period, and leave the groups."""
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following
        await self._stop_all(list(self._running), grace_seconds)

    def own_statuses(self) -> list[ConsumerStatus]:
        """Return the consumers of this node."""
        return [*(each.status for each in self._running.values()), *self._unreadable.values()]

    async def statuses(self) -> list[KafkaInputStatus]:
        """Return the state of each Kafka input, of this node's consumers and the others'."""
        inputs = [each for each in self._inputs.all() if each.kind == "kafka"]
        if not inputs:
            return []
        found = self.own_statuses()
        for answer in await self._nodes.ask("kafka_status"):
            found += _STATUSES.decode(answer)
        return [_merged(each, [status for status in found if status.input_id == each.id]) for each in inputs]

    async def _follow(self) -> None:
        while True:
            await self._is_changed.wait()
            self._is_changed.clear()
            try:
                await self._adapt()
            except Exception as error:  # one input must not keep the others from being consumed
                self._observer.on_internal_error(error)

    async def _adapt(self) -> None:
        wanted = self._wanted()
        ended = [key for key, each in self._running.items() if key not in wanted or wanted[key][1] != each.wanted]
        await self._stop_all(ended, RELEASE_SECONDS)
        for input_id, (found, start_with) in wanted.items():
            if running := self._running.get(input_id):
                running.receiver.sender = found
            else:
                self._running[input_id] = _Running(found, start_with, self._acceptor, self._observer, self._clock)

    def _wanted(self) -> dict[str, tuple[Input, _Wanted]]:
        """Return what should run, and note the inputs whose password cannot be opened."""
        wanted: dict[str, tuple[Input, _Wanted]] = {}
        unreadable: dict[str, ConsumerStatus] = {}
        for each in self._inputs.all():
            if each.kafka is None:
                continue
            try:
                wanted[each.id] = each, _Wanted(each.kafka, self._inputs.password_of(each))
            except SecretUnreadable:
                unreadable[each.id] = ConsumerStatus(each.id, each.name, "failed", _UNREADABLE)
        for input_id, status in unreadable.items():
            if input_id not in self._unreadable:
                self._observer.on_kafka_state(status)
        self._unreadable = unreadable
        return wanted

    async def _stop_all(self, input_ids: Sequence[str], grace_seconds: float) -> None:
        ended = [self._running.pop(each) for each in input_ids]
        await asyncio.gather(*[each.stop(grace_seconds) for each in ended])


def _merged(found: Input, statuses: Sequence[ConsumerStatus]) -> KafkaInputStatus:
    partitions = sorted(partition for each in statuses for partition in each.partitions)
    states = {each.state for each in statuses}
    return KafkaInputStatus(
        input_id=found.id,
        name=found.name,
        state="failed" if "failed" in states else "connected" if states == {"connected"} else "connecting",
        problem=next((each.problem for each in statuses if each.problem), ""),
        consumers=len(statuses),
        lag=sum(each.lag or 0 for each in partitions),
        last_message_at_ms=max((each.last_message_at_ms or 0 for each in statuses), default=0) or None,
        partitions=partitions,
    )
