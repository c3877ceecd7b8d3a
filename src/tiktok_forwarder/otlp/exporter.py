"""Sends metrics and spans to a collector, with OpenTelemetry's own libraries: OTLP over HTTP, in threads of their own.

This module imports the libraries, which take a tenth of a second and some megabytes, so it is itself imported only when
the setting `otlp_endpoint` names a collector.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_CERTIFICATE,
    OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE,
    OTEL_EXPORTER_OTLP_CLIENT_KEY,
)
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)
from prometheus_client import CollectorRegistry

from tiktok_forwarder import __version__
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.otlp.metric_forms import metrics_of
from tiktok_forwarder.otlp.recording import Span, Trace

Signal = Literal["metrics", "traces"]
Report = Callable[[Signal, str], None]
"""Receives the result of an export: a problem in a few words, empty if there was none. Called in any thread."""

_SCOPE: Final = "tiktok_forwarder"
_FILES: Final = (OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_KEY)
_KINDS: Final[Mapping[str, SpanKind]] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "consumer": SpanKind.CONSUMER,
}
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_FIRST_REDIRECT: Final = 300  # HTTP's own limits
_FIRST_REFUSAL: Final = 400
# A longer answer is not read: a collector's are a few bytes.
_MAX_ANSWER_BYTES: Final = 64 * 1024


class _Session(requests.Session):
    """A session that goes to the endpoint itself, whatever environment or collector want, and keeps the last problem.

    Neither proxies nor credentials of the environment (`.netrc`) are used, and no redirect is followed. The exporters
    take one for a success, so it is raised as an error here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.problem = ""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        return None

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        try:
            answer = super().send(request, **{**options, "stream": True})
            answer.raw.read(_MAX_ANSWER_BYTES)
            answer.close()
        except Exception as error:
            # The text may quote a header: the kind is enough.
            self.problem = type(error).__name__
            raise
        self.problem = "" if answer.status_code < _FIRST_REDIRECT else f"HTTP {answer.status_code}"
        if _FIRST_REDIRECT <= answer.status_code < _FIRST_REFUSAL:
            raise requests.TooManyRedirects
        return answer


class _ReportingSpanExporter(SpanExporter):
    """Exports spans in the thread of the batch processor, and reports how it went."""

    def __init__(self, exporter: OTLPSpanExporter, session: _Session, report: Report) -> None:
        self._exporter = exporter
        self._session = session
        self._report = report

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        self._report("traces", "" if result is SpanExportResult.SUCCESS else self._session.problem or "not exported")
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]


class OtlpExporter:
    """The connection to a collector, from its creation to `close`.

    Raises `ConfigurationError` if the libraries cannot use their variables of the environment.

    `emit` only queues, and drops what is beyond the queue's bound. `export_metrics` and `close` block, so they are
    called in threads of their own.
    """

    def __init__(self, endpoint: str, port: int, report: Report) -> None:
        _check_files()
        self._report = report
        self._started_ns = time.time_ns()
        self._resource = _resource(port)
        try:
            self._open(endpoint)
        except ValueError as error:
            raise ConfigurationError([f"a variable of the environment that begins with OTEL_: {error}"]) from None
        # From now on `report` has what the exporters log, once and without quoting anything.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    def _open(self, endpoint: str) -> None:
        self._metrics_session, traces_session = _Session(), _Session()
        self._metrics = OTLPMetricExporter(f"{endpoint}/v1/metrics", session=self._metrics_session)
        spans = OTLPSpanExporter(f"{endpoint}/v1/traces", session=traces_session)
        self._processor = BatchSpanProcessor(_ReportingSpanExporter(spans, traces_session, self._report))
        provider = TracerProvider(ALWAYS_ON, self._resource, shutdown_on_exit=False)
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer(_SCOPE, __version__)

    def emit(self, trace: Trace) -> None:
        emit_spans(self._tracer, trace)

    def collect(self, registry: CollectorRegistry, lasting: Container[str]) -> MetricsData:
        """Return the metrics as they are now. Called in the event loop's thread, which counts them."""
        metrics = metrics_of(registry.collect(), started_ns=self._started_ns, now_ns=time.time_ns(), lasting=lasting)
        scope = ScopeMetrics(InstrumentationScope(_SCOPE, __version__), metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def export_metrics(self, metrics: MetricsData) -> None:
        result = self._metrics.export(metrics)
        is_exported = result is MetricExportResult.SUCCESS
        self._report("metrics", "" if is_exported else self._metrics_session.problem or "not exported")

    def close(self) -> None:
        """Export queued spans, then end."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]
        self._metrics.shutdown()


def emit_spans(tracer: Tracer, trace: Trace) -> None:
    """Make the spans of a finished trace: one for the whole, one within it for each stage."""
    context = None
    if trace.parent is not None:
        parent = SpanContext(trace.parent.trace_id, trace.parent.span_id, is_remote=True, trace_flags=_SAMPLED)
        context = set_span_in_context(NonRecordingSpan(parent))
    whole = _start(tracer, trace.whole, context)
    inside = set_span_in_context(whole)
    for stage in trace.stages:
        _start(tracer, stage, inside).end(stage.ended_ns)
    whole.end(trace.whole.ended_ns)


def _start(tracer: Tracer, span: Span, context: Any) -> Any:
    started = tracer.start_span(
        span.name, context, _KINDS[span.kind], attributes=span.attributes, start_time=span.started_ns
    )
    if span.error:
        started.set_attribute("error.type", span.error)
        started.set_status(Status(StatusCode.ERROR))
    return started


def _resource(port: int) -> Resource:
    """Return what describes this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES replace and add to it.

    The instance is named as Prometheus names a target: the same after a restart, and different for each node.
    """
    own = {
        "service.name": "tiktok-forwarder",
        "service.version": __version__,
        "service.instance.id": f"{socket.gethostname()}:{port}",
    }
    return Resource(own).merge(OTELResourceDetector().detect())


def _check_files() -> None:
    problems = [
        f"{name}: file {os.environ[name]} not found"
        for name in _FILES
        if os.environ.get(name) and not Path(os.environ[name]).is_file()
    ]
    if problems:
        raise ConfigurationError(problems)
