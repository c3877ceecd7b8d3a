"""Storage quotas that are nearly used up: what is reported, when, and how often."""

import pytest

from tiktok_forwarder.operations.quotas import QuotaLevels, quota_warnings
from tiktok_forwarder.store.totals import QueueCounts


class Reports:
    def __init__(self) -> None:
        self.all: list[tuple[str, str, float]] = []

    def on_quota_warning(self, connection_id: str, quota_used: float) -> None:
        self.all.append(("warning", connection_id, quota_used))

    def on_quota_warning_over(self, connection_id: str, quota_used: float) -> None:
        self.all.append(("over", connection_id, quota_used))


def _used(quota_used: float) -> QueueCounts:
    return QueueCounts(1, 0, 0, None, 1, quota_used)


def test_crossing_of_the_warning_share_is_reported_once() -> None:
    """A queue that stays near the share is one line, and another only after it was well below."""
    reports = Reports()
    levels = QuotaLevels(reports)
    for used in (0.79, 0.80, 0.9, 1.0, 0.79, 0.80, 0.70, 0.69, 0.5, 0.81):
        levels.update({"a": _used(used)})
    assert reports.all == [("warning", "a", 0.80), ("over", "a", 0.69), ("warning", "a", 0.81)]


def test_connections_are_reported_apart_and_when_they_are_empty() -> None:
    """A connection without waiting events and dead letters is not among the counts."""
    reports = Reports()
    levels = QuotaLevels(reports)
    levels.update({"a": _used(0.9), "b": _used(0.2)})
    levels.update({"b": _used(0.9)})
    levels.update({"b": _used(0.9)})
    assert reports.all == [("warning", "a", 0.9), ("over", "a", 0.0), ("warning", "b", 0.9)]


@pytest.mark.parametrize(("used", "percent"), [(0.7999, None), (0.80, "80%"), (0.999, "99%"), (1.0, "100%")])
def test_warning_for_people_names_the_used_part(used: float, percent: str | None) -> None:
    """It is rounded down: 100% is said of a full quota only."""
    warnings = quota_warnings(_used(used))
    assert [each.split()[0] for each in warnings] == ([percent] if percent else [])
    assert quota_warnings(None) == []
