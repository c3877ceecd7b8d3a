"""Prometheus' metrics in OpenTelemetry's form: the same names, labels and numbers, from the same registry.

Each metric is declared once, for both. Names are those of `/metrics`, so that dashboards work with either: `_total` is
part of a counter's name, and the unit is the one that a name ends with.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    Sum,
)
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample

# In UCUM, as OpenTelemetry's conventions have them.
_UNITS: Final[Mapping[str, str]] = {"seconds": "s", "bytes": "By", "ratio": "1"}
_CUMULATIVE: Final = AggregationTemporality.CUMULATIVE


def metrics_of(
    families: Iterable[Family], *, started_ns: int, now_ns: int, lasting: Container[str] = ()
) -> list[Metric]:
    """Return the metrics of the registry, those without a sample omitted.

    Counters began at `started_ns`, except the `lasting` ones, which go on after a restart: the beginning of these is
    unknown, so that no reader takes all of their count for the first minute's.
    """
    metrics = []
    for family in families:
        began_ns = 0 if family.name in lasting else started_ns
        if not family.samples:
            continue
        if family.type == "counter":
            metrics.append(_counter(family, began_ns, now_ns))
        elif family.type == "histogram":
            metrics.append(_histogram(family, began_ns, now_ns))
        else:
            points = [NumberDataPoint(each.labels, 0, now_ns, float(each.value)) for each in family.samples]
            metrics.append(_metric(family.name, family, Gauge(points)))
    return metrics


def _metric(name: str, family: Family, data: Sum | Gauge | Histogram) -> Metric:
    return Metric(name, family.documentation, _UNITS.get(family.name.rpartition("_")[2], ""), data)


def _counter(family: Family, began_ns: int, now_ns: int) -> Metric:
    points = [NumberDataPoint(each.labels, began_ns, now_ns, int(each.value)) for each in family.samples]
    return _metric(f"{family.name}_total", family, Sum(points, _CUMULATIVE, is_monotonic=True))


def _histogram(family: Family, began_ns: int, now_ns: int) -> Metric:
    series: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in family.samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != "le")
        series.setdefault(labels, []).append(sample)
    points = [_histogram_point(dict(labels), samples, began_ns, now_ns) for labels, samples in series.items()]
    return _metric(family.name, family, Histogram(points, _CUMULATIVE))


def _histogram_point(
    labels: Mapping[str, str], samples: Sequence[Sample], began_ns: int, now_ns: int
) -> HistogramDataPoint:
    """Return one series. Prometheus' buckets include those before them, OpenTelemetry's do not."""
    buckets = [each for each in samples if each.name.endswith("_bucket")]
    counts = [int(each.value) for each in buckets]
    return HistogramDataPoint(
        labels,
        began_ns,
        now_ns,
        count=counts[-1],
        sum=next(each.value for each in samples if each.name.endswith("_sum")),
        bucket_counts=[count - before for before, count in zip([0, *counts], counts, strict=False)],
        explicit_bounds=[float(each.labels["le"]) for each in buckets[:-1]],
        min=None,  # type: ignore[arg-type]  # not known, and optional in the protocol
        max=None,  # type: ignore[arg-type]
    )
