"""The traffic of the last eight days in memory, by ten minutes: read once from the activity, then followed.

Only the node that looks for incidents keeps it. Reading eight days takes a while, so it is done in small steps.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from tiktok_forwarder.activity.figures import SERVICE, figure_set, traffic_by_input
from tiktok_forwarder.activity.records import MinuteFigures
from tiktok_forwarder.notices.comparison import BUCKET_MS, DAY_MS, DAYS, Series

_KEPT_MS: Final = (DAYS + 1) * DAY_MS + BUCKET_MS
_MINUTES_OF_BUCKET: Final = BUCKET_MS // 60_000
_STEP_BUCKETS: Final = 12
# Figures of the last seconds are written a little later, and by other nodes.
_REREAD_BUCKETS: Final = 2


class FigureSource(Protocol):
    async def figures(self, from_ms: int, until_ms: int) -> Sequence[MinuteFigures]: ...


class ConnectionTraffic(Struct, frozen=True):
    """What a connection got: purchases, events whose match keys were counted, and how many of them had each key."""

    purchases: Series = field(default_factory=Series)
    match_events: Series = field(default_factory=Series)
    match_keys: dict[str, Series] = field(default_factory=dict)

    def all(self) -> list[Series]:
        return [self.purchases, self.match_events, *self.match_keys.values()]


class TrafficHistory:
    """Counts by connection ID, and by input name. `refresh` follows the activity."""

    def __init__(self, source: FigureSource) -> None:
        self._source = source
        self._read_until: int | None = None
        self._oldest = 0
        self.connections: dict[str, ConnectionTraffic] = {}
        self.received: dict[str, Series] = {}

    async def refresh(self, now_ms: int) -> None:
        """Read what is new, or at first everything. Raises `StoreUnavailable`."""
        newest = now_ms // BUCKET_MS
        oldest = newest - _KEPT_MS // BUCKET_MS
        start = oldest if self._read_until is None else max(oldest, self._read_until - _REREAD_BUCKETS)
        self._oldest = max(self._oldest, start - _KEPT_MS // BUCKET_MS)
        for first in range(start, newest + 1, _STEP_BUCKETS):
            until = min(first + _STEP_BUCKETS, newest + 1)
            minutes = await self._source.figures(first * BUCKET_MS, until * BUCKET_MS)
            # Counting takes time: in a thread, so that no event waits for it.
            counted = await asyncio.to_thread(_counted, minutes)
            self._replace(first, until, counted)
            self._read_until = until
        for series in self._all():
            series.drop(self._oldest, oldest)
        self._oldest = oldest

    def clear(self) -> None:
        """Forget everything, such as on a node that no longer looks for incidents."""
        self._read_until = None
        self.connections, self.received = {}, {}

    def _replace(self, from_bucket: int, until_bucket: int, counted: Sequence["_Counted"]) -> None:
        for series in self._all():
            series.drop(from_bucket, until_bucket)
        for each in counted:
            for name, events in each.received.items():
                self.received.setdefault(name, Series()).add(each.bucket, events)
            if each.connection_id != SERVICE:
                traffic = self.connections.setdefault(each.connection_id, ConnectionTraffic())
                traffic.purchases.add(each.bucket, each.purchases)
                traffic.match_events.add(each.bucket, each.match_events)
                for key, events in each.match_keys.items():
                    traffic.match_keys.setdefault(key, Series()).add(each.bucket, events)

    def _all(self) -> list[Series]:
        of_connections = [series for traffic in self.connections.values() for series in traffic.all()]
        return [*of_connections, *self.received.values()]


class _Counted(Struct, frozen=True):
    """The counts of one connection, or of the service, in one bucket."""

    bucket: int
    connection_id: str
    received: Mapping[str, int]
    purchases: int = 0
    match_events: int = 0
    match_keys: Mapping[str, int] = {}


def _counted(minutes: Sequence[MinuteFigures]) -> list[_Counted]:
    groups: dict[tuple[int, str], list[MinuteFigures]] = {}
    for minute in minutes:
        groups.setdefault((minute.minute // _MINUTES_OF_BUCKET, minute.connection_id), []).append(minute)
    return [_counts_of(bucket, connection_id, found) for (bucket, connection_id), found in groups.items()]


def _counts_of(bucket: int, connection_id: str, minutes: Sequence[MinuteFigures]) -> _Counted:
    figures = [each.figures for each in minutes]
    if connection_id == SERVICE:
        traffic = traffic_by_input(figures)
        return _Counted(bucket, connection_id, {name: each.received for name, each in traffic.items()})
    found = figure_set(figures)
    purchases = sum(each.purchases for each in found.inputs.values())
    return _Counted(bucket, connection_id, {}, purchases, found.match_events, found.match_keys)
