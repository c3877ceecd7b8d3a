"""Metrics and traces at a collector: what it gets, and what it never gets."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.otlp_rig import ALL, until_metrics, until_spans
from tests.integration.service_rig import (
    AUTHORIZATION,
    BASIC,
    SECRET,
    TOKEN,
    fresh_batch,
    running_service,
)
from tests.otlp_collector import Collector, attributes_of
from tiktok_sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quick_exports")]

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "tracestate": "vendor=name@example.com"}
# Changes between a request for metrics and the next one.
UNSTEADY = ("tiktok_forwarder_loop_lag_seconds", "tiktok_forwarder_oldest_event_age_seconds")


def tree(spans: Iterable[Span], root: str) -> dict[str, Any]:
    """The first span of this name: its attributes, and its children in the order of their starts."""
    all_spans = list(spans)
    found = next(span for span in all_spans if span.name == root)
    children = [span for span in all_spans if span.parent_span_id == found.span_id]
    for child in children:
        assert child.trace_id == found.trace_id
        assert found.start_time_unix_nano <= child.start_time_unix_nano <= child.end_time_unix_nano
        assert child.end_time_unix_nano <= found.end_time_unix_nano
    children.sort(key=lambda span: span.start_time_unix_nano)
    return {
        "kind": Span.SpanKind.Name(found.kind).removeprefix("SPAN_KIND_").lower(),
        "attributes": attributes_of(found.attributes),
        "children": [(child.name, attributes_of(child.attributes)) for child in children],
        "is_error": found.status.code == 2,
    }


def as_prometheus(metrics: dict[str, Metric]) -> set[str]:
    """The lines of Prometheus' text form that the received metrics amount to."""
    lines = set()
    for name, metric in metrics.items():
        data: Any = getattr(metric, str(metric.WhichOneof("data")))
        for point in data.data_points:
            labels = sorted(attributes_of(point.attributes).items())
            if metric.WhichOneof("data") != "histogram":
                lines.add(_line(name, labels, point.as_int if point.HasField("as_int") else point.as_double))
                continue
            so_far = 0
            for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True):
                so_far += count
                lines.add(
                    _line(f"{name}_bucket", [*labels, ("le", "+Inf" if bound == float("inf") else bound)], so_far)
                )
            lines.add(_line(f"{name}_count", labels, point.count))
            lines.add(_line(f"{name}_sum", labels, point.sum))
    return lines


def _line(name: str, labels: list[tuple[str, Any]], value: float) -> str:
    return f"{name}{sorted((key, str(text)) for key, text in labels)} {float(value)}"


def in_text(text: str) -> set[str]:
    lines = set()
    for line in text.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()  # type: ignore[union-attr]
            lines.add(_line(name, re.findall(r'(\w+)="([^"]*)"', labels or ""), float(value)))
    return lines


async def test_collector_gets_the_figures_of_the_metrics_page(tmp_path: Path, collector: Collector) -> None:
    """Names, labels and numbers are those of `/metrics`, so that a dashboard works with either."""
    async with (
        Sandbox() as sandbox,
        running_service(tmp_path, sandbox.url, otlp_endpoint=collector.url, **ALL) as service,
    ):
        await service.add_connection()
        assert (await service.post(body=fresh_batch("a", "b"))).status == 202
        assert (await service.post(body={"x": 1})).status == 400
        await service.until_delivered(sandbox, 2)
        await until_metrics(collector)
        steady = [line for line in in_text(await service.metrics()) if not line.startswith(UNSTEADY)]
        received = as_prometheus(collector.latest_metrics())
    connections = ("tiktok_forwarder_http_connections",)  # one of them asks for the metrics
    assert {line for line in steady if not line.startswith(connections)} <= received
    assert any(line.startswith("tiktok_forwarder_events_total") and "delivered" in line for line in received)
    assert {line.partition("[")[0] for line in received} >= {"tiktok_forwarder_request_seconds_bucket"}


