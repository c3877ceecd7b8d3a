"""Metrics and log lines: what they say, how often, and what they never hold."""

import io
import json
import logging
from typing import Any

import pytest

from tests.unit.mapping.batches import batch_of, purchase
from tests.unit.parts import Parts, sender
from tiktok_forwarder.delivery.interfaces import Attempt, DeliveryStatus
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.store.risks import RISK_NAMES, RiskName, StoreRisk
from tiktok_forwarder.store.totals import QueueCounts, TotalsRow
from tiktok_forwarder.telemetry.telemetry import Telemetry, open_log


class Log:
    """A log that a test reads."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.telemetry = Telemetry(open_log("debug", "json", self.stream))

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Log:
    return Log()


def test_refusals_are_told_once_a_second(log: Log) -> None:
    """A thousand refusals of a kind are one line, another kind is another, and the metrics count all."""
    for _ in range(1000):
        log.telemetry.on_answered("/v2/events", 403, "bad_credentials", 0.001)
    log.telemetry.on_answered("/v2/events", 503, "store_full", 0.001)
    assert [(line["reason"], line["requests"]) for line in log.lines] == [("bad_credentials", 1), ("store_full", 1)]
    assert b'{reason="bad_credentials",route="/v2/events",status="403"} 1000.0' in log.telemetry.exposition()


def test_refusals_of_browsers_are_counted_and_logged_only_if_an_operator_can_act(log: Log) -> None:
    """Any visitor can cause most of them; the service's own failures and an input's flood are reported."""
    route = "/v3/JS/{key}/events"
    for status, reason in ((403, "origin"), (429, "address_limit"), (202, "unreadable"), (413, "too_large")):
        log.telemetry.on_browser_answered(route, "web", status, reason, 0.001)
    assert log.lines == []
    for _ in range(1000):
        log.telemetry.on_browser_answered(route, "web", 429, "input_limit", 0.001)
    log.telemetry.on_browser_answered(route, "web", 503, "store_full", 0.001)
    log.telemetry.on_browser_left(route, "web")
    flood, failure = log.lines
    assert (flood["level"], flood["input"], flood["requests"]) == ("warning", "web", 1)
    assert (failure["reason"], failure["requests"]) == ("store_full", 1)
    counted = (
        'tiktok_forwarder_browser_requests_total{input="web",reason="%s",route="/v3/JS/{key}/events",status="%d"} %d'
    )
    for reason, status, count in (("input_limit", 429, 1000), ("origin", 403, 1), ("sender_left", 499, 1)):
        assert counted % (reason, status, count) in log.telemetry.exposition().decode()


@pytest.mark.parametrize(
    "problem",
    ["full", "disk", "locked", "damaged", "missing", "deleted", "unreachable", "read_only", "database"],
)
def test_a_problem_of_the_store_is_told_with_what_to_do(log: Log, problem: str) -> None:
    """And that it is over."""
    log.telemetry.on_store_problems([problem])
    log.telemetry.on_store_problems([])
    told, over = log.lines
    assert (told["level"], told["problem"]) == ("error", problem)
    assert told["remedy"]
    assert over["event"] == "the event store accepts new events again"


@pytest.mark.parametrize("name", RISK_NAMES)
def test_risk_of_the_store_is_a_warning_and_a_metric(log: Log, name: RiskName) -> None:
    """The line says what to set; when it is over, the metric is 0 again."""
    log.telemetry.on_store_risk(StoreRisk(name))
    assert f'tiktok_forwarder_store_risk{{risk="{name}"}} 1.0' in log.telemetry.exposition().decode()
    log.telemetry.on_store_risk_over(name)
    assert f'tiktok_forwarder_store_risk{{risk="{name}"}} 0.0' in log.telemetry.exposition().decode()
    told, over = log.lines
    assert (told["level"], told["risk"], over["level"]) == ("warning", name, "info")
    assert "synchronous" in told["message"] or "fsync = on" in told["message"]


@pytest.mark.parametrize(
    ("is_final", "text"),
    [(False, "events are in a deleted database only"), (True, "events were lost with the deleted database")],
)
def test_deleted_database_is_told_by_connection(log: Log, is_final: bool, text: str) -> None:
    """With the numbers that make up the account of what is lost; without events, there is nothing to lose."""
    log.telemetry.on_database_deleted({"cn_1": QueueCounts(7, 2, 3, None, 70)}, is_final=is_final)
    log.telemetry.on_database_deleted({}, is_final=is_final)
    told, nothing = log.lines
    assert (told["level"], told["event"]) == ("error", text)
    assert (told["connection"], told["waiting"], told["dead_letters"]) == ("cn_1", 7, 3)
    assert nothing["event"] == "no event was in the deleted database"


@pytest.mark.parametrize(
    ("is_fixed", "text"),
    [(True, "other users could read this; they no longer can"), (False, "other users can read this")],
)
def test_loose_permissions_are_told_with_the_mode(log: Log, is_fixed: bool, text: str) -> None:
    """Whoever reads it knows what others could do until then."""
    log.telemetry.on_loose_permissions("/data", 0o44, is_fixed=is_fixed)
    (line,) = log.lines
    assert (line["level"], line["event"], line["path"], line["mode"]) == ("warning", text, "/data", "044")


def test_dropped_events_of_a_full_connection_are_told_once_a_second(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each connection, with the number of events since the last one."""
    seconds = 100.0
    monkeypatch.setattr("time.monotonic", lambda: seconds)
    for connection in ("cn_1", "cn_1", "cn_2"):
        log.telemetry.on_connection_full(connection, 3)
    seconds += 1
    log.telemetry.on_connection_full("cn_1", 2)
    assert [(line["connection"], line["events"]) for line in log.lines] == [("cn_1", 3), ("cn_2", 3), ("cn_1", 5)]


