"""The days of results: they begin and end at midnight of a time zone, and no hour is in two of them."""

from datetime import datetime, tzinfo
from itertools import pairwise

import pytest

from tiktok_forwarder.api.results import Day, days_until
from tiktok_forwarder.setting_values import time_zone_named

HOUR_MS = 3_600_000


def at(text: str, zone: tzinfo) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Asia/Kathmandu", "America/Los_Angeles"]
)
def test_every_hour_is_in_exactly_one_day(name: str) -> None:
    """Also over the changes of the clocks, and in zones with half hours and quarters: figures add up."""
    zone = time_zone_named(name)
    for month in range(1, 13):
        days = days_until(at(f"2026-{month:02}-28T13:30", zone), zone, 40)
        assert len(days) == 40 and days[0].date == f"2026-{month:02}-28"
        for later, earlier in pairwise(days):
            assert earlier.until_ms == later.from_ms and earlier.hours.stop == later.hours.start


@pytest.mark.parametrize(
    ("text", "hours"), [("2026-03-29T12:00", 23), ("2026-10-25T12:00", 25), ("2026-06-01T00:00", 24)]
)
def test_day_on_which_the_clocks_change_has_another_length(text: str, hours: int) -> None:
    """A day of 23 hours is compared with one of 24, as a calendar does."""
    zone = time_zone_named("Europe/Berlin")
    (today,) = days_until(at(text, zone), zone, 1)
    assert len(today.hours) == hours and today.from_ms == at(f"{text[:10]}T00:00", zone)


def test_same_day_last_week_is_seven_days_of_the_calendar_ago() -> None:
    """Not 168 hours: after a change of the clocks that would be another day just before midnight."""
    zone = time_zone_named("Europe/Berlin")
    days = days_until(at("2026-03-30T23:30", zone), zone, 8)
    assert (days[0].date, days[7].date) == ("2026-03-30", "2026-03-23")


def test_hour_of_a_zone_with_half_hours_is_of_the_day_in_which_it_begins() -> None:
    """Figures are by UTC's hours: a day in India has those from 00:30 on, and the first half hour of the next day."""
    zone = time_zone_named("Asia/Kolkata")
    (today,) = days_until(at("2026-06-01T12:00", zone), zone, 1)
    assert today == Day("2026-06-01", at("2026-06-01T00:00", zone), at("2026-06-02T00:00", zone))
    assert today.hours.start * HOUR_MS == at("2026-06-01T00:30", zone) and len(today.hours) == 24


def test_utc_needs_no_database_of_time_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service starts with its defaults on a system without one."""

    def fail(name: str) -> None:
        raise AssertionError(name)

    monkeypatch.setattr("tiktok_forwarder.setting_values.ZoneInfo", fail)
    assert str(time_zone_named("UTC")) == "UTC"
