"""What becomes of messages while the store accepts none, and of those that always meet an internal error."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

import pytest

from tests.patience import wait_until
from tests.unit.mapping.batches import batch_of, purchase
from tests.unit.parts import Parts
from tiktok_forwarder.domain.errors import StoreFull, StoreUnavailable
from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.intake.accept import Acceptor, Done
from tiktok_forwarder.kafka import receiver as receiver_module
from tiktok_forwarder.kafka.interfaces import Assignment, ConsumerStatus, Message, MessageOutcome, Partition
from tiktok_forwarder.kafka.receiver import Receiver


class Told:
    """Keeps what it is told: the observer of messages."""

    def __init__(self) -> None:
        self.outcomes: list[MessageOutcome] = []
        self.refused: list[tuple[str, str]] = []
        self.waiting: list[str] = []
        self.counted: Counter[str] = Counter()

    def on_refused(self, _input_name: str, reason: str) -> None:
        self.counted[reason] += 1

    def on_kafka_message(self, _input_name: str, outcome: MessageOutcome) -> None:
        self.outcomes.append(outcome)

    def on_kafka_refused(self, _input_name: str, reason: str, place: str) -> None:
        self.refused.append((reason, place))

    def on_kafka_waiting(self, _input_name: str, reason: str) -> None:
        self.waiting.append(reason)

    def on_kafka_state(self, status: ConsumerStatus) -> None:
        raise AssertionError(status)

    def on_internal_error(self, _error: Exception) -> None:
        self.counted["internal_error"] += 1


class FailingAcceptor:
    """Fails as often as it is told to, then accepts by the real one. `tried` are the bodies in order."""

    def __init__(self, real: Acceptor, error: Exception, times: int) -> None:
        self._real = real
        self._error = error
        self.times = times
        self.tried: list[bytes] = []

    def accept_soon(self, body: bytes, sender: Input, done: Done) -> None:
        self.tried.append(body)
        if self.times > 0:
            self.times -= 1
            # As the store reports it: later, by the callback.
            asyncio.get_running_loop().call_soon(done, None, self._error)
            return
        self._real.accept_soon(body, sender, done)


class Rig:
    def __init__(self, parts: Parts, sender: Input, error: Exception, times: int) -> None:
        self.acceptor = FailingAcceptor(parts.acceptor, error, times)
        self.told = Told()
        self.finished: list[int] = []
        self.assignment = Assignment(Partition("batches", 2), 0)
        self.receiver = Receiver(self.acceptor, sender, lambda message: self.finished.append(message.offset), self.told)

    def messages(self, count: int) -> list[Message]:
        bodies = [json.dumps(batch_of(purchase(source_message_id=f"m{n}"))).encode() for n in range(count)]
        return [Message(self.assignment, offset, body) for offset, body in enumerate(bodies)]

    async def until_finished(self, count: int) -> None:
        await wait_until(lambda: len(self.finished) >= count)


MakeRig = Callable[[Exception, int], Rig]


@pytest.fixture
async def make_rig(monkeypatch: pytest.MonkeyPatch) -> MakeRig:
    monkeypatch.setattr(receiver_module, "_FIRST_RETRY_SECONDS", 0.01)
    parts = Parts()
    await parts.add_input("events")
    await parts.add_connection()
    sender = parts.inputs.find_by_name("events")
    assert sender is not None
    return lambda error, times: Rig(parts, sender, error, times)


@pytest.mark.parametrize(("error", "reason"), [(StoreFull(), "store_full"), (StoreUnavailable(), "store_unavailable")])
async def test_messages_wait_until_the_store_accepts_them(make_rig: MakeRig, error: Exception, reason: str) -> None:
    """None is finished before: an offset after it would be committed. One of them is tried at a time."""
    rig = make_rig(error, 3)
    rig.receiver.receive(rig.messages(3))
    await asyncio.sleep(0)
    assert rig.finished == []
    await rig.until_finished(3)
    assert sorted(rig.finished) == [0, 1, 2] and rig.told.outcomes == ["accepted"] * 3
    assert rig.told.waiting == [reason]


async def test_one_message_is_tried_while_many_wait(make_rig: MakeRig) -> None:
    """A store that is full for hours is not asked for each of them, and each is read once only when it recovers."""
    rig = make_rig(StoreFull(), 4)
    first, *others = rig.messages(50)
    rig.receiver.receive([first])
    await asyncio.sleep(0.005)
    rig.receiver.receive(others)
    await rig.until_finished(50)
    assert len(rig.acceptor.tried) == 4 + 50


async def test_message_that_always_meets_an_internal_error_is_refused(make_rig: MakeRig) -> None:
    """It is tried as often as an HTTP sender would, and does not stop those after it."""
    rig = make_rig(RuntimeError("a bug"), 5)
    rig.receiver.receive(rig.messages(1))
    await rig.until_finished(1)
    assert rig.told.refused == [("internal", "topic batches, partition 2, offset 0")]
    assert rig.told.counted == {"internal_error": 5, "internal": 1} and rig.told.outcomes == ["refused"]
    rig.receiver.receive(rig.messages(2)[1:])
    await rig.until_finished(2)


async def test_waiting_message_of_a_released_partition_is_not_tried_again(make_rig: MakeRig) -> None:
    """Another consumer has it; only the space that it takes here is given back."""
    rig = make_rig(StoreFull(), 1)
    rig.receiver.receive(rig.messages(2))
    await asyncio.sleep(0)
    rig.assignment.is_released = True
    await rig.until_finished(1)
    tried = len(rig.acceptor.tried)
    await asyncio.sleep(0.05)
    assert len(rig.acceptor.tried) == tried and "refused" not in rig.told.outcomes


async def test_closed_receiver_finishes_nothing(make_rig: MakeRig) -> None:
    """What was not durable at the end of the service must not be committed."""
    rig = make_rig(StoreFull(), 100)
    rig.receiver.receive(rig.messages(2))
    await asyncio.sleep(0.005)
    rig.receiver.close()
    rig.receiver.receive(rig.messages(3)[2:])
    await asyncio.sleep(0.05)
    assert rig.finished == [] and rig.told.outcomes == []


async def test_message_without_a_value_is_empty(make_rig: MakeRig) -> None:
    """A tombstone of a compacted topic is nothing to accept, and no error of its sender."""
    rig = make_rig(StoreFull(), 0)
    rig.receiver.receive([Message(rig.assignment, 7, b"")])
    assert rig.told.outcomes == ["empty"] and rig.finished == [7] and rig.acceptor.tried == []
