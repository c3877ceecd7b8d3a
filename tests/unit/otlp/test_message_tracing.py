"""Traces of messages: each that is sampled has one, however it ends, and what becomes of it is the same."""

import asyncio
import json

import pytest

from tests.unit.mapping.batches import batch_of, purchase
from tests.unit.parts import Parts
from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.intake.accept import Acceptance
from tiktok_forwarder.otlp.recording import Recorder, Trace
from tiktok_forwarder.otlp.tracing import Tracing

BODY = json.dumps(batch_of(purchase())).encode()


class Rig:
    """An acceptor whose messages are all traced."""

    def __init__(self, parts: Parts, sender: Input) -> None:
        self.finished: list[Trace] = []
        self.recorder = Recorder(1, str)
        self.recorder.emit = self.finished.append
        self.sender = sender
        self.messages = Tracing(self.recorder).messages(parts.acceptor)

    async def accept(self, body: bytes) -> Acceptance | None:
        accepted: asyncio.Future[Acceptance | None] = asyncio.get_running_loop().create_future()

        def done(acceptance: Acceptance | None, error: Exception | None) -> None:
            assert error is None
            accepted.set_result(acceptance)

        self.messages.accept_soon(body, self.sender, done)
        assert self.recorder.current is None
        return await accepted


@pytest.fixture
async def rig() -> Rig:
    parts = Parts()
    await parts.add_input("events")
    await parts.add_connection()
    sender = parts.inputs.find_by_name("events")
    assert sender is not None
    return Rig(parts, sender)


async def test_message_has_a_trace_until_it_is_durable(rig: Rig) -> None:
    """The trace ends before the consumer is told that the message is done."""
    acceptance = await rig.accept(BODY)
    assert acceptance is not None and len(acceptance.admitted) == 1
    (trace,) = rig.finished
    assert (trace.whole.name, trace.whole.kind, trace.whole.error) == ("kafka message", "consumer", "")
    assert trace.whole.ended_ns and [stage.name for stage in trace.stages] == ["parse"]


async def test_refused_message_has_a_trace_with_the_kind_of_error(rig: Rig) -> None:
    """The error's text quotes what was received."""
    with pytest.raises(UnreadableBody):
        await rig.accept(b"{")
    (trace,) = rig.finished
    assert trace.whole.error == "UnreadableBody" and rig.recorder.current is None
    await rig.accept(BODY)
    assert len(rig.finished) == 2
