"""When traffic counts as unusual: by the same hours of the days before, with enough events to tell."""

import pytest

from tiktok_forwarder.notices.comparison import (
    BUCKET_MS,
    DAY_MS,
    HOUR_MS,
    Series,
    find_key_fall,
    find_purchase_fall,
    find_silence,
)

# 14:00 UTC, at the start of a bucket.
NOW = 1_764_511_200_000
BUCKETS_OF_DAY = DAY_MS // BUCKET_MS


def steady(per_hour: int, *, until_ms: int = NOW, days: int = 8) -> Series:
    """So many each hour, day and night, in the hour's first bucket."""
    series = Series()
    for hour in range((until_ms - days * DAY_MS) // HOUR_MS, until_ms // HOUR_MS):
        series.add(hour * HOUR_MS // BUCKET_MS, per_hour)
    return series


def in_the_hours(first: int, last: int, per_hour: int, *, until_ms: int = NOW, days: int = 8) -> Series:
    """So many in the hours of each day from the first to the last, and nothing at night."""
    series = Series()
    for hour in range((until_ms - days * DAY_MS) // HOUR_MS, until_ms // HOUR_MS):
        if first <= hour % 24 <= last:
            for bucket in range(6):
                series.add(hour * 6 + bucket, per_hour // 6)
    return series


# --- silence ---


def test_silence_is_found_after_half_an_hour() -> None:
    """An input with steady traffic: not a bucket earlier, and with what it usually gets."""
    received = in_the_hours(0, 23, 120)
    assert find_silence(received, NOW + 20 * 60_000, 0) is None
    silence = find_silence(received, NOW + 30 * 60_000, 0)
    assert silence is not None
    assert (silence.minutes, silence.usual_events) == (30, 60)


def test_night_is_no_silence() -> None:
    """In the same hours of the days before, there was nothing either."""
    received = in_the_hours(8, 20, 120, until_ms=NOW + 7 * HOUR_MS)
    for hours in range(8, 18):
        assert find_silence(received, NOW + hours * HOUR_MS, 0) is None
    assert find_silence(received, NOW + 18 * HOUR_MS + 40 * 60_000, 0) is not None


def test_few_events_are_judged_after_a_longer_time() -> None:
    """With two events an hour, ten are missing after five hours."""
    received = steady(2)
    assert find_silence(received, NOW + 4 * HOUR_MS, 0) is None
    assert find_silence(received, NOW + 6 * HOUR_MS, 0) is not None


def test_new_input_is_not_judged_in_its_first_week() -> None:
    """It is not known what is usual."""
    assert find_silence(steady(120, days=6), NOW + 3 * HOUR_MS, 0) is None
    assert find_silence(Series(), NOW, 0) is None


def without_day(series: Series, days: int) -> Series:
    series.drop((NOW - days * DAY_MS) // BUCKET_MS, (NOW - (days - 1) * DAY_MS) // BUCKET_MS)
    return series


def test_one_outage_of_the_week_before_changes_nothing() -> None:
    """Unless it was on the same day of the week: then it may be usual on this one."""
    at_ms = NOW + HOUR_MS
    assert find_silence(without_day(steady(120), 3), at_ms, 0) is not None
    assert find_silence(without_day(without_day(steady(120), 3), 4), at_ms, 0) is None
    assert find_silence(without_day(steady(120), 6), at_ms, 0) is not None


def test_time_in_which_the_service_did_not_run_is_no_silence() -> None:
    """Its senders could not reach it; they get half an hour after a start."""
    received = steady(120)
    started = NOW + 5 * HOUR_MS
    assert find_silence(received, started + 20 * 60_000, started) is None
    assert find_silence(received, started + 70 * 60_000, started) is not None


def test_same_day_of_the_week_without_events_is_usual() -> None:
    """A shop that is closed on a day of the week."""
    received = steady(120, days=9)
    received.drop((NOW - 7 * DAY_MS) // BUCKET_MS, (NOW - 6 * DAY_MS) // BUCKET_MS)
    assert find_silence(received, NOW + 3 * HOUR_MS, 0) is None


# --- purchases ---


def purchases(usual: int, now: int, *, hours: int = 1) -> Series:
    series = steady(usual, until_ms=NOW - hours * HOUR_MS)
    for hour in range(hours):
        series.add((NOW - (hour + 1) * HOUR_MS) // BUCKET_MS, now)
    return series


@pytest.mark.parametrize(("now", "has_fallen"), [(0, True), (12, True), (13, False), (40, False)])
def test_purchases_have_fallen_below_a_third(now: int, has_fallen: bool) -> None:
    """To at most 30% of the median, 40 an hour."""
    fall = find_purchase_fall(purchases(40, now), NOW)
    assert (fall is not None) == has_fallen
    if fall is not None:
        assert (fall.hours, fall.purchases, fall.usual_purchases) == (1, now, 40)


@pytest.mark.parametrize(("usual", "hours"), [(20, 1), (7, 3), (4, 6), (2, 12), (1, 24)])
def test_small_shop_is_judged_over_more_hours(usual: int, hours: int) -> None:
    """The shortest time in which 20 purchases are usual."""
    fall = find_purchase_fall(purchases(usual, 0, hours=24), NOW)
    assert fall is not None and fall.hours == hours


def test_very_small_shop_is_not_judged() -> None:
    """Less than 20 a day: chance alone makes days without."""
    series = Series({(NOW - days * DAY_MS) // BUCKET_MS - 1: 19 for days in range(1, 9)})
    assert find_purchase_fall(series, NOW) is None


def test_night_of_a_shop_is_judged_by_nights() -> None:
    """Few purchases at four in the morning are usual."""
    series = in_the_hours(8, 20, 60, until_ms=NOW + 14 * HOUR_MS)
    assert find_purchase_fall(series, NOW + 14 * HOUR_MS) is None


def test_quiet_day_that_was_there_before_is_usual() -> None:
    """Such as each Sunday: it is not below the lowest of the week."""
    series = steady(40, until_ms=NOW - HOUR_MS)
    series.drop((NOW - 7 * DAY_MS - HOUR_MS) // BUCKET_MS, (NOW - 7 * DAY_MS) // BUCKET_MS)
    assert find_purchase_fall(series, NOW) is None


def test_fall_is_over_at_sixty_percent_of_what_was_usual_before() -> None:
    """Days of the incident itself do not count as usual."""
    opened = NOW - 2 * DAY_MS
    series = steady(40, until_ms=opened)
    for hour in range(opened // HOUR_MS, NOW // HOUR_MS):
        series.add(hour * 6, 4)
    fall = find_purchase_fall(series, NOW, opened)
    assert fall is not None and (fall.purchases, fall.usual_purchases) == (4, 40)
    series.add((NOW - HOUR_MS) // BUCKET_MS, 20)
    assert find_purchase_fall(series, NOW, opened) is not None
    series.add((NOW - HOUR_MS) // BUCKET_MS, 1)
    assert find_purchase_fall(series, NOW, opened) is None


def test_fall_that_lasts_becomes_usual() -> None:
    """When fewer than three of the days before it are kept."""
    for days, is_compared in ((4, True), (6, False)):
        opened = NOW - days * DAY_MS
        fall = find_purchase_fall(steady(40, until_ms=opened, days=8 - days), NOW, opened)
        assert (fall is not None) == is_compared


# --- match keys ---


@pytest.mark.parametrize(("now", "has_fallen"), [(0, True), (40, True), (41, False), (90, False)])
def test_share_of_a_key_has_halved(now: int, has_fallen: bool) -> None:
    """To at most half of the median share, 80%."""
    events, having = steady(1000), purchases(800, now * 10)
    fall = find_key_fall(having, events, NOW)
    assert (fall is not None) == has_fallen
    if fall is not None:
        assert (fall.share, fall.usual_share) == (now / 100, 0.8)


def test_rare_key_is_not_judged() -> None:
    """A fall from 9% of the events is less than ten percentage points."""
    assert find_key_fall(purchases(90, 0), steady(1000), NOW) is None


def test_share_of_few_events_is_judged_over_more_hours() -> None:
    """200 events are needed, now and usually."""
    fall = find_key_fall(purchases(32, 0, hours=24), steady(40), NOW)
    assert fall is not None and fall.hours == 6
    assert find_key_fall(purchases(4, 0, hours=24), steady(5), NOW) is None


def test_key_without_traffic_is_not_judged() -> None:
    """That is a matter of silent inputs."""
    events = steady(1000, until_ms=NOW - DAY_MS)
    assert find_key_fall(steady(800, until_ms=NOW - DAY_MS), events, NOW) is None


def test_key_is_back_above_three_quarters() -> None:
    """Of the share before the incident."""
    opened = NOW - HOUR_MS
    assert find_key_fall(purchases(800, 600), steady(1000), NOW, opened) is not None
    assert find_key_fall(purchases(800, 610), steady(1000), NOW, opened) is None
