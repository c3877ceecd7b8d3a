"""The service as a process, with a real collector, and with one that never answers."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.integration.service_process import add_shop, serving
from tests.integration.service_rig import fresh_batch
from tests.otlp_collector import running_collector
from tests.patience import wait_until
from tests.rotel_agent import running_rotel

pytestmark = pytest.mark.slow

RECEIVED = "tiktok_forwarder_received_events_total"


async def test_real_collector_passes_on_metrics_and_traces(tmp_path: Path) -> None:
    """rotel decodes what it receives, and encodes it again for the next collector."""
    data_dir = tmp_path / "data"
    await asyncio.to_thread(add_shop, data_dir)
    async with running_collector() as behind:
        with running_rotel(tmp_path, behind.url) as url:
            settings = {
                "TIKTOK_FORWARDER_OTLP_ENDPOINT": url,
                "TIKTOK_FORWARDER_OTLP_INTERVAL_SECONDS": "1",
                "TIKTOK_FORWARDER_OTLP_TRACE_RATIO": "1",
                "OTEL_BSP_SCHEDULE_DELAY": "100",
                "OTEL_SERVICE_NAME": "forwarder-of-the-test",
            }
            with serving(data_dir, **settings) as service:
                assert await asyncio.to_thread(service.post, fresh_batch("a", "b")) == 202

                async def is_complete() -> bool:
                    spans = {span.name for span in behind.spans}
                    has_metrics = bool(behind.metrics_requests) and RECEIVED in behind.latest_metrics()
                    return has_metrics and {"POST /v2/events", "append", "send"} <= spans

                await wait_until(is_complete)
                assert await asyncio.to_thread(service.end) == 0
        (resource,) = {of.resource.SerializeToString() for of in behind.metrics_requests[-1].resource_metrics}
        assert b"forwarder-of-the-test" in resource


async def test_process_ends_while_the_collector_does_not_answer(tmp_path: Path) -> None:
    """The threads of the exporter do not keep it from ending."""
    data_dir = tmp_path / "data"
    await asyncio.to_thread(add_shop, data_dir)
    async with running_collector() as collector:
        collector.delay_seconds = 60
        settings = {
            "TIKTOK_FORWARDER_OTLP_ENDPOINT": collector.url,
            "TIKTOK_FORWARDER_OTLP_INTERVAL_SECONDS": "1",
            "TIKTOK_FORWARDER_OTLP_TRACE_RATIO": "1",
            "TIKTOK_FORWARDER_STOP_SECONDS": "2",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with serving(data_dir, **settings) as service:
            assert await asyncio.to_thread(service.post, fresh_batch("a")) == 202

            async def is_asked() -> bool:
                return len(collector.bodies) >= 2

            await wait_until(is_asked)
            stopping = time.monotonic()
            assert await asyncio.to_thread(service.end) == 0
            assert time.monotonic() - stopping < 6
