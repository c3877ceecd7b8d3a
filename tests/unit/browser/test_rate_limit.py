"""How many requests a source may make, and how much memory that costs."""

import pytest

from tiktok_forwarder.browser.rate_limit import BrowserLimits, RateLimit


def admitted(limit: RateLimit, source: str, requests: int, now: float) -> int:
    return sum(not limit.admit(source, now) for _ in range(requests))


def test_source_may_burst_and_then_keep_its_rate() -> None:
    """A page sends several requests in a moment; over a longer time the rate counts."""
    limit = RateLimit(20, 100)
    assert admitted(limit, "a", 300, 0.0) == 100
    assert admitted(limit, "a", 300, 1.0) == 20
    assert admitted(limit, "a", 300, 1000.0) == 100


def test_one_source_leaves_the_others_theirs() -> None:
    """A flood costs its own address only."""
    limit = RateLimit(20, 100)
    admitted(limit, "a", 1000, 0.0)
    assert admitted(limit, "b", 1, 0.0) == 1


def test_refused_source_learns_when_to_try_again() -> None:
    """After that time, and not before, one request is admitted; refused ones do not put it off."""
    limit = RateLimit(2, 1)
    assert limit.admit("a", 10.0) == 0
    assert [limit.admit("a", 10.0 + passed) for passed in (0.0, 0.2, 0.4)] == pytest.approx([0.5, 0.3, 0.1])
    assert limit.admit("a", 10.5) == 0


def test_memory_is_bounded_and_forgets_the_source_silent_longest() -> None:
    """A million addresses cost no more than ten thousand, and a flooding one stays limited."""
    limit = RateLimit(1, 5)
    admitted(limit, "flood", 5, 0.0)
    for number in range(30_000):
        limit.admit(str(number), 0.0)
        assert limit.admit("flood", 0.0) > 0
    assert len(limit) == 10_000
    assert limit.admit("0", 0.0) == 0


def test_limits_of_settings_have_their_bursts() -> None:
    """Five seconds' worth for an address, a minute's worth for an input, at the smallest values of the settings too."""
    limits = BrowserLimits(20, 60)
    assert admitted(limits.of_addresses(), "a", 500, 0.0) == 100
    assert admitted(limits.of_inputs(), "in_1", 500, 0.0) == 60
    least = BrowserLimits(0.2, 1)
    assert [admitted(limit, "a", 5, 0.0) for limit in (least.of_addresses(), least.of_inputs())] == [1, 1]