def test_quota_warning_is_told_with_what_to_do(log: Log) -> None:
    """In whole percent, and when it is over."""
    log.telemetry.on_quota_warning("cn_1", 0.809)
    log.telemetry.on_quota_warning_over("cn_1", 0.1)
    warning, over = log.lines
    assert (warning["level"], warning["connection"], warning["percent"]) == ("warning", "cn_1", 80)
    assert "max_store_bytes" in warning["remedy"] and (over["level"], over["percent"]) == ("info", 10)


def test_wrong_clock_is_told_with_what_to_do(log: Log) -> None:
    """And that it is right again."""
    log.telemetry.on_clock_compared(2592000.4)
    log.telemetry.on_clock_wrong(2592000.4)
    log.telemetry.on_clock_right(-1.2)
    wrong, right = log.lines
    assert (wrong["level"], wrong["seconds"], "NTP" in wrong["remedy"]) == ("warning", 2_592_000, True)
    assert (right["level"], right["seconds"]) == ("info", -1)
    assert b"tiktok_forwarder_clock_difference_seconds 2.5920004e+06" in log.telemetry.exposition()


def test_document_that_another_node_changed_and_this_one_cannot_read_is_logged(log: Log) -> None:
    """With what to do; the error's text may quote a setting, and is left out."""
    log.telemetry.on_document_not_followed("connection", "cn_1", ValueError("a secret"))
    (line,) = log.lines
    assert (line["level"], line["kind"], line["document"], line["error"]) == (
        "error",
        "connection",
        "cn_1",
        "ValueError",
    )
    assert "update this program" in line["event"] and "a secret" not in str(line)


def test_activity_begun_anew_is_told_with_the_reason(log: Log) -> None:
    """Whoever misses the earlier records finds in the log where they went."""
    log.telemetry.on_activity_begun_anew("file is not a database")
    (line,) = log.lines
    assert (line["level"], line["reason"]) == ("warning", "file is not a database")


