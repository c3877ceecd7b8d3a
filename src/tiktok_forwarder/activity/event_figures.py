"""Figures by TikTok event and hour: how many events were mapped and delivered, and the sums of their values."""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Final

from msgspec import Struct, field

from tiktok_forwarder.activity.figures import ALL_MATCH_KEYS, COVERED, add, grouped
from tiktok_forwarder.activity.records import Figures, HourKey, Record
from tiktok_forwarder.delivery.interfaces import Settled
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.intake.accept import AdmittedEvent
from tiktok_forwarder.mapping.commerce import INVALID_VALUE
from tiktok_forwarder.tiktok.events import CURRENCIES

HOUR_MS: Final = 3_600_000
KEPT_HOURS: Final = 15 * 24
_DAY_HOURS: Final = 24
# No event at TikTok can have this name.
OTHER_EVENTS: Final = "*"
"""Stands for the names of a connection's events beyond `MAX_EVENT_NAMES` of a day."""
MAX_EVENT_NAMES: Final = 100
# Codes of currencies are in upper case.
OTHER_CURRENCIES: Final = "other"
NO_CURRENCY: Final = "none"
_MILLION: Final = 1_000_000
# Larger values are sent, but no order has them: one would hide all others in a sum.
MAX_VALUE: Final = 10**12
MAX_FIGURE: Final = 9 * 10**18
_PLAIN: Final = ("mapped", "recorded", "duplicate", "delivered", "unreadable_values")


class CurrencyValue(Struct, frozen=True):
    """How many events had a value in this currency, and its sum in millionths.

    The currency `other` stands for codes that TikTok does not list, whose values are not summed, and `none` for values
    without a currency.
    """

    currency: str
    events: int
    millionths: int


class EventFigureSet(Struct, frozen=True, omit_defaults=False):
    """Outcomes of the events of one name. All are counted in the hour in which the event was accepted.

    `mapped` events were stored, or only recorded: `recorded` and `delivered` ones are part of the mapped. `duplicate`
    ones had been received before and are in no other figure.

    Events without a value are in none of the `values`; `unreadable_values` counts those whose
    value was not a number, was negative, or above 1,000,000,000,000. `match_keys` counts events that had the key, out
    of `match_events` inspected: all, or a fair sample above a rate.
    """

    mapped: int = 0
    recorded: int = 0
    duplicate: int = 0
    delivered: int = 0
    unreadable_values: int = 0
    values: list[CurrencyValue] = field(default_factory=list)
    match_events: int = 0
    match_keys: dict[str, int] = field(default_factory=dict)


class _Counts(Struct, gc=False):
    """One event's counts until they are written: the names of figures take longer than adding.

    `values` are by currency, as the events have them: summing them together takes a fraction of the time.
    """

    key: HourKey
    mapped: int = 0
    recorded: int = 0
    duplicate: int = 0
    delivered: int = 0
    unreadable_values: int = 0
    values: dict[str | None, list[float]] = {}


