"""The API's endpoint of results: figures by TikTok event, of today and the same day last week."""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Annotated, Final

from msgspec import Meta, Struct

from tiktok_forwarder.activity.event_figures import HOUR_MS, EventFigureSet, event_figure_set
from tiktok_forwarder.activity.records import HourFigures
from tiktok_forwarder.api.endpoint import Call, Endpoint
from tiktok_forwarder.api.services import Services
from tiktok_forwarder.tiktok.events import PURCHASE_EVENTS

_KEPT_DAYS: Final = 15
_WEEK: Final = 7


class ResultsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """An optional connection; without one, all. `days`: how many days to list, today included."""

    connection: str | None = None
    days: Annotated[int, Meta(ge=0, le=_KEPT_DAYS)] = 0


class DayResults(Struct, frozen=True):
    """One day's figures of an event. `date` is in the service's time zone, such as 2026-11-30."""

    date: str
    from_ms: int
    figures: EventFigureSet


class EventResults(Struct, frozen=True):
    """One event of a connection. Its name is `*` for all events beyond a connection's first 100 names of a day.

    `last_week_so_far` has the hours that began by this time of the day, `last_week` the whole day. `today_by_hour` and
    `last_week_by_hour` count mapped events by the hours of the day, 24 unless the clocks were changed; hours that have
    not begun are omitted. `is_purchase`: TikTok counts the event as a purchase. `days` are as many as requested, the
    latest first.
    """

    event: str
    is_purchase: bool
    today: EventFigureSet
    last_week_so_far: EventFigureSet
    last_week: EventFigureSet
    today_by_hour: list[int]
    last_week_by_hour: list[int]
    days: list[DayResults]


class ConnectionResults(Struct, frozen=True):
    """A connection's events, purchases first, then the most frequent today."""

    connection_id: str
    connection: str
    events: list[EventResults]


class ResultsView(Struct, frozen=True):
    """Results by connection; connections without events in these days are omitted.

    `today` is a date such as 2026-11-30, `today_ms` and `last_week_ms` are when the days begin, and `hours` the times
    at which today's hours begin, such as 14:00. An hour belongs to the day in which it begins, by UTC's hours: in a
    time zone with half hours, a day's figures begin up to an hour after it.
    """

    time_zone: str
    today: str
    now_ms: int
    today_ms: int
    last_week_ms: int
    hours: list[str]
    connections: list[ConnectionResults]


class Day(Struct, frozen=True):
    """A day of a time zone, which has 23 to 25 hours."""

    date: str
    from_ms: int
    until_ms: int

    @property
    def hours(self) -> range:
        """Return the hours since 1970 that begin in the day."""
        return range(-(-self.from_ms // HOUR_MS), -(-self.until_ms // HOUR_MS))


def days_until(now_ms: int, zone: tzinfo, count: int) -> list[Day]:
    """Return the last days, today first."""
    today = datetime.fromtimestamp(now_ms / 1000, zone).date()
    dates = [today + timedelta(days=1 - number) for number in range(count + 1)]
    starts = [int(datetime.combine(date, time(), zone).timestamp() * 1000) for date in dates]
    return [
        Day(date.isoformat(), from_ms, until_ms)
        for date, (until_ms, from_ms) in zip(dates[1:], pairwise(starts), strict=True)
    ]


_Hours = Sequence[HourFigures]


async def _results(call: Call[ResultsQuery, None]) -> ResultsView:
    services, query = call.services, call.query
    now_ms = services.activity.now_ms()
    days = days_until(now_ms, services.time_zone, max(query.days, _WEEK + 1))
    today, last_week = days[0], days[_WEEK]
    found = services.connections.find(query.connection) if query.connection is not None else None
    connection_id = found.id if found is not None else query.connection
    wanted = days[: query.days] if query.days > _WEEK else [today, last_week, *days[1 : query.days]]
    hours = await _hours_of(services, wanted, connection_id)
    names = {each.id: each.name for each in services.connections.all()}
    by_event: dict[str, dict[str, list[HourFigures]]] = {}
    for each in hours:
        by_event.setdefault(each.connection_id, {}).setdefault(each.event_name, []).append(each)
    elapsed_hours = sum(hour * HOUR_MS <= now_ms for hour in today.hours)
    connections = [
        ConnectionResults(
            key,
            names.get(key, key),
            sorted(
                (
                    _event_results(name, of_event, today, last_week, elapsed_hours, days[: query.days])
                    for name, of_event in events.items()
                ),
                key=lambda each: (not each.is_purchase, -each.today.mapped, each.event),
            ),
        )
        for key, events in sorted(by_event.items(), key=lambda item: (names.get(item[0], ""), item[0]))
    ]
    times = [datetime.fromtimestamp(hour * HOUR_MS / 1000, services.time_zone) for hour in today.hours]
    return ResultsView(
        time_zone=str(services.time_zone),
        today=today.date,
        now_ms=now_ms,
        today_ms=today.from_ms,
        last_week_ms=last_week.from_ms,
        hours=[f"{each:%H:%M}" for each in times],
        connections=connections,
    )


async def _hours_of(services: Services, days: Sequence[Day], connection_id: str | None) -> list[HourFigures]:
    """Return the hours of these days; only two days that are apart take two queries."""
    first, last = min(days, key=lambda day: day.from_ms), max(days, key=lambda day: day.from_ms)
    if len(days) > 2:
        return list(await services.activity.hours(first.from_ms, last.until_ms, connection_id))
    return [
        hour
        for day in (first, last)
        for hour in await services.activity.hours(day.from_ms, day.until_ms, connection_id)
    ]


def _event_results(
    name: str, hours: _Hours, today: Day, last_week: Day, elapsed_hours: int, days: Sequence[Day]
) -> EventResults:
    by_hour = {each.hour: each.figures for each in hours}
    return EventResults(
        name,
        name in PURCHASE_EVENTS,
        _sum(by_hour, today.hours),
        _sum(by_hour, last_week.hours[:elapsed_hours]),
        _sum(by_hour, last_week.hours),
        [_mapped(by_hour, hour) for hour in today.hours[:elapsed_hours]],
        [_mapped(by_hour, hour) for hour in last_week.hours],
        [DayResults(day.date, day.from_ms, _sum(by_hour, day.hours)) for day in days],
    )


def _sum(by_hour: Mapping[int, Mapping[str, int]], hours: range) -> EventFigureSet:
    return event_figure_set(by_hour[hour] for hour in hours if hour in by_hour)


def _mapped(by_hour: Mapping[int, Mapping[str, int]], hour: int) -> int:
    return by_hour.get(hour, {}).get("mapped", 0)


SHOW_RESULTS: Final = Endpoint(
    "GET",
    "/api/results",
    "show_results",
    "Return figures by TikTok event: today, the same day last week, and by day.",
    "read",
    _results,
)
