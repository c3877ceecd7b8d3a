"""The API's figures as people read them."""

from typing import Any

import pytest

from tiktok_forwarder.activity.figures import FigureSet, figure_set
from tiktok_forwarder.api.activity import FiguresStep
from tiktok_forwarder.console.figures import PERIODS, chart, coverage, latencies, latency_of, period_of

HOUR = PERIODS[0]
T0 = 1_735_689_600_000
MINUTE = 60_000


def figures(**counts: int) -> FigureSet:
    """Counts by their stored names, with two underscores for the dot, as the API gives them."""
    return figure_set([{name.replace("__", "."): count for name, count in counts.items()}])


def test_a_chart_has_a_point_for_every_step() -> None:
    """Also for those in which nothing happened, from the first to the last."""
    steps = [
        FiguresStep(T0, figures(accepted=5, delivered=2, dropped__missing_ip=2, dropped__sampled_out=1)),
        FiguresStep(T0 + 2 * MINUTE, figures(accepted=1, dead_lettered=1)),
    ]
    drawn = chart(steps, HOUR, T0 + 1, T0 + 3 * MINUTE)
    assert drawn.at_seconds == [T0 // 1000, T0 // 1000 + 60, T0 // 1000 + 120]
    assert dict(zip(drawn.labels, drawn.values, strict=True)) == {
        "Accepted": [5, 0, 1],
        "Delivered": [2, 0, 0],
        "Dropped": [3, 0, 0],
        "Dead-lettered": [0, 0, 1],
    }


@pytest.mark.parametrize("period", PERIODS, ids=lambda period: period.name)
def test_a_period_makes_a_readable_chart(period: Any) -> None:
    """Between 60 and 100 steps, which the API allows."""
    assert 60 <= period.minutes / period.step_minutes <= 100
    assert period_of(period.name) == period


def test_an_unknown_period_is_the_last_hour() -> None:
    """An address may be anything."""
    assert period_of("century") == HOUR


def test_latencies_are_told_by_their_bounds() -> None:
    """Empty ones are left out, and shares add up."""
    found = figures(latency__1=90, latency__60=6, latency__more=4)
    assert [(each.label, each.events, each.share) for each in latencies(found)] == [
        ("within 1 second", 90, 0.9),
        ("within 1 minute", 6, 0.06),
        ("later than that", 4, 0.04),
    ]
    assert [latency_of(found, share) for share in (0.5, 0.9, 0.95, 1)] == [
        "within 1 second",
        "within 1 second",
        "within 1 minute",
        "later than that",
    ]
    assert latencies(figures()) == [] and latency_of(figures(), 0.5) == ""


def test_coverage_is_of_the_events_looked_at() -> None:
    """Each key that TikTok matches by, in the same order; none where nothing was mapped."""
    found = coverage(figures(match_events=8, match__email=6, match__ttp=2))
    assert [(each.key.name, each.events, each.share) for each in found] == [
        ("email", 6, 0.75),
        ("phone", 0, 0.0),
        ("external_id", 0, 0.0),
        ("click_id", 0, 0.0),
        ("ttp", 2, 0.25),
        ("ip_and_user_agent", 0, 0.0),
    ]
    assert coverage(figures()) == []


def test_every_match_key_of_the_figures_is_shown() -> None:
    """What is counted and what is told are the same set."""
    assert {each.key.name for each in coverage(figures(match_events=1))} == set(figures().match_keys)
