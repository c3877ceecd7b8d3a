"""What is logged about exports to an OpenTelemetry collector: one line when they begin to fail, one when they work."""

import structlog


class ExportReports:
    """The observer of exports."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self._export_log = log

    def on_export_failed(self, signal: str, problem: str) -> None:
        self._export_log.warning(
            "the OpenTelemetry collector does not get this; it is dropped until an export succeeds",
            signal=signal,
            problem=problem,
            remedy="check otlp_endpoint, the collector, and the variables OTEL_EXPORTER_OTLP_*",
        )

    def on_export_restored(self, signal: str) -> None:
        self._export_log.warning("the OpenTelemetry collector gets this again", signal=signal)
