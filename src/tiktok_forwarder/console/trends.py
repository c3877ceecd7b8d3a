"""Results of TikTok events for pages: sums of several events, amounts of money, and lines of a day. Pure functions."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import accumulate, zip_longest
from typing import Final

from msgspec import Struct

from tiktok_forwarder.activity.event_figures import (
    NO_CURRENCY,
    OTHER_CURRENCIES,
    OTHER_EVENTS,
    CurrencyValue,
    EventFigureSet,
)
from tiktok_forwarder.api.results import ConnectionResults, EventResults, ResultsView
from tiktok_forwarder.console.figures import Chart
from tiktok_forwarder.console.mappings.labels import event_words
from tiktok_forwarder.console.rendering import number

MAX_TRENDS: Final = 12
"""How many connections have a line on the overview, which refreshes every few seconds."""
WIDTH: Final = 240
HEIGHT: Final = 56
_MILLIONTHS_PER_CENT: Final = 10_000


def event_title(name: str) -> str:
    return "Other events" if name == OTHER_EVENTS else event_words(name).title


def weekday(day: str) -> str:
    """Return the name of a date's day, such as Monday."""
    return f"{date.fromisoformat(day):%A}"


def amounts(figures: EventFigureSet) -> list[str]:
    """Return the sums by currency, such as 1,250.00 USD, the one of most events first."""
    return [_amount(each) for each in figures.values]


def _amount(value: CurrencyValue) -> str:
    if value.currency == OTHER_CURRENCIES:
        return f"{number(value.events)} in other currencies"
    cents = (value.millionths + _MILLIONTHS_PER_CENT // 2) // _MILLIONTHS_PER_CENT
    return (
        f"{cents // 100:,}.{cents % 100:02} {'without currency' if value.currency == NO_CURRENCY else value.currency}"
    )


def delivered_share(figures: EventFigureSet) -> float | None:
    """Return the share of the events to be sent that was delivered, None without any.

    What a crash kept from being counted must not show as more than all.
    """
    to_send = figures.mapped - figures.recorded
    return min(1.0, figures.delivered / to_send) if to_send > 0 else None


class Trend(Struct, frozen=True):
    """A day's events hour by hour, added up, against the same day of last week.

    The lines are points of an SVG polyline; `rows` are the same numbers: time, today, last week. Today's are None for
    hours that have not begun.
    """

    label: str
    today: EventFigureSet
    last_week_so_far: EventFigureSet
    last_week: EventFigureSet
    today_line: str
    last_week_line: str
    rows: list[tuple[str, int | None, int | None]]


def day_chart(found: Trend, view: ResultsView) -> Chart:
    """Return the trend as a chart of today's hours, which has the counts at the end of each."""
    labels = ("Today", f"Last {weekday(view.today)}")
    times = [view.today_ms // 1000 + hour * 3600 for hour in range(len(found.rows) + 1)]
    return Chart(times, labels, ([0, *(row[1] for row in found.rows)], [0, *(row[2] for row in found.rows)]))


def purchases_trend(results: ConnectionResults, view: ResultsView) -> Trend | None:
    """Return the trend of all purchases, or of the most frequent event without any; None without events."""
    purchases = [each for each in results.events if each.is_purchase]
    if purchases:
        return trend("Purchases", purchases, view)
    if not results.events:
        return None
    most = max(results.events, key=lambda each: each.today.mapped + each.last_week.mapped)
    return trend(event_title(most.event), [most], view)


def purchases_trends(
    connections: Sequence[ConnectionResults], view: ResultsView
) -> list[tuple[ConnectionResults, Trend]]:
    """Return the trends of the connections with most events, in the order in which they are given."""
    found = [(each, its) for each in connections if (its := purchases_trend(each, view)) is not None]
    most = sorted(found, key=lambda each: -(each[1].today.mapped + each[1].last_week.mapped))[:MAX_TRENDS]
    return [each for each in found if each in most]


def trend(label: str, events: Sequence[EventResults], view: ResultsView) -> Trend:
    """Return the trend of these events together."""
    today = list(accumulate(_sums(each.today_by_hour for each in events)))
    last_week = list(accumulate(_sums(each.last_week_by_hour for each in events)))
    hours = max(len(view.hours), len(last_week), 1)
    most = max([*today, *last_week, 1])
    return Trend(
        label,
        _sum(each.today for each in events),
        _sum(each.last_week_so_far for each in events),
        _sum(each.last_week for each in events),
        _points(today, hours, most),
        _points(last_week, hours, most),
        [(at or "", now, before) for at, now, before in zip_longest(view.hours, today, last_week)],
    )


def _sums(lists: Iterable[Sequence[int]]) -> list[int]:
    return [sum(each) for each in zip_longest(*lists, fillvalue=0)]


def _points(counts: Sequence[int], hours: int, most: int) -> str:
    """Return a line that begins at nothing, at the left, and has the count at the end of each hour."""
    places = enumerate([0, *counts])
    return " ".join(f"{hour * WIDTH / hours:.1f},{HEIGHT - count * HEIGHT / most:.1f}" for hour, count in places)


def _sum(figures: Iterable[EventFigureSet]) -> EventFigureSet:
    """Return the counts and values of several events together; of match keys an average would say nothing."""
    found = list(figures)
    values: dict[str, CurrencyValue] = {}
    for each in (value for figure_set in found for value in figure_set.values):
        before = values.get(each.currency, CurrencyValue(each.currency, 0, 0))
        values[each.currency] = CurrencyValue(
            each.currency, before.events + each.events, before.millionths + each.millionths
        )
    return EventFigureSet(
        mapped=sum(each.mapped for each in found),
        recorded=sum(each.recorded for each in found),
        duplicate=sum(each.duplicate for each in found),
        delivered=sum(each.delivered for each in found),
        unreadable_values=sum(each.unreadable_values for each in found),
        values=sorted(values.values(), key=lambda each: (-each.events, each.currency)),
    )
