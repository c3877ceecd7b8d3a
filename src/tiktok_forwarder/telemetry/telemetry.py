"""Metrics in Prometheus' form and log lines: what happened, never to whom.

No label, field or message here contains an identity, a token, an IP address, a payload or a text from TikTok, which may
quote one.
"""

import logging
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TextIO, get_args

import structlog
from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tiktok_forwarder import __version__
from tiktok_forwarder.browser.rate_limit import INPUT_LIMIT
from tiktok_forwarder.delivery.interfaces import Attempt, DeliveryCondition, DeliveryStatus, Settled
from tiktok_forwarder.intake.accept import Acceptance
from tiktok_forwarder.store.totals import QueueCounts, TotalsRow
from tiktok_forwarder.telemetry.counting import PlainCounter, PlainHistogram
from tiktok_forwarder.telemetry.export_reports import ExportReports
from tiktok_forwarder.telemetry.kafka_reports import KafkaReports
from tiktok_forwarder.telemetry.notice_reports import NoticeReports
from tiktok_forwarder.telemetry.store_reports import StoreReports
from tiktok_forwarder.tiktok.events import PURCHASE_EVENTS
from tiktok_forwarder.web.http_limits import CloseReason

_FRAMES_TOLD: Final = 4
_FIRST_REFUSAL: Final = 400  # HTTP's own limit between success and refusal
_FIRST_FAILURE: Final = 500  # HTTP's own limit between what the client and what the server causes
_SENDER_LEFT: Final = 499  # as proxies log a client that closed its request
_SILENCE_SECONDS: Final = 1.0
# For what stays so until an operator changes the configuration.
_LONG_SILENCE_SECONDS: Final = 3600.0
_LONG_LAG_SECONDS: Final = 1.0
_CONDITIONS: Final[tuple[DeliveryCondition, ...]] = get_args(DeliveryCondition)
_GOOD_CONDITIONS: Final[frozenset[DeliveryCondition]] = frozenset({"live", "test", "recording"})
"""Those of a connection that does what its settings say."""


EVENTS_METRIC: Final = "tiktok_forwarder_events"
"""The counter of the store's totals: unlike all others, it continues after a restart."""


class StoreFigures:
    """The store's totals when metrics were last requested: exported unchanged, so that they add up."""

    def __init__(self) -> None:
        self.totals: Sequence[TotalsRow] = ()
        self.counts: Mapping[str, QueueCounts] = {}
        self.statuses: Mapping[str, DeliveryStatus] = {}
        self.testing: Sequence[str] = ()
        self.now_ms = 0


