"""Traces messages of Kafka inputs, each as a request is: until its events are durable, or until it is refused."""

from tiktok_forwarder.inputs.inputs import Input
from tiktok_forwarder.intake.accept import Acceptance, Done
from tiktok_forwarder.kafka.interfaces import MessageAcceptor
from tiktok_forwarder.otlp.recording import Recorder


class TracedMessages:
    """A `MessageAcceptor` that traces a sample. A message that is tried again may have another trace."""

    def __init__(self, acceptor: MessageAcceptor, recorder: Recorder) -> None:
        self._acceptor = acceptor
        self._recorder = recorder

    def accept_soon(self, body: bytes, sender: Input, done: Done) -> None:
        if not self._recorder.is_sampled():
            self._acceptor.accept_soon(body, sender, done)
            return
        trace = self._recorder.begin("kafka message", "consumer")
        trace.whole.attributes["messaging.system"] = "kafka"

        def finish(acceptance: Acceptance | None, error: Exception | None) -> None:
            if error is not None:
                trace.whole.error = type(error).__name__
            self._recorder.finish(trace)
            done(acceptance, error)

        trace.begin("parse")
        self._recorder.current = trace
        try:
            self._acceptor.accept_soon(body, sender, finish)
        except Exception as error:
            trace.whole.error = type(error).__name__
            self._recorder.finish(trace)
            raise
        finally:
            self._recorder.current = None
