"""Results as people read them: amounts of money, shares, and the lines of a day."""

import pytest

from tiktok_forwarder.activity.event_figures import CurrencyValue, EventFigureSet, event_figure_set
from tiktok_forwarder.api.results import ConnectionResults, EventResults, ResultsView
from tiktok_forwarder.console.trends import (
    HEIGHT,
    MAX_TRENDS,
    WIDTH,
    amounts,
    day_chart,
    delivered_share,
    event_title,
    purchases_trend,
    purchases_trends,
    weekday,
)

HOURS = [f"{hour:02}:00" for hour in range(24)]
VIEW = ResultsView("UTC", "2026-11-30", 0, 0, 0, HOURS, [])


def figures(mapped: int, delivered: int = 0, **values: int) -> EventFigureSet:
    """With values in millionths by currency, each of one event."""
    stored = {"mapped": mapped, "delivered": delivered}
    for currency, millionths in values.items():
        stored |= {f"valued.{currency}": 1, f"value.{currency}": millionths}
    return event_figure_set([stored])


def event(name: str, today: list[int], last_week: list[int], *, is_purchase: bool = False) -> EventResults:
    before = figures(sum(last_week), EUR=10)
    so_far = figures(sum(last_week[: len(today)]))
    return EventResults(name, is_purchase, figures(sum(today), EUR=5), so_far, before, today, last_week, [])


@pytest.mark.parametrize(
    ("currency", "millionths", "text"),
    [
        ("EUR", 1_250_000_000, "1,250.00 EUR"),
        ("USD", 19_994_999, "19.99 USD"),
        ("USD", 19_995_000, "20.00 USD"),
        ("JPY", 9_000_000, "9.00 JPY"),
        ("EUR", 0, "0.00 EUR"),
        ("none", 5_000_000, "5.00 without currency"),
        ("other", 0, "1,234 in other currencies"),
    ],
)
def test_amount_is_rounded_to_cents(currency: str, millionths: int, text: str) -> None:
    """Currencies that are not summed show how many events had one."""
    assert amounts(EventFigureSet(values=[CurrencyValue(currency, 1234, millionths)])) == [text]


def test_share_delivered_is_never_above_all() -> None:
    """A crash can cost the last second's acceptances, and not the deliveries after it."""
    assert delivered_share(figures(0)) is None
    assert delivered_share(figures(4, 3)) == 0.75
    assert delivered_share(figures(4, 5)) == 1


def test_recorded_events_are_not_part_of_the_share_delivered() -> None:
    """On the day of a switch only those count that were to be sent; before it there is no share."""
    assert delivered_share(EventFigureSet(mapped=4, recorded=4)) is None
    assert delivered_share(EventFigureSet(mapped=6, recorded=4, delivered=1)) == 0.5


def test_trend_adds_up_all_purchases_by_hour() -> None:
    """PlaceAnOrder and Purchase are one line; other events are not in it."""
    events = [
        event("Purchase", [0, 2, 1], [1] * 24, is_purchase=True),
        event("PlaceAnOrder", [1, 0, 0], [0] * 24, is_purchase=True),
        event("AddToCart", [50, 50, 50], [50] * 24),
    ]
    found = purchases_trend(ConnectionResults("c", "Shop", events), VIEW)
    assert found is not None
    assert (found.label, found.today.mapped, found.last_week_so_far.mapped) == ("Purchases", 4, 3)
    assert found.last_week.mapped == 24 and found.today.values == [CurrencyValue("EUR", 2, 10)]
    assert found.rows[:4] == [("00:00", 1, 1), ("01:00", 3, 2), ("02:00", 4, 3), ("03:00", None, 4)]
    assert found.rows[-1] == ("23:00", None, 24) and len(found.rows) == 24


def test_line_ends_where_the_day_is_now() -> None:
    """Both have the same scale: the larger count is at the top, the end of the day at the right."""
    found = purchases_trend(ConnectionResults("c", "Shop", [event("Lead", [0, 2], [4] + [0] * 23)]), VIEW)
    assert found is not None and found.label == "Lead"
    today = [tuple(map(float, point.split(","))) for point in found.today_line.split(" ")]
    last_week = [tuple(map(float, point.split(","))) for point in found.last_week_line.split(" ")]
    assert today == [(0, HEIGHT), (WIDTH / 24, HEIGHT), (WIDTH / 12, HEIGHT / 2)]
    assert last_week[:2] == [(0, HEIGHT), (WIDTH / 24, 0)] and last_week[-1] == (WIDTH, 0)


def test_chart_has_no_points_for_hours_to_come() -> None:
    """Both lines begin at nothing, when the day begins."""
    found = purchases_trend(ConnectionResults("c", "Shop", [event("Lead", [0, 2], [4] + [0] * 23)]), VIEW)
    assert found is not None
    drawn = day_chart(found, VIEW)
    assert list(drawn.labels) == ["Today", "Last Monday"]
    assert drawn.at_seconds[:2] == [0, 3600] and len(drawn.at_seconds) == 25
    assert drawn.values[0][:4] == [0, 0, 2, None] and drawn.values[1][:3] == [0, 4, 4]


def test_trend_without_purchases_is_of_the_most_frequent_event() -> None:
    """A connection for leads has a line too; one without events has none."""
    events = [event("Lead", [1], [0] * 24), event("Contact", [0], [5] + [0] * 23)]
    found = purchases_trend(ConnectionResults("c", "Shop", events), VIEW)
    assert found is not None and found.label == "Contact"
    assert purchases_trend(ConnectionResults("c", "Shop", []), VIEW) is None


def test_only_the_largest_connections_have_a_line() -> None:
    """The overview is drawn again every few seconds; the others' results are on their own pages."""
    connections = [ConnectionResults(str(n), str(n), [event("Lead", [n], [0] * 24)]) for n in range(MAX_TRENDS + 2)]
    connections.append(ConnectionResults("none", "none", []))
    found = purchases_trends(connections, VIEW)
    assert [each.connection_id for each, _ in found] == [str(n) for n in range(2, MAX_TRENDS + 2)]


def test_day_of_25_hours_is_as_long_as_the_longer_one() -> None:
    """Points of the hour that is there twice are not beyond the edge."""
    found = purchases_trend(ConnectionResults("c", "Shop", [event("Lead", [1], [1] * 25)]), VIEW)
    assert found is not None and found.last_week_line.split(" ")[-1] == f"{WIDTH:.1f},0.0"
    assert found.rows[-1] == ("", None, 25)


def test_day_and_events_have_names() -> None:
    """The day of the week, as the text says last Monday; an own event name is shown as it is."""
    assert weekday("2026-11-30") == "Monday"
    assert [event_title(name) for name in ("AddToCart", "VideoPlayed", "*")] == [
        "Add to Cart",
        "VideoPlayed",
        "Other events",
    ]
