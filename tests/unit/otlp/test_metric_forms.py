"""Metrics in OpenTelemetry's form: nothing of Prometheus' is missing, and nothing differs."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import Gauge, Histogram, Metric, Sum
from prometheus_client import CollectorRegistry
from prometheus_client import Gauge as PrometheusGauge
from prometheus_client.samples import Sample

from tiktok_forwarder.otlp.metric_forms import metrics_of
from tiktok_forwarder.telemetry.counting import PlainCounter, PlainHistogram

LABELS = st.tuples(st.text(max_size=3), st.sampled_from([202, 503, ""]))
STARTED, NOW = 1_000, 2_000


def converted(registry: CollectorRegistry, lasting: tuple[str, ...] = ()) -> dict[str, Metric]:
    metrics = metrics_of(registry.collect(), started_ns=STARTED, now_ns=NOW, lasting=lasting)
    return {metric.name: metric for metric in metrics}


def numbers(samples: list[Sample]) -> dict[tuple[tuple[str, str], ...], float]:
    return {tuple(each.labels.items()): each.value for each in samples}


@given(st.lists(st.tuples(st.integers(0, 2**40), LABELS)))
def test_counter_keeps_name_labels_and_numbers(counted: list[tuple[int, tuple[str, str | int]]]) -> None:
    """The name ends with `_total`, as in Prometheus' text, and the numbers stay whole."""
    registry = CollectorRegistry()
    counter = PlainCounter(registry, "requests", "Requests from senders.", ("route", "status"))
    for number, labels in counted:
        counter.add(number, *labels)
    metrics = converted(registry)
    if not counted:
        assert metrics == {}
        return
    metric = metrics["requests_total"]
    assert isinstance(metric.data, Sum) and metric.data.is_monotonic and metric.description == "Requests from senders."
    points = {tuple((point.attributes or {}).items()): point.value for point in metric.data.data_points}
    assert points == numbers(next(iter(registry.collect())).samples)
    assert all(isinstance(point.value, int) for point in metric.data.data_points)
    assert {(point.start_time_unix_nano, point.time_unix_nano) for point in metric.data.data_points} == {(STARTED, NOW)}


@given(st.lists(st.tuples(st.floats(0, 100), st.text(max_size=3)), min_size=1))
def test_histogram_has_the_same_buckets_each_without_those_before(timed: list[tuple[float, str]]) -> None:
    """Added up again, they are Prometheus' buckets; count and sum are the same."""
    registry = CollectorRegistry()
    histogram = PlainHistogram(registry, "request_seconds", "Time to answer.", ("route",))
    for seconds, route in timed:
        histogram.add(seconds, route)
    metric = converted(registry)["request_seconds"]
    assert isinstance(metric.data, Histogram) and metric.unit == "s"
    exported: dict[tuple[str, str, str], float] = {}
    for point in metric.data.data_points:
        route = str((point.attributes or {})["route"])
        so_far = 0
        for bound, count in zip([*point.explicit_bounds, float("inf")], point.bucket_counts, strict=True):
            so_far += count
            exported["request_seconds_bucket", route, repr(bound)] = so_far
        exported["request_seconds_count", route, ""] = point.count
        exported["request_seconds_sum", route, ""] = point.sum
    assert exported == {
        (each.name, each.labels["route"], repr(float(each.labels["le"])) if "le" in each.labels else ""): each.value
        for each in next(iter(registry.collect())).samples
    }


def test_unit_is_the_end_of_the_name() -> None:
    """Backends add the unit to a name that does not end with it, so it must be the name's own or none."""
    registry = CollectorRegistry()
    for name in ("queue_bytes", "quota_used_ratio", "clock_difference_seconds", "dead_letters"):
        PrometheusGauge(name, "Meaning.", registry=registry).set(1.5)
    metrics = converted(registry)
    assert {name: metric.unit for name, metric in metrics.items()} == {
        "queue_bytes": "By",
        "quota_used_ratio": "1",
        "clock_difference_seconds": "s",
        "dead_letters": "",
    }
    data: Any = metrics["dead_letters"].data
    assert isinstance(data, Gauge) and data.data_points[0].value == 1.5


def test_counter_that_outlives_the_process_has_no_beginning() -> None:
    """A total of years that began a minute ago would be a rate of years in a minute."""
    registry = CollectorRegistry()
    PlainCounter(registry, "events", "Events by outcome.").add(5)
    PlainCounter(registry, "faults", "Internal errors.").add(1)
    metrics = converted(registry, lasting=("events",))
    begun = {name: [point.start_time_unix_nano for point in _points(metric)] for name, metric in metrics.items()}
    assert begun == {"events_total": [0], "faults_total": [STARTED]}


def _points(metric: Metric) -> Any:
    return metric.data.data_points
