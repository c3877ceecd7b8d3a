"""Counters and histograms of the process: plain numbers, made into Prometheus' metrics when they are read.

The library's own take a lock for every number. These are counted and read in the event loop's thread alone.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct, field
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

# The upper bounds of the histograms' buckets, each included; one more bucket follows the last.
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_BUCKETS: Final = [floatToGoString(bound) for bound in (*_SECONDS, float("inf"))]  # type: ignore[no-untyped-call]

LabelValue = str | int


class PlainCounter(Collector):
    """A counter. A sample with labels is exported from its first number on, one without labels from the start."""

    def __init__(self, registry: CollectorRegistry, name: str, meaning: str, labels: Sequence[str] = ()) -> None:
        self._name, self._meaning, self._labels = name, meaning, labels
        self._numbers: dict[tuple[LabelValue, ...], int] = {} if labels else {(): 0}
        registry.register(self)

    def add(self, number: int, *labels: LabelValue) -> None:
        self._numbers[labels] = self._numbers.get(labels, 0) + number

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self._name, self._meaning, labels=self._labels)
        for labels, number in self._numbers.items():
            family.add_metric([str(label) for label in labels], number)
        yield family


class _Durations(Struct):
    by_bucket: list[int] = field(default_factory=lambda: [0] * len(_BUCKETS))
    sum_seconds: float = 0.0


class PlainHistogram(Collector):
    """A histogram of durations, with samples as those of `PlainCounter`."""

    def __init__(self, registry: CollectorRegistry, name: str, meaning: str, labels: Sequence[str] = ()) -> None:
        self._name, self._meaning, self._labels = name, meaning, labels
        self._durations: dict[tuple[LabelValue, ...], _Durations] = {} if labels else {(): _Durations()}
        registry.register(self)

    def add(self, seconds: float, *labels: LabelValue) -> None:
        durations = self._durations.get(labels)
        if durations is None:
            durations = self._durations[labels] = _Durations()
        durations.by_bucket[bisect_left(_SECONDS, seconds)] += 1
        durations.sum_seconds += seconds

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._meaning, labels=self._labels)
        for labels, durations in self._durations.items():
            buckets = list(zip(_BUCKETS, accumulate(durations.by_bucket), strict=True))
            family.add_metric([str(label) for label in labels], buckets, durations.sum_seconds)
        yield family
