"""What tests of exports share: settings, and waiting for what a collector gets."""

from typing import Any

from tests.otlp_collector import Collector
from tests.patience import wait_until

# Everything is traced, and metrics are exported as often as they can be.
ALL: dict[str, Any] = {"store": "memory", "otlp_interval_seconds": 1, "otlp_trace_ratio": 1, "log_format": "json"}


async def until_spans(collector: Collector, *names: str) -> None:
    """Wait until the collector has a span of each of these names."""

    async def arrived() -> bool:
        return set(names) <= {span.name for span in collector.spans}

    await wait_until(arrived)


async def until_metrics(collector: Collector) -> None:
    """Wait for metrics that are collected after this call."""
    before = len(collector.metrics_requests)

    async def arrived() -> bool:
        return len(collector.metrics_requests) > before + 1

    await wait_until(arrived)
