"""What a service traces: put around its parts by the composition root, which leaves them as they are if nothing is."""

from collections.abc import Callable
from http import HTTPStatus

from tiktok_forwarder.delivery.interfaces import Attempt, EventSender, Settled
from tiktok_forwarder.kafka.interfaces import MessageAcceptor
from tiktok_forwarder.otlp.delivery_tracing import TracedQueue, TracedSender, current_delivery
from tiktok_forwarder.otlp.message_tracing import TracedMessages
from tiktok_forwarder.otlp.recording import PREFIX, Recorder
from tiktok_forwarder.otlp.request_tracing import TracedRoutes
from tiktok_forwarder.store.queue import EventQueue
from tiktok_forwarder.web.exchange import DirectRoutes


class Tracing:
    """Traces with a recorder; without one, each method returns the part itself, so that nothing is on its way."""

    def __init__(self, recorder: Recorder | None) -> None:
        self.recorder = recorder
        self.observer = TraceObserver(recorder) if recorder is not None else None

    @classmethod
    def with_ratio(cls, ratio: float, connection_name: Callable[[str], str]) -> "Tracing":
        """Trace this part of the requests and deliveries. With 0, there is no recorder."""
        return cls(Recorder(ratio, connection_name) if ratio else None)

    def routes(self, routes: DirectRoutes, *, has_senders: bool) -> DirectRoutes:
        return TracedRoutes(routes, self.recorder, has_senders=has_senders) if self.recorder is not None else routes

    def messages(self, acceptor: MessageAcceptor) -> MessageAcceptor:
        return TracedMessages(acceptor, self.recorder) if self.recorder is not None else acceptor

    def queue(self, queue: EventQueue) -> EventQueue:
        return TracedQueue(queue, self.recorder) if self.recorder is not None else queue

    def sender(self, sender: EventSender) -> EventSender:
        return TracedSender(sender, self.recorder) if self.recorder is not None else sender


class TraceObserver:
    """Adds to traces what parts of the service report: contents of requests, answers, verdicts and outcomes."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def on_received(self, input_name: str, batches: int, events: int) -> None:
        trace = self._recorder.current
        if trace is not None:
            trace.whole.attributes |= {
                PREFIX + "input": input_name,
                PREFIX + "batches": batches,
                PREFIX + "events": events,
            }
            trace.begin("map")

    def on_answered(self, route: str, status: int, reason: str, seconds: float) -> None:
        trace, self._recorder.answered = self._recorder.answered, None
        if trace is None:
            return
        whole = trace.whole
        whole.attributes |= {
            "http.request.method": whole.name,
            "http.route": route,
            "http.response.status_code": status,
        }
        whole.name = f"{whole.name} {route}"
        if reason:
            whole.attributes[PREFIX + "reason"] = reason
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            whole.error = reason or str(status)
        self._recorder.finish(trace)

    def on_browser_answered(self, route: str, input_name: str, status: int, reason: str, seconds: float) -> None:
        if self._recorder.answered is not None and input_name:
            self._recorder.answered.whole.attributes[PREFIX + "input"] = input_name
        self.on_answered(route, status, reason, seconds)

    def on_attempted(self, attempt: Attempt) -> None:
        trace = current_delivery()
        if trace is None or not trace.stages:
            return
        stage = trace.stages[-1]
        stage.attributes |= {PREFIX + "events": len(attempt.events), PREFIX + "verdict": attempt.verdict}
        if attempt.answer.code is not None:
            stage.attributes[PREFIX + "tiktok_code"] = attempt.answer.code
        if attempt.verdict != "accepted":
            stage.error = stage.error or attempt.verdict

    def on_settled(self, settled: Settled) -> None:
        trace = current_delivery()
        if trace is not None:
            attributes = trace.whole.attributes
            for outcome, count in settled.counts.items():
                attributes[PREFIX + outcome] = int(attributes.get(PREFIX + outcome, 0)) + count
