"""How the traffic of now is compared with the days before: the rules of silent inputs, purchases and match keys.

Pure: counts by time in, a judgment out. The limits are here, and in the guide on notices.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final

from msgspec import Struct

BUCKET_MS: Final = 10 * 60_000
"""Counts are by ten minutes."""
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
DAYS: Final = 7
"""How many days before are compared."""

SILENT_MS: Final = 30 * 60_000
MIN_USUAL_EVENTS: Final = 10
"""An input is silent if it got nothing in a time in which it got so many events on the days before."""

WINDOW_HOURS: Final = (1, 3, 6, 12, 24)
"""The lengths that are compared: the shortest one counts in which there usually are enough events."""
MIN_USUAL_PURCHASES: Final = 20
PURCHASES_FELL: Final = 0.3
PURCHASES_BACK: Final = 0.6
"""Purchases have fallen to at most this part of the median, and are back above that part."""

MIN_MATCH_EVENTS: Final = 200
KEYS_FELL: Final = 0.5
KEYS_BACK: Final = 0.75
MIN_FALL: Final = 0.1
"""Of the events, at least so much less have the key."""

MIN_DAYS_WHILE_OPEN: Final = 3
"""An open incident is compared with the days before it was opened, as long as so many of them are kept."""


class Series:
    """Counts by bucket. `first_ms` is the start of the first bucket that is not empty, None without one."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self._counts: dict[int, int] = dict(counts or {})

    def add(self, bucket: int, count: int) -> None:
        if count:
            self._counts[bucket] = self._counts.get(bucket, 0) + count

    def drop(self, from_bucket: int, until_bucket: int) -> None:
        """Forget the counts of these buckets; the end is excluded."""
        for bucket in range(from_bucket, until_bucket):
            self._counts.pop(bucket, None)

    @property
    def first_ms(self) -> int | None:
        return min(self._counts) * BUCKET_MS if self._counts else None

    @property
    def last_ms(self) -> int | None:
        """Return the end of the last bucket that is not empty."""
        return (max(self._counts) + 1) * BUCKET_MS if self._counts else None

    def sum(self, from_ms: int, until_ms: int) -> int:
        """Return the sum of whole buckets; the end is excluded."""
        return sum(self._counts.get(bucket, 0) for bucket in range(from_ms // BUCKET_MS, until_ms // BUCKET_MS))


class Silence(Struct, frozen=True):
    minutes: int
    usual_events: int


class PurchaseFall(Struct, frozen=True):
    hours: int
    purchases: int
    usual_purchases: int


class KeyFall(Struct, frozen=True):
    """Shares of the events that had a key, now and on the days before (median)."""

    hours: int
    share: float
    usual_share: float


def days_before(
    from_ms: int, until_ms: int, first_ms: int | None, opened_ms: int | None = None
) -> list[tuple[int, int, int]]:
    """Return the same hours of the days before as (days, from, until): only those that the series covers.

    Of an open incident, only those that had ended when it was opened.
    """
    found: list[tuple[int, int, int]] = []
    for days in range(1, DAYS + 1):
        start, end = from_ms - days * DAY_MS, until_ms - days * DAY_MS
        if first_ms is not None and start >= first_ms and (opened_ms is None or end <= opened_ms):
            found.append((days, start, end))
    return found


def find_silence(received: Series, now_ms: int, watched_since_ms: int) -> Silence | None:
    """Return how long the input has been silent, if it usually is not: None while there is nothing unusual.

    `watched_since_ms`: before that, this process did not run, and could not have received anything.
    """
    now_ms = now_ms // BUCKET_MS * BUCKET_MS
    last_ms = received.last_ms
    if last_ms is None:
        return None
    since_ms = max(last_ms, -(-watched_since_ms // BUCKET_MS) * BUCKET_MS, now_ms - DAY_MS)
    if now_ms - since_ms < SILENT_MS:
        return None
    compared = days_before(since_ms, now_ms, received.first_ms)
    if len(compared) < DAYS:
        return None
    events = {days: received.sum(start, end) for days, start, end in compared}
    quiet = [days for days, count in events.items() if count < MIN_USUAL_EVENTS]
    # One quiet day may have been an outage. The same day of the week before shows what is usual on this one.
    if len(quiet) > 1 or DAYS in quiet:
        return None
    return Silence((now_ms - last_ms) // 60_000, int(median(events.values())))


def find_purchase_fall(purchases: Series, now_ms: int, opened_ms: int | None = None) -> PurchaseFall | None:
    """Return the fall of purchases, None if there is none; with `opened_ms`, whether an open incident still is one."""
    until_ms = now_ms // BUCKET_MS * BUCKET_MS
    for hours in WINDOW_HOURS:
        from_ms = until_ms - hours * HOUR_MS
        days = days_before(from_ms, until_ms, purchases.first_ms, opened_ms)
        if len(days) < _needed_days(opened_ms):
            continue
        before = [purchases.sum(start, end) for _, start, end in days]
        usual = median(before)
        if usual < MIN_USUAL_PURCHASES:
            continue
        now = purchases.sum(from_ms, until_ms)
        has_fallen = (
            now <= usual * PURCHASES_BACK
            if opened_ms is not None
            else now <= usual * PURCHASES_FELL and now < min(before)
        )
        return PurchaseFall(hours, now, int(usual)) if has_fallen else None
    return None


def find_key_fall(having: Series, events: Series, now_ms: int, opened_ms: int | None = None) -> KeyFall | None:
    """Return the fall of the share of events that have a key, None if there is none, as for purchases."""
    until_ms = now_ms // BUCKET_MS * BUCKET_MS
    for hours in WINDOW_HOURS:
        from_ms = until_ms - hours * HOUR_MS
        days = days_before(from_ms, until_ms, events.first_ms, opened_ms)
        now_events = events.sum(from_ms, until_ms)
        before_events = [events.sum(start, end) for _, start, end in days]
        if len(days) < _needed_days(opened_ms) or min(now_events, median(before_events)) < MIN_MATCH_EVENTS:
            continue
        shares = [
            having.sum(start, end) / count for (_, start, end), count in zip(days, before_events, strict=True) if count
        ]
        return _judged_shares(hours, having.sum(from_ms, until_ms) / now_events, shares, is_open=opened_ms is not None)
    return None


def _judged_shares(hours: int, share: float, before: Sequence[float], *, is_open: bool) -> KeyFall | None:
    usual = median(before)
    if is_open:
        has_fallen = share <= usual * KEYS_BACK
    else:
        has_fallen = share <= usual * KEYS_FELL and usual - share >= MIN_FALL and share < min(before)
    return KeyFall(hours, share, usual) if has_fallen else None


def _needed_days(opened_ms: int | None) -> int:
    return DAYS if opened_ms is None else MIN_DAYS_WHILE_OPEN