def test_what_was_not_told_is_told_with_the_next(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line after a silence says how many refusals it stands for."""
    seconds = 100.0
    monkeypatch.setattr("time.monotonic", lambda: seconds)
    for _ in range(3):
        log.telemetry.on_answered("/v2/events", 400, "unreadable", 0.001)
    seconds += 2
    log.telemetry.on_answered("/v2/events", 400, "unreadable", 0.001)
    assert [line["requests"] for line in log.lines] == [1, 3]


def test_events_that_are_not_kept_are_told_once_an_hour(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each input, with the number of events since the last one and what to do."""
    seconds = 100.0
    monkeypatch.setattr("time.monotonic", lambda: seconds)
    for input_name in ("web", "web", "app"):
        log.telemetry.on_events_not_kept(input_name, 3)
    seconds += 3599
    log.telemetry.on_events_not_kept("web", 1)
    seconds += 1
    log.telemetry.on_events_not_kept("web", 2)
    assert [(line["input"], line["events"]) for line in log.lines] == [("web", 3), ("app", 3), ("web", 6)]
    assert {line["level"] for line in log.lines} == {"warning"} and "connection" in log.lines[0]["remedy"]


def test_reached_limits_of_http_connections_are_logged_with_counts(log: Log) -> None:
    """One line for each limit names its setting; the metrics count each connection."""
    log.telemetry.on_http_closed("max_headers")
    log.telemetry.on_http_limits_reached({"max_headers": 3, "malformed": 1})
    assert [(line["reason"], line["http_connections"]) for line in log.lines] == [("max_headers", 3), ("malformed", 1)]
    assert b'closed_http_connections_total{reason="max_headers"} 1.0' in log.telemetry.exposition()


def test_fewer_connections_than_the_setting_are_logged_at_the_start(log: Log) -> None:
    """The line says how many there can be and how to have more; nothing is logged if the setting holds."""
    log.telemetry.on_http_limit(2000, 2000)
    assert log.lines == []
    log.telemetry.on_http_limit(768, 2000)
    (line,) = log.lines
    assert (line["max_http_connections"], line["http_connections"]) == (2000, 768) and "ulimit" in line["remedy"]
    assert b"tiktok_forwarder_max_http_connections 768.0" in log.telemetry.exposition()


def test_accepted_requests_are_not_logged(log: Log) -> None:
    """The log does not grow with traffic."""
    log.telemetry.on_answered("/v2/events", 202, "", 0.001)
    log.telemetry.on_received("shop", 1, 10)
    log.telemetry.on_stored(0.002)
    log.telemetry.on_attempted(Attempt("cn_1", "accepted", Answer(200, 0), [], 0.1))
    assert log.lines == []


def test_a_fault_is_told_by_its_place(log: Log) -> None:
    """A fault's line says what kind and where, without the text, which may quote a request."""
    try:
        json.loads("canary@example.com")
    except ValueError as error:
        log.telemetry.on_internal_error(error)
        log.telemetry.on_failed("cn_1", error)
    for line in log.lines:
        assert line["error"] == "JSONDecodeError" and "decoder.py:" in line["where"]
    assert "canary" not in log.stream.getvalue() and b"tiktok_forwarder_faults_total 1.0" in log.telemetry.exposition()


def test_what_tiktok_writes_is_not_logged(log: Log) -> None:
    """Notes and reasons may quote an event: lines say that there is one, not what it says."""
    log.telemetry.on_noted("cn_1", "canary@example.com")
    log.telemetry.on_state_changed(
        DeliveryStatus("cn_1", "paused", reason="canary@example.com", code=40104, by="service")
    )
    assert [line["event"] for line in log.lines] == ["delivered with a note", "delivery state changed"]
    assert "canary" not in log.stream.getvalue()


def test_recovery_is_no_warning_and_has_no_empty_values(log: Log) -> None:
    """What needs a person is a warning with its code and cause."""
    log.telemetry.on_state_changed(DeliveryStatus("cn_1", "refused", code=40104, by="service"))
    for condition in ("live", "test", "recording"):
        log.telemetry.on_state_changed(DeliveryStatus("cn_1", condition))
    refused, *recovered = log.lines
    assert (refused["level"], refused["code"], refused["by"]) == ("warning", 40104, "service")
    assert [line["level"] for line in recovered] == ["info"] * 3
    assert set(recovered[0]) == {"connection", "condition", "event", "level", "timestamp"}


def test_libraries_are_heard_without_their_values(log: Log) -> None:
    """A library's warning becomes a line of the same form, without arguments, tracebacks or further lines."""
    library = logging.getLogger("some.package")
    library.info("not told")
    library.warning("request of %s failed\nTraceback: canary", "canary@example.com")
    try:
        raise ValueError("canary@example.com")
    except ValueError:
        library.exception("trouble")
    told = [(line["level"], line["library"], line["text"], line.get("error")) for line in log.lines]
    assert told == [
        ("warning", "some.package", "request of %s failed", None),
        ("error", "some.package", "trouble", "ValueError"),
    ]
    assert "canary" not in log.stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_line_stays_one_line(form: str, log: Log) -> None:
    """Line breaks in a value cannot make a second line."""
    open_log("debug", form, log.stream).warning("something", reason='x\r\n{"level":"error"}')
    assert len(log.stream.getvalue().splitlines()) == 1


def test_the_books_are_exported_as_they_are(log: Log) -> None:
    """Totals, queue and condition stand in the metrics under the connection's id; the oldest event's age in seconds."""
    figures = log.telemetry.figures
    figures.totals = [TotalsRow("cn_1", "dropped", "missing_ip", 3), TotalsRow("cn_1", "accepted", "", 5)]
    figures.counts = {"cn_1": QueueCounts(2, 1, 4, 1_000, 512, 0.25)}
    figures.statuses = {"cn_1": DeliveryStatus("cn_1", "throttled")}
    figures.now_ms = 3_500
    exposition = log.telemetry.exposition().decode()
    for line in (
        'tiktok_forwarder_events_total{connection="cn_1",outcome="dropped",reason="missing_ip"} 3.0',
        'tiktok_forwarder_queue_events{connection="cn_1"} 2.0',
        'tiktok_forwarder_queue_bytes{connection="cn_1"} 512.0',
        'tiktok_forwarder_connection_quota_used_ratio{connection="cn_1"} 0.25',
        'tiktok_forwarder_dead_letters{connection="cn_1"} 4.0',
        'tiktok_forwarder_oldest_event_age_seconds{connection="cn_1"} 2.5',
        'tiktok_forwarder_connection_condition{condition="throttled",connection="cn_1"} 1.0',
        'tiktok_forwarder_connection_condition{condition="live",connection="cn_1"} 0.0',
    ):
        assert line in exposition


async def test_purchases_and_refused_requests_are_exported_by_input(log: Log) -> None:
    """A flood of false purchases, or of requests that are refused, shows at the input that it comes through."""
    parts = Parts()
    await parts.add_connection("One")
    await parts.add_connection("Two")
    cart = purchase(source_message_id="m2", product_action={"action": "add_to_cart"})
    body = json.dumps(batch_of(purchase(), cart)).encode()
    for each in (sender("web"), sender("kiosk", allows_purchases=False)):
        acceptance = await parts.acceptor.accept(body, each)
        assert acceptance is not None
        log.telemetry.on_accepted(acceptance)
    log.telemetry.on_refused("web", "too_large")
    exported = log.telemetry.exposition().decode()
    for line in (
        'tiktok_forwarder_purchases_total{input="web",outcome="mapped"} 2.0',
        'tiktok_forwarder_purchases_total{input="kiosk",outcome="not_allowed"} 2.0',
        'tiktok_forwarder_refused_requests_total{input="web",reason="too_large"} 1.0',
    ):
        assert f"\n{line}\n" in exported
    assert 'input="kiosk",outcome="mapped"' not in exported
