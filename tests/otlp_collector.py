"""A collector that keeps what it receives by OTLP over HTTP, as bytes and decoded with OpenTelemetry's own types."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What has arrived so far. `status` and `headers` are the next answers', after `delay_seconds`."""

    url: str = ""
    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    bodies: list[bytes] = field(default_factory=list)
    seen_headers: list[Mapping[str, str]] = field(default_factory=list)
    metrics_requests: list[ExportMetricsServiceRequest] = field(default_factory=list)
    trace_requests: list[ExportTraceServiceRequest] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for request in self.trace_requests
            for of_resource in request.resource_spans
            for scope in of_resource.scope_spans
            for span in scope.spans
        ]

    def latest_metrics(self) -> dict[str, Metric]:
        return {metric.name: metric for metric in _metrics_in(self.metrics_requests[-1])}

    async def receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        self.seen_headers.append(request.headers)
        await asyncio.sleep(self.delay_seconds)
        if self.status == 200:
            content = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
            if request.path == "/v1/metrics":
                self.metrics_requests.append(ExportMetricsServiceRequest.FromString(content))
            else:
                self.trace_requests.append(ExportTraceServiceRequest.FromString(content))
        return web.Response(status=self.status, headers=self.headers)


def _metrics_in(request: ExportMetricsServiceRequest) -> Iterator[Metric]:
    for of_resource in request.resource_metrics:
        for scope in of_resource.scope_metrics:
            yield from scope.metrics


def attributes_of(pairs: Any) -> dict[str, Any]:
    """Return the attributes of a span, a resource or a point as plain values."""
    plain: list[KeyValue] = list(pairs)
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in plain}


@asynccontextmanager
async def running_collector(port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Collector]:
    """Yield a collector on a port of this machine, a free one unless it is given."""
    collector = Collector()
    application = web.Application()
    application.router.add_post("/v1/metrics", collector.receive)
    application.router.add_post("/v1/traces", collector.receive)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    collector.port = runner.addresses[0][1]
    collector.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{collector.port}"
    try:
        yield collector
    finally:
        await runner.cleanup()