async def test_resource_names_service_version_and_instance(
    tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The standard variables replace them and add to them."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "forwarder-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=staging")
    async with running_service(tmp_path, otlp_endpoint=collector.url, **ALL):
        await until_metrics(collector)
    resource = attributes_of(collector.metrics_requests[0].resource_metrics[0].resource.attributes)
    assert resource["service.name"] == "forwarder-eu" and resource["deployment.environment.name"] == "staging"
    assert resource["service.instance.id"].endswith(":0") and resource["service.version"]


async def test_request_is_a_span_with_its_stages(tmp_path: Path, collector: Collector) -> None:
    """It continues an authenticated sender's own trace."""
    async with running_service(tmp_path, otlp_endpoint=collector.url, **ALL) as service:
        await service.add_connection()
        assert (await service.post(body=fresh_batch("a", "b"), headers={**BASIC, **PARENT})).status == 202
        await until_spans(collector, "POST /v2/events", "append")
    request = tree(collector.spans, "POST /v2/events")
    assert request["kind"] == "server" and not request["is_error"]
    assert request["attributes"] == {
        "http.request.method": "POST",
        "http.route": "/v2/events",
        "http.response.status_code": 202,
        "tiktok_forwarder.input": "shop",
        "tiktok_forwarder.batches": 1,
        "tiktok_forwarder.events": 2,
    }
    stored = {"tiktok_forwarder.mapped": 2, "tiktok_forwarder.dropped": 0}
    assert request["children"] == [("parse", {}), ("map", {}), ("append", stored)]
    span = next(span for span in collector.spans if span.name == "POST /v2/events")
    assert (span.trace_id.hex(), span.parent_span_id.hex(), span.trace_state) == (TRACE_ID, SPAN_ID, "")


async def test_delivery_is_a_span_with_each_request_to_tiktok(tmp_path: Path, collector: Collector) -> None:
    """A refused event costs further requests, each with TikTok's code, within the same trace."""
    async with (
        Sandbox() as sandbox,
        running_service(tmp_path, sandbox.url, otlp_endpoint=collector.url, **ALL) as service,
    ):
        connection_id = await service.add_connection()
        sandbox.script.poison("b")
        await service.post(body=fresh_batch("a", "b"))
        await service.until_delivered(sandbox, 1)
        await until_spans(collector, "deliver", "settle")
    delivery = tree(collector.spans, "deliver")
    assert delivery["attributes"] == {
        "tiktok_forwarder.connection": connection_id,
        "tiktok_forwarder.connection_name": "Shop",
        "tiktok_forwarder.events": 2,
        "tiktok_forwarder.delivered": 1,
        "tiktok_forwarder.dead_letter": 1,
    }
    names = [name for name, _ in delivery["children"]]
    assert names[:2] == ["lease", "send"] and names.count("send") >= 2 and names[-1] == "settle"
    sent = [attributes for name, attributes in delivery["children"] if name == "send"]
    assert sent[0] == {
        "http.response.status_code": 200,
        "tiktok_forwarder.events": 2,
        "tiktok_forwarder.verdict": "bad_event",
        "tiktok_forwarder.tiktok_code": 40002,
        "error.type": "bad_event",
    }
    assert sent[-1]["tiktok_forwarder.verdict"] in ("accepted", "bad_event")


async def test_request_to_tiktok_without_an_answer_names_the_kind(tmp_path: Path, collector: Collector) -> None:
    """The kind is one of a few; the text of the error may quote an address."""
    async with running_service(tmp_path, otlp_endpoint=collector.url, **ALL) as service:
        await service.add_connection()
        await service.post(body=fresh_batch("a"))
        await until_spans(collector, "send", "deliver")
    attributes = next(attributes for name, attributes in tree(collector.spans, "deliver")["children"] if name == "send")
    assert attributes["error.type"] == "connect" and attributes["tiktok_forwarder.verdict"] == "try_later"


async def test_requests_of_one_connection_keep_their_spans_apart(tmp_path: Path, collector: Collector) -> None:
    """A pipelined request begins while the one before it is answered, and only every second one is traced."""
    async with running_service(tmp_path, otlp_endpoint=collector.url, **ALL) as service:
        await service.add_connection()
        recorder = service.application._watched.tracing.recorder
        assert recorder is not None
        chances = iter([0.0, 1.0, 0.0, 1.0, 0.0])
        recorder._chance = lambda: next(chances, 1.0)
        body = json.dumps(fresh_batch("a")).encode()
        good, wrong = BASIC["Authorization"], "Basic eDp5"
        requests = [(good, body), (good, b"{"), (wrong, body), (good, body), (good, b'{"events": []}')]
        statuses = await pipelined(service.port, requests)
        await until_spans(collector, "POST /v2/events")
        await asyncio.sleep(0.3)
    assert statuses == [202, 400, 403, 202, 202]
    roots = sorted(
        (span for span in collector.spans if span.name.startswith("POST")), key=lambda s: s.start_time_unix_nano
    )
    seen = [attributes_of(span.attributes) for span in roots]
    assert [each["http.response.status_code"] for each in seen] == [202, 403, 202]
    assert [each.get("tiktok_forwarder.events") for each in seen] == [1, None, 0]


async def pipelined(port: int, requests: list[tuple[str, bytes]]) -> list[int]:
    """Send requests in one piece; return the statuses."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for credentials, body in requests:
        head = ("POST /v2/events HTTP/1.1", "Host: x", f"Authorization: {credentials}", f"Content-Length: {len(body)}")
        writer.write("\r\n".join((*head, "", "")).encode() + body)
    answers = b""
    async with asyncio.timeout(10):
        while answers.count(b"HTTP/1.1 ") < len(requests):
            answers += await reader.read(65536)
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answers)]


async def test_sender_does_not_decide_what_is_traced(tmp_path: Path, collector: Collector) -> None:
    """A sender that marks each request as sampled would otherwise make the service trace all of them."""
    async with running_service(
        tmp_path, otlp_endpoint=collector.url, **{**ALL, "otlp_trace_ratio": 0.000001}
    ) as service:
        for number in range(20):
            assert (await service.post(body=fresh_batch(f"e{number}"), headers={**BASIC, **PARENT})).status == 202
    assert collector.spans == []
    # The metrics count what is not traced.
    assert collector.latest_metrics()["tiktok_forwarder_received_events_total"].sum.data_points[0].as_int == 20


async def test_browsers_request_joins_no_trace_of_its_own(tmp_path: Path, collector: Collector) -> None:
    """Anyone can send it, so its headers are not believed; nor is the input's public key in a span."""
    async with running_service(tmp_path, otlp_endpoint=collector.url, **ALL) as service:
        await service.services.inputs.add_browser_input(
            "web", key="public-key", origins=["https://shop.example.com"], changed_by="test"
        )
        headers = {"Origin": "https://shop.example.com", "User-Agent": "Mozilla/5.0 (X11)", **PARENT}
        path = "/v3/JS/public-key/events"
        answer = await service.request("POST", path, json.dumps({"events": []}).encode(), headers)
        assert answer.status == 202
        await until_spans(collector, "POST /v3/JS/{key}/events")
    span = next(span for span in collector.spans if span.name.startswith("POST"))
    assert span.trace_id.hex() != TRACE_ID and not span.parent_span_id
    assert attributes_of(span.attributes)["tiktok_forwarder.input"] == "web"


async def test_no_identity_token_address_or_payload_is_exported(tmp_path: Path, collector: Collector) -> None:
    """The raw bytes of all requests to the collector are searched, for what is sent and what TikTok quotes."""
    secrets = (
        "ada@example.com",
        "203.0.113.7",
        "customer-4711",
        "Mozilla",
        "/private-page",
        TOKEN,
        SECRET,
        AUTHORIZATION,
    )
    batch = fresh_batch(
        "event-id-of-ada",
        "refused-event",
        ip="203.0.113.7",
        user_identities={"email": "ada@example.com", "customer_id": "customer-4711"},
        device_info={"http_header_user_agent": "Mozilla/5.0"},
    )
    for event in batch["events"]:
        event["data"]["custom_attributes"] = {"note": "/private-page"}
    async with (
        Sandbox() as sandbox,
        running_service(tmp_path, sandbox.url, otlp_endpoint=collector.url, **ALL) as service,
    ):
        await service.add_connection()
        sandbox.script.poison("refused-event", message="Invalid value ada@example.com")
        assert (await service.post(body=batch, headers={**BASIC, **PARENT})).status == 202
        assert (await service.post("/webhook/shop", batch, {"Authorization": AUTHORIZATION})).status == 202
        assert (await service.post("/v2/name@example.com", batch)).status == 404
        await service.until_delivered(sandbox, 1)
        await until_spans(collector, "deliver", "POST /webhook/", "POST unknown")
        await until_metrics(collector)
    sent = b"\n".join(collector.bodies)
    assert b"tiktok_forwarder" in sent
    for secret in (*secrets, "event-id-of-ada", "refused-event", "example.com"):
        assert secret.encode() not in sent, secret


async def test_service_that_exports_nothing_has_no_library_and_no_thread_of_it(tmp_path: Path) -> None:
    """Off is the default: nothing is imported, started, or put on the way of a request."""
    code = f"""
import asyncio, sys, threading
from pathlib import Path
from tests.integration.service_rig import running_service, fresh_batch
async def main():
    async with running_service(Path({str(tmp_path)!r}), store="memory") as service:
        assert (await service.post(body=fresh_batch("a"))).status == 202
        application = service.application
        assert list(application._senders_routes()) == [application._ingest, application._browsers]
        print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "requests", "google"))))
        print([thread.name for thread in threading.enumerate() if thread.name.startswith(("otlp", "Otel"))])
asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


async def test_last_figures_and_spans_are_exported_when_the_service_stops(tmp_path: Path, collector: Collector) -> None:
    """Otherwise a service that lives shorter than an interval would have exported nothing."""
    before = set(threading.enumerate())
    slow = {**ALL, "otlp_interval_seconds": 3600}
    async with running_service(tmp_path, otlp_endpoint=collector.url, **slow) as service:
        await service.add_connection()
        assert (await service.post(body=fresh_batch("a"))).status == 202
    assert collector.latest_metrics()["tiktok_forwarder_received_events_total"].sum.data_points[0].as_int == 1
    assert "POST /v2/events" in {span.name for span in collector.spans}
    began = set(threading.enumerate()) - before
    assert not [thread for thread in began if thread.name.startswith(("otlp", "Otel"))]
