"""Compares this machine's clock with TikTok's, by the `Date` header of its answers, and reports a large difference.

A clock that is wrong by days drops events as too old, sends wrong times, and forgets too early what it has sent.
"""

from typing import Final, Protocol

from tiktok_forwarder.delivery.interfaces import EventSender, HttpAnswer, NoAnswer, OutboundRequest
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.tiktok.answers import http_date_seconds

# Far more than an answer's way takes; far less than the 48 hours and the 7 days of TikTok's rules.
LARGE_SECONDS: Final = 300.0
# How long a comparison is recent: a shorter time while the clock is wrong, so that its correction is noticed soon.
RECENT_SECONDS: Final = 600.0
RECENT_SECONDS_WHILE_WRONG: Final = 60.0

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))


class ClockObserver(Protocol):
    """`seconds` is this machine's clock minus TikTok's."""

    def on_clock_compared(self, seconds: float) -> None:
        """An answer had a date."""
        ...

    def on_clock_wrong(self, seconds: float) -> None:
        """The difference is large from now on, or has changed much."""
        ...

    def on_clock_right(self, seconds: float) -> None:
        """The difference is no longer large."""
        ...


def clock_warning(seconds: float | None) -> str:
    """Return the warning for people about this difference, an empty text if it is unknown or not large."""
    if seconds is None or abs(seconds) <= LARGE_SECONDS:
        return ""
    side = "ahead of" if seconds > 0 else "behind"
    return (
        f"this machine's clock is {_span(abs(seconds))} {side} TikTok's: events may be dropped as too old or be sent "
        "with a wrong time; set the clock, and keep it right with NTP"
    )


def _span(seconds: float) -> str:
    """Return a span of at least a minute in its largest unit, rounded down."""
    unit, size = next((unit, size) for unit, size in _UNITS if seconds >= size)
    number = int(seconds // size)
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


class ClockComparison:
    """The difference between the clocks, in seconds; None before the first answer with a date.

    After the first answer, a difference counts when two answers in a row agree about it: one that some gateway dated
    changes nothing.
    """

    def __init__(self, clock: Clock, observer: ClockObserver) -> None:
        self._clock = clock
        self._observer = observer
        self._last: float | None = None
        self._reported: float | None = None
        self._compared_at: float | None = None
        self.difference_seconds: float | None = None

    @property
    def is_outdated(self) -> bool:
        """Return whether no answer had a date for a while."""
        if self._compared_at is None:
            return True
        recent_seconds = RECENT_SECONDS if self._reported is None else RECENT_SECONDS_WHILE_WRONG
        return self._clock.monotonic_seconds() - self._compared_at >= recent_seconds

    @property
    def recent_difference_seconds(self) -> float | None:
        """Return the difference if an answer had a date recently."""
        return None if self.is_outdated else self.difference_seconds

    @property
    def is_wrong(self) -> bool:
        """Return whether the last difference that counts is large."""
        return self.difference_seconds is not None and abs(self.difference_seconds) > LARGE_SECONDS

    def on_date(self, date: str) -> None:
        """Compare the `Date` header of an answer that was received just now."""
        at_seconds = http_date_seconds(date)
        if at_seconds is None:
            return
        seconds = self._clock.now_ms() / 1000 - at_seconds
        is_first, agrees = self._last is None, self._last is not None and _is_near(seconds, self._last)
        self._last, self._compared_at = seconds, self._clock.monotonic_seconds()
        if is_first or agrees:
            self.difference_seconds = seconds
            self._observer.on_clock_compared(seconds)
            self._report(seconds)

    def _report(self, seconds: float) -> None:
        """Report once, until the difference changes."""
        if abs(seconds) > LARGE_SECONDS:
            if self._reported is None or not _is_near(seconds, self._reported):
                self._reported = seconds
                self._observer.on_clock_wrong(seconds)
        elif self._reported is not None:
            self._reported = None
            self._observer.on_clock_right(seconds)


def _is_near(one: float, other: float) -> bool:
    return abs(one - other) <= LARGE_SECONDS


class DatedSender:
    """An `EventSender` that compares the date of each answer."""

    def __init__(self, sender: EventSender, comparison: ClockComparison) -> None:
        self._sender = sender
        self._comparison = comparison

    async def send(self, request: OutboundRequest) -> HttpAnswer | NoAnswer:
        answer = await self._sender.send(request)
        if isinstance(answer, HttpAnswer) and answer.date is not None:
            self._comparison.on_date(answer.date)
        return answer

    async def close(self) -> None:
        await self._sender.close()