class _StoreCollector(Collector):
    def __init__(self, figures: StoreFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        events = CounterMetricFamily(
            EVENTS_METRIC,
            "Events by outcome, from the store's totals.",
            labels=("connection", "outcome", "reason"),
        )
        for row in self._figures.totals:
            events.add_metric((row.connection_id, row.counter, row.reason), row.count)
        yield events
        yield from self._queue()
        condition = GaugeMetricFamily(
            "tiktok_forwarder_connection_condition",
            "1 for the current delivery condition of a connection.",
            labels=("connection", "condition"),
        )
        for connection_id, status in self._figures.statuses.items():
            for name in _CONDITIONS:
                condition.add_metric((connection_id, name), float(status.condition == name))
        yield condition
        tests = GaugeMetricFamily(
            "tiktok_forwarder_test_event_code",
            "1 while a connection has a test event code: TikTok treats its events as tests.",
            labels=("connection",),
        )
        for connection_id in self._figures.testing:
            tests.add_metric((connection_id,), 1)
        yield tests

    def _queue(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily("tiktok_forwarder_queue_events", "Events waiting.", labels=("connection",))
        size = GaugeMetricFamily("tiktok_forwarder_queue_bytes", "Payload bytes waiting.", labels=("connection",))
        dead = GaugeMetricFamily("tiktok_forwarder_dead_letters", "Dead letters kept.", labels=("connection",))
        age = GaugeMetricFamily(
            "tiktok_forwarder_oldest_event_age_seconds", "Age of the oldest waiting event.", labels=("connection",)
        )
        quota = GaugeMetricFamily(
            "tiktok_forwarder_connection_quota_used_ratio",
            "Used part of a connection's storage quota, from 0 to 1.",
            labels=("connection",),
        )
        for connection_id, counts in self._figures.counts.items():
            quota.add_metric((connection_id,), counts.quota_used)
            waiting.add_metric((connection_id,), counts.waiting)
            size.add_metric((connection_id,), counts.waiting_bytes)
            dead.add_metric((connection_id,), counts.dead_letters)
            oldest = counts.oldest_accepted_at_ms
            age.add_metric((connection_id,), max(0, self._figures.now_ms - oldest) / 1000 if oldest is not None else 0)
        yield from (waiting, size, dead, age, quota)


class _Unlogged(Struct):
    """Occurrences of one kind: how many are not logged yet, and until when no line is written."""

    number: int = 0
    silent_until: float = 0.0


class Telemetry(StoreReports, NoticeReports, ExportReports):
    """The observer of connections, ingest, accepting and delivery."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger) -> None:
        self.registry = CollectorRegistry()
        super().__init__(log, self.registry)
        NoticeReports.__init__(self, log, self.registry)
        ExportReports.__init__(self, log)
        self.figures = StoreFigures()
        self._unlogged: dict[tuple[str, ...], _Unlogged] = {}
        self.registry.register(_StoreCollector(self.figures))
        self.kafka = KafkaReports(log, self.registry, self._due)
        info = Gauge("tiktok_forwarder_info", "1, with the version.", ("version",), registry=self.registry)
        info.labels(__version__).set(1)
        self._add_metrics_of_http(self.registry)
        self._add_metrics_of_ingest(self.registry)
        self._add_metrics_of_delivery(self.registry)
        self._add_metrics_of_process(self.registry)

    def _add_metrics_of_http(self, registry: CollectorRegistry) -> None:
        self._http_connections = Gauge("tiktok_forwarder_http_connections", "Open HTTP connections.", registry=registry)
        self._max_http_connections = Gauge(
            "tiktok_forwarder_max_http_connections", "Maximum number of open HTTP connections.", registry=registry
        )
        self._closed_http_connections = PlainCounter(
            registry,
            "tiktok_forwarder_closed_http_connections",
            "HTTP connections that the service closed, by the limit that they reached.",
            ("reason",),
        )

    def _add_metrics_of_ingest(self, registry: CollectorRegistry) -> None:
        self._requests = PlainCounter(
            registry, "tiktok_forwarder_requests", "Requests from senders.", ("route", "status", "reason")
        )
        self._browser_requests = PlainCounter(
            registry,
            "tiktok_forwarder_browser_requests",
            "Requests from browsers; input is empty if none is known by the request.",
            ("input", "route", "status", "reason"),
        )
        self._request_seconds = PlainHistogram(
            registry, "tiktok_forwarder_request_seconds", "Time to answer a sender or a browser.", ("route",)
        )
        self._received = PlainCounter(registry, "tiktok_forwarder_received_events", "Events received.", ("input",))
        self._batches = PlainCounter(registry, "tiktok_forwarder_received_batches", "Batches received.", ("input",))
        self._historical = PlainCounter(
            registry, "tiktok_forwarder_historical_events", "Historical events, which are not forwarded.", ("input",)
        )
        self._refused = PlainCounter(
            registry,
            "tiktok_forwarder_refused_requests",
            "Refused requests whose input is known.",
            ("input", "reason"),
        )
        self._purchases = PlainCounter(
            registry,
            "tiktok_forwarder_purchases",
            "Events that TikTok counts as purchases, repeats included, for each connection: mapped, or not_allowed.",
            ("input", "outcome"),
        )
        self._warnings = PlainCounter(
            registry, "tiktok_forwarder_warnings", "Warnings of mapped events.", ("connection", "warning")
        )

    def _add_metrics_of_delivery(self, registry: CollectorRegistry) -> None:
        self._attempts = PlainCounter(
            registry, "tiktok_forwarder_attempts", "Requests to TikTok.", ("connection", "verdict", "code")
        )
        self._attempt_seconds = PlainHistogram(
            registry, "tiktok_forwarder_attempt_seconds", "Time until TikTok answered.", ("connection",)
        )
        self._clock_difference = Gauge(
            "tiktok_forwarder_clock_difference_seconds",
            "This machine's clock minus TikTok's, by the Date header of TikTok's answers; 0 before the first one.",
            registry=registry,
        )
        self._failures = PlainCounter(
            registry, "tiktok_forwarder_delivery_failures", "Internal errors of delivery.", ("connection",)
        )

    def _add_metrics_of_process(self, registry: CollectorRegistry) -> None:
        self._store_seconds = PlainHistogram(
            registry, "tiktok_forwarder_store_write_seconds", "Time until a request was on disk."
        )
        self._faults = PlainCounter(registry, "tiktok_forwarder_faults", "Internal errors.")
        self._lag_seconds = PlainHistogram(
            registry, "tiktok_forwarder_loop_lag_seconds", "Delay of the event loop, which delays everything."
        )

    # --- HTTP connections ---

    def on_http_limit(self, limit: int, wanted: int) -> None:
        """`wanted` is the setting; the process's file descriptors may allow less."""
        self._max_http_connections.set(limit)
        if limit < wanted:
            self._log.warning(
                "fewer HTTP connections than max_http_connections: the process may open too few files",
                max_http_connections=wanted,
                http_connections=limit,
                remedy="raise the limit of open files (ulimit -Hn, LimitNOFILE), or lower max_http_connections",
            )

    def on_http_connections(self, count: int) -> None:
        self._http_connections.set(count)

    def on_http_closed(self, reason: CloseReason) -> None:
        self._closed_http_connections.add(1, reason)

    def on_http_limits_reached(self, counts: Mapping[CloseReason, int]) -> None:
        for reason, count in counts.items():
            self._log.warning("HTTP connections closed at a limit", reason=reason, http_connections=count)

    # --- ingest and accepting ---

    def on_answered(self, route: str, status: int, reason: str, seconds: float) -> None:
        self._requests.add(1, route, status, reason)
        self._request_seconds.add(seconds, route)
        # A refusal is data that the sender loses, unless it tries again: both are worth a line.
        if status >= _FIRST_REFUSAL:
            self._tell_refusal(route, status, reason)

    def left(self, route: str) -> None:
        self._requests.add(1, route, _SENDER_LEFT, "sender_left")

    def on_browser_answered(self, route: str, input_name: str, status: int, reason: str, seconds: float) -> None:
        self._browser_requests.add(1, input_name, route, status, reason)
        self._request_seconds.add(seconds, route)
        # Any visitor can cause other refusals: they must not fill the log.
        if status >= _FIRST_FAILURE:
            self._tell_refusal(route, status, reason)
        elif reason == INPUT_LIMIT and (requests := self._due("input_limit", input_name)):
            self._log.warning(
                "browser requests refused: the input receives more than browser_requests_per_minute_per_input",
                input=input_name,
                requests=requests,
            )

    def on_browser_left(self, route: str, input_name: str) -> None:
        self._browser_requests.add(1, input_name, route, _SENDER_LEFT, "sender_left")

    def _tell_refusal(self, route: str, status: int, reason: str) -> None:
        """Log refusals, once a second for each kind with their number: a sender may fail a thousand times a second."""
        if requests := self._due("refused", route, reason):
            self._log.warning("request refused", route=route, status=status, reason=reason, requests=requests)

    def _due(self, *kind: str, number: int = 1, silent_seconds: float = _SILENCE_SECONDS) -> int:
        """Count an occurrence of a kind; return how many one line reports now, 0 soon after the last line."""
        unlogged = self._unlogged.setdefault(kind, _Unlogged())
        unlogged.number += number
        now = time.monotonic()
        if now < unlogged.silent_until:
            return 0
        due, unlogged.number, unlogged.silent_until = unlogged.number, 0, now + silent_seconds
        return due

    def on_connection_full(self, connection_id: str, events: int) -> None:
        if dropped := self._due("connection_full", connection_id, number=events):
            self._log.warning(
                "events dropped: the connection has used up its storage quota", connection=connection_id, events=dropped
            )

    def on_events_not_kept(self, input_name: str, events: int) -> None:
        kind = ("not_kept", input_name)
        if not_kept := self._due(*kind, number=events, silent_seconds=_LONG_SILENCE_SECONDS):
            self._log.warning(
                "events not kept: their input feeds no connection",
                input=input_name,
                events=not_kept,
                remedy="add a connection, or add the input to the inputs of one",
            )

    def on_received(self, input_name: str, batches: int, events: int) -> None:
        self._batches.add(batches, input_name)
        self._received.add(events, input_name)

    def on_refused(self, input_name: str, reason: str) -> None:
        self._refused.add(1, input_name, reason)

    def on_accepted(self, acceptance: Acceptance) -> None:
        mapped = 0
        for admitted in acceptance.admitted.values():
            for each in admitted:
                if each.event.event_name in PURCHASE_EVENTS:
                    mapped += 1
        if mapped:
            self._purchases.add(mapped, acceptance.input_name, "mapped")
        for (_, reason), count in acceptance.drop_counts.items():
            if reason == "purchase_not_allowed":
                self._purchases.add(count, acceptance.input_name, "not_allowed")

    def on_historical(self, input_name: str, events: int) -> None:
        self._historical.add(events, input_name)

    def on_stored(self, seconds: float) -> None:
        self._store_seconds.add(seconds)

    def on_internal_error(self, error: Exception) -> None:
        self._faults.add(1)
        self._log.error("fault", error=type(error).__name__, where=_place_of(error))

    def on_document_not_followed(self, kind: str, document_id: str, error: Exception) -> None:
        what = "a change made elsewhere cannot be read; update this program if another node is newer"
        self._log.error(what, kind=kind, document=document_id, error=type(error).__name__)

    def on_warnings(self, connection_id: str, warning: str) -> None:
        self._warnings.add(1, connection_id, warning)

    def on_loop_lag(self, seconds: float) -> None:
        self._lag_seconds.add(seconds)
        if seconds > _LONG_LAG_SECONDS:
            self._log.warning("the event loop was delayed", seconds=round(seconds, 3))

    def on_oidc_login_failed(self, reason: str) -> None:
        self._log.warning("OIDC login failed", reason=reason)

    def on_loose_permissions(self, path: str, mode: int, *, is_fixed: bool) -> None:
        what = "other users could read this; they no longer can" if is_fixed else "other users can read this"
        self._log.warning(what, path=path, mode=f"{mode:03o}")

    def on_process_settings_warning(self, warning: str) -> None:
        self._log.warning("settings warning", warning=warning)

    def on_activity_begun_anew(self, reason: str) -> None:
        self._log.warning("the activity was restarted without its earlier records", reason=reason)

    # --- delivery ---

    def on_settings_warning(self, connection_id: str, warning: str) -> None:
        """Log a warning about the connection's settings for the operator."""
        self._log.warning("settings warning", connection=connection_id, warning=warning)

    def on_attempted(self, attempt: Attempt) -> None:
        connection_id, verdict, code = attempt.connection_id, attempt.verdict, attempt.answer.code
        self._attempts.add(1, connection_id, verdict, "" if code is None else code)
        self._attempt_seconds.add(attempt.seconds, connection_id)
        if verdict != "accepted":
            events = len(attempt.events)
            self._log.info("attempt failed", connection=connection_id, verdict=verdict, code=code, events=events)

    def on_settled(self, settled: Settled) -> None:
        if dead := settled.counts.get("dead_letter"):
            self._log.warning("dead-lettered", connection=settled.connection_id, events=dead)

    def on_replayed(self, connection_id: str, count: int) -> None:
        self._log.warning("dead letters replayed", connection=connection_id, events=count)

    def on_noted(self, connection_id: str, note: str) -> None:
        # The note itself may quote an event; it is in the delivery status.
        self._log.info("delivered with a note", connection=connection_id)

    def on_state_changed(self, status: DeliveryStatus) -> None:
        self._log.log(
            logging.INFO if status.condition in _GOOD_CONDITIONS else logging.WARNING,
            "delivery state changed",
            connection=status.connection_id,
            condition=status.condition,
            code=status.code,
            by=status.by or None,
        )

    def on_clock_compared(self, seconds: float) -> None:
        self._clock_difference.set(seconds)

    def on_clock_wrong(self, seconds: float) -> None:
        self._log.warning(
            "this machine's clock differs from TikTok's", seconds=round(seconds), remedy="set the clock, and use NTP"
        )

    def on_clock_right(self, seconds: float) -> None:
        self._log.info("this machine's clock agrees with TikTok's again", seconds=round(seconds))

    def on_failed(self, connection_id: str, error: Exception) -> None:
        self._failures.add(1, connection_id)
        self._log.error("delivery failed", connection=connection_id, error=type(error).__name__, where=_place_of(error))

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class _LibraryLog(logging.Handler):
    """Writes libraries' warnings to the service's log: their kind only, since their arguments may quote anything."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(
            record.levelno,
            "a library's warning",
            library=record.name,
            text=str(record.msg).partition("\n")[0],
            error=type(error).__name__ if error is not None else None,
        )


def _place_of(error: BaseException) -> str:
    """Return where the error was raised, as module and line: a traceback without the values that its text may quote."""
    frames = traceback.extract_tb(error.__traceback__)
    return " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-_FRAMES_TOLD:]))


def _without_missing(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {name: value for name, value in line.items() if value is not None}


def open_log(level: str, form: str, stream: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """Return the service's log on `stream` (standard error): JSON lines, or text for people."""
    stream = stream if stream is not None else sys.stderr
    logging.basicConfig(handlers=[_LibraryLog()], level=logging.WARNING, force=True)
    as_text = form == "text" or (form == "auto" and stream.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            _without_missing,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
