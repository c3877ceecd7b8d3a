"""Warnings about connections that have used up most of their storage quota, before senders are affected."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final, Protocol

from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.operations.watches import Watch
from tiktok_forwarder.store.totals import QueueCounts, StoreTotals

WARNING_SHARE: Final = 0.8
# Below the warning's share, so that a queue that stays near it is reported once.
OVER_SHARE: Final = 0.7
_QUOTA_SECONDS: Final = 1.0


class QuotaObserver(Protocol):
    """`quota_used` is the used part of the connection's storage quota, from 0 to 1."""

    def on_quota_warning(self, connection_id: str, quota_used: float) -> None: ...

    def on_quota_warning_over(self, connection_id: str, quota_used: float) -> None: ...


def quota_warnings(counts: QueueCounts | None) -> list[str]:
    """Return a connection's warning for people, if most of its quota is used."""
    if counts is None or counts.quota_used < WARNING_SHARE:
        return []
    return [
        f"{int(counts.quota_used * 100)}% of the storage quota is used: new events of a full connection are refused "
        "with HTTP 503, or dropped if another connection accepts the request; fix what prevents delivery, replay or "
        "discard dead letters, or raise max_store_bytes"
    ]


class QuotaLevels:
    """Reports each connection once when it reaches the warning's share, and once when it is well below it again."""

    def __init__(self, observer: QuotaObserver) -> None:
        self._observer = observer
        self._warned: set[str] = set()

    def update(self, counts: Mapping[str, QueueCounts]) -> None:
        for connection_id in self._warned - counts.keys():
            self._end(connection_id, 0.0)
        for connection_id, queue in counts.items():
            if queue.quota_used >= WARNING_SHARE and connection_id not in self._warned:
                self._warned.add(connection_id)
                self._observer.on_quota_warning(connection_id, queue.quota_used)
            elif queue.quota_used < OVER_SHARE and connection_id in self._warned:
                self._end(connection_id, queue.quota_used)

    def _end(self, connection_id: str, quota_used: float) -> None:
        self._warned.discard(connection_id)
        self._observer.on_quota_warning_over(connection_id, quota_used)


class QuotaWatch(Watch):
    """Checks the quotas from `start` to `stop`."""

    def __init__(self, totals: StoreTotals, observer: QuotaObserver) -> None:
        self._totals = totals
        self._levels = QuotaLevels(observer)

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):  # the watch over the store reports it
                self._levels.update(await self._totals.counts())
            await asyncio.sleep(_QUOTA_SECONDS)
