"""Counters and histograms of plain numbers: what is exported of them is what the library's own would export."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.utils import INF

from tiktok_forwarder.telemetry.counting import PlainCounter, PlainHistogram

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LABELS = st.tuples(st.text(max_size=3), st.sampled_from([202, 503, "", 'a"b\\c\n']))
SECONDS = st.one_of(st.sampled_from(BOUNDS), st.floats(0, 100))


def registries() -> tuple[CollectorRegistry, CollectorRegistry]:
    """Return one for plain numbers, and one for the library's own metrics without their times of creation."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's function has no types
    return CollectorRegistry(), CollectorRegistry()


@given(st.lists(st.tuples(st.integers(0, 1000), LABELS)))
def test_counter_is_exported_as_the_librarys_own(counted: list[tuple[int, tuple[str, str | int]]]) -> None:
    """Name, labels in their order, and numbers, zero included, are the same bytes."""
    plain, library = registries()
    ours = PlainCounter(plain, "requests", "Requests from senders.", ("route", "status"))
    theirs = Counter("requests", "Requests from senders.", ("route", "status"), registry=library)
    for number, labels in counted:
        ours.add(number, *labels)
        theirs.labels(*labels).inc(number)
    assert generate_latest(plain) == generate_latest(library)


@given(st.lists(st.tuples(SECONDS, st.text(max_size=3))))
def test_histogram_is_exported_as_the_librarys_own(timed: list[tuple[float, str]]) -> None:
    """A duration that equals a bound is in that bound's bucket, and a longer one than all is in the last."""
    plain, library = registries()
    ours = PlainHistogram(plain, "request_seconds", "Time to answer.", ("route",))
    theirs = Histogram("request_seconds", "Time to answer.", ("route",), buckets=(*BOUNDS, INF), registry=library)
    for seconds, route in timed:
        ours.add(seconds, route)
        theirs.labels(route).observe(seconds)
    assert generate_latest(plain) == generate_latest(library)


def test_metric_without_labels_is_exported_before_its_first_number() -> None:
    """A rate over a counter that appears with its first error would miss that error."""
    registry = CollectorRegistry()
    PlainCounter(registry, "faults", "Internal errors.")
    PlainHistogram(registry, "store_write_seconds", "Time until a request was on disk.")
    lines = generate_latest(registry).decode().splitlines()
    assert {"faults_total 0.0", "store_write_seconds_count 0.0", "store_write_seconds_sum 0.0"} < set(lines)
    assert 'store_write_seconds_bucket{le="+Inf"} 0.0' in lines