class EventCounter:
    """Counts the events of every connection by their names at TikTok; `take` returns the figures for writing."""

    def __init__(self) -> None:
        # By hour and connection ID, then by name. Names beyond the bound share counts.
        self._counts: dict[tuple[int, str], dict[str, _Counts]] = {}
        self._figures: dict[HourKey, Figures] = {}
        # The names of a day, by connection ID: those of earlier settings end with it.
        self._names: dict[str, set[str]] = {}
        self._day = 0

    @property
    def is_empty(self) -> bool:
        return not (self._counts or self._figures)

    def count_admitted(self, connection_id: str, admitted: Sequence[AdmittedEvent], at_ms: int) -> None:
        """Count one connection's mapped events of a request."""
        hour = at_ms // HOUR_MS
        by_name = self._by_name(hour, connection_id)
        for each in admitted:
            name = each.event.event_name
            counts = by_name.get(name)
            if counts is None:
                counts = self._new_counts(by_name, hour, connection_id, name)
            admission = each.admission
            if admission in ("stored", "recorded"):
                counts.mapped += 1
                if admission == "recorded":
                    counts.recorded += 1
                mapped = each.mapped
                value = mapped.value
                if value is not None:
                    currency = mapped.currency
                    values = counts.values
                    if currency in values:
                        values[currency].append(value)
                    else:
                        _values_of(counts, currency).append(value)
                elif mapped.warnings and INVALID_VALUE in mapped.warnings:
                    counts.unreadable_values += 1
            elif admission == "duplicate":
                counts.duplicate += 1

    def count_settled(self, settled: Settled) -> None:
        """Count delivered events, each in the hour of its acceptance."""
        connection_id = settled.connection_id
        hour, by_name = -1, dict[str, _Counts]()
        for event, settlement in settled.outcomes:
            if type(settlement) is not Delivered:
                continue
            if event.accepted_at_ms // HOUR_MS != hour:
                hour = event.accepted_at_ms // HOUR_MS
                by_name = self._by_name(hour, connection_id)
            counts = by_name.get(event.event_name)
            if counts is None:
                counts = self._new_counts(by_name, hour, connection_id, event.event_name)
            counts.delivered += 1

    def count_match_keys(self, record: Record, keys: Iterable[str]) -> None:
        """Count the match keys of an accepted event."""
        name = self._counted_name(record.connection_id, record.event_name, record.at_ms // HOUR_MS)
        figures = self._figures.setdefault((record.at_ms // HOUR_MS, record.connection_id, name), {})
        add(figures, COVERED)
        for key in keys:
            add(figures, f"match.{key}")

    def take(self) -> dict[HourKey, Figures]:
        for by_name in self._counts.values():
            for counts in {id(each): each for each in by_name.values()}.values():
                self._write_down(counts)
        taken, self._counts, self._figures = self._figures, {}, {}
        return taken

    def give_back(self, figures: Mapping[HourKey, Figures]) -> None:
        """Take back what could not be written."""
        self._figures = dict(figures)

    def _by_name(self, hour: int, connection_id: str) -> dict[str, _Counts]:
        by_name = self._counts.get((hour, connection_id))
        if by_name is None:
            by_name = self._counts[hour, connection_id] = {}
        return by_name

    def _new_counts(self, by_name: dict[str, _Counts], hour: int, connection_id: str, name: str) -> _Counts:
        counted = self._counted_name(connection_id, name, hour)
        if counted not in by_name:
            by_name[counted] = _Counts((hour, connection_id, counted))
        by_name[name] = by_name[counted]
        return by_name[name]

    def _counted_name(self, connection_id: str, name: str, hour: int) -> str:
        if hour // _DAY_HOURS > self._day:
            self._day = hour // _DAY_HOURS
            self._names.clear()
        names = self._names.setdefault(connection_id, set())
        if name not in names and len(names) >= MAX_EVENT_NAMES:
            return OTHER_EVENTS
        names.add(name)
        return name

    def _write_down(self, counts: _Counts) -> None:
        figures = self._figures.setdefault(counts.key, {})
        for currency, values in counts.values.items():
            usable = [value for value in values if value <= MAX_VALUE]
            counts.unreadable_values += len(values) - len(usable)
            if usable:
                add(figures, f"valued.{currency or NO_CURRENCY}", len(usable))
                if currency != OTHER_CURRENCIES:
                    add(figures, f"value.{currency or NO_CURRENCY}", round(fsum(usable) * _MILLION))
        for name in _PLAIN:
            if count := getattr(counts, name):
                add(figures, name, count)


def _values_of(counts: _Counts, currency: str | None) -> list[float]:
    """Return the values of a currency, those of one that TikTok does not list with all others of that kind."""
    if currency is not None and currency not in CURRENCIES:
        currency = OTHER_CURRENCIES
    return counts.values.setdefault(currency, [])


def bounded_figures(figures: Mapping[str, int]) -> Figures:
    """Return the figures as every store can keep them. Sums that no shop reaches stop at the bound."""
    return {name: min(count, MAX_FIGURE) for name, count in figures.items()}


def event_figure_set(all_figures: Iterable[Mapping[str, int]]) -> EventFigureSet:
    """Return the sum of several figures of one event as a structure."""
    groups = grouped(all_figures)
    sums = groups.get("value", {})
    return EventFigureSet(
        **{name: groups.get(name, {}).get("", 0) for name in (*_PLAIN, COVERED)},
        values=[
            CurrencyValue(currency, events, sums.get(currency, 0))
            for currency, events in sorted(groups.get("valued", {}).items(), key=lambda each: (-each[1], each[0]))
        ],
        match_keys={name: groups.get("match", {}).get(name, 0) for name in ALL_MATCH_KEYS},
    )
