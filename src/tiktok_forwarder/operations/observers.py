"""Where the reports of accepting and delivery go: to metrics and log, and to what people view afterwards."""

from collections.abc import Callable
from typing import ParamSpec

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.development_events import DevelopmentEvents
from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.otlp.tracing import TraceObserver
from tiktok_forwarder.telemetry.telemetry import Telemetry

_Report = ParamSpec("_Report")


class Observers:
    """The `IngestObserver`, `BrowserObserver`, `KafkaObserver`, `AcceptObserver` and `DeliveryObserver`."""

    def __init__(
        self,
        telemetry: Telemetry,
        activity: Activity,
        seen_names: SeenNames,
        development_events: DevelopmentEvents,
        traces: TraceObserver | None = None,
    ) -> None:
        self.on_internal_error = telemetry.on_internal_error
        self.on_answered = telemetry.on_answered
        self.left = telemetry.left
        self.on_browser_left = telemetry.on_browser_left
        self._on_browser_answered = telemetry.on_browser_answered
        self.on_kafka_message = telemetry.kafka.on_kafka_message
        self.on_kafka_refused = self._all_of(telemetry.kafka.on_kafka_refused, activity.on_kafka_refused)
        self.on_kafka_waiting = telemetry.kafka.on_kafka_waiting
        self.on_kafka_state = telemetry.kafka.on_kafka_state
        self.on_refused = self._all_of(telemetry.on_refused, activity.on_refused)
        self.on_received = telemetry.on_received
        self.on_historical = telemetry.on_historical
        self.on_stored = telemetry.on_stored
        self.on_warnings = telemetry.on_warnings
        self.on_connection_full = telemetry.on_connection_full
        self.on_events_not_kept = telemetry.on_events_not_kept
        self.on_noted = telemetry.on_noted
        self.on_failed = telemetry.on_failed
        self.on_request = self._all_of(activity.on_request, seen_names.on_request, development_events.on_request)
        self.on_accepted = self._all_of(telemetry.on_accepted, activity.on_accepted)
        self.on_attempted = self._all_of(telemetry.on_attempted, activity.on_attempted)
        self.on_settled = self._all_of(telemetry.on_settled, activity.on_settled)
        self.on_replayed = self._all_of(telemetry.on_replayed, activity.on_replayed)
        self.on_state_changed = self._all_of(telemetry.on_state_changed, activity.on_state_changed)
        if traces is not None:
            self.on_received = self._all_of(self.on_received, traces.on_received)
            self.on_answered = self._all_of(self.on_answered, traces.on_answered)
            self._on_browser_answered = self._all_of(self._on_browser_answered, traces.on_browser_answered)
            self.on_attempted = self._all_of(self.on_attempted, traces.on_attempted)
            self.on_settled = self._all_of(self.on_settled, traces.on_settled)

    def on_browser_answered(self, route: str, input_name: str, status: int, reason: str, seconds: float) -> None:
        self._on_browser_answered(route, input_name, status, reason, seconds)
        if input_name and reason:
            self.on_refused(input_name, reason)

    def _all_of(self, *observers: Callable[_Report, None]) -> Callable[_Report, None]:
        """Return a function that calls each of these. Their errors end there: no event may fail because of one."""

        def report(*values: _Report.args, **named: _Report.kwargs) -> None:
            for observer in observers:
                try:
                    observer(*values, **named)
                except Exception as error:
                    self.on_internal_error(error)

        return report
