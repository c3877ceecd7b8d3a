"""The activity: what happened to recent events, for people who ask."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

from tiktok_forwarder.activity.event_figures import HOUR_MS, KEPT_HOURS
from tiktok_forwarder.activity.gathering import MINUTE_MS, Gathering
from tiktok_forwarder.activity.records import (
    ActivityStore,
    HourFigures,
    KeptRecord,
    MinuteFigures,
    NameRow,
    RecordFilter,
)
from tiktok_forwarder.delivery.interfaces import Attempt, DeliveryStatus, Settled
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.intake.accept import Acceptance, SubjectHash
from tiktok_forwarder.mparticle.batch import Batch

_WRITE_EVERY_SECONDS: Final = 1.0
_WRITE_AT_RECORDS: Final = 500


class Activity:
    """Gathers what happens, has it written about once a second, and answers queries.

    No event waits for the activity or fails because of it. A crash loses what was not written. `most_per_second` is
    that of `Gathering`.
    """

    def __init__(self, store: ActivityStore, clock: Clock, subject_hash: SubjectHash, *, most_per_second: int) -> None:
        self._store = store
        self._clock = clock
        self._gathering = Gathering(clock, subject_hash, most_per_second, store.level_delay_seconds)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lost_records(self) -> int:
        """Return how many records were lost since the start, for lack of time, space or a working disk."""
        return self._gathering.lost_records + self._store.lost_records

    def now_ms(self) -> int:
        return self._clock.now_ms()

    # --- observing ---

    def on_accepted(self, acceptance: Acceptance) -> None:
        self._gathering.on_accepted(acceptance)
        self._write_soon()

    def on_request(self, input_name: str, batches: Sequence[Batch], at_ms: int) -> None:
        self._gathering.on_request(input_name, batches, at_ms)
        self._write_soon()

    def on_refused(self, input_name: str, reason: str) -> None:
        self._gathering.on_refused(input_name, reason)
        self._write_soon()

    def on_kafka_refused(self, input_name: str, reason: str, place: str) -> None:
        self._gathering.on_kafka_refused(input_name, reason, place)
        self._write_soon()

    def on_attempted(self, attempt: Attempt) -> None:
        self._gathering.on_attempted(attempt)
        self._write_soon()

    def on_settled(self, settled: Settled) -> None:
        self._gathering.on_settled(settled)
        self._write_soon()

    def on_replayed(self, connection_id: str, count: int) -> None:
        self._gathering.on_replayed(connection_id, count)
        self._write_soon()

    def on_state_changed(self, status: DeliveryStatus) -> None:
        self._gathering.on_state_changed(status)
        self._write_soon()

    # --- asking ---

    async def recent(self, which: RecordFilter) -> Sequence[KeptRecord]:
        """Return records, newest first. The last two seconds may be missing; four, if several nodes share a store."""
        self._write()
        return await self._store.recent(which)

    async def newest(self) -> int:
        """Return the highest record number so far: later records have higher numbers."""
        return await self._store.newest()

    async def one(self, record_no: int) -> KeptRecord | None:
        return await self._store.one(record_no)

    async def way(self, connection_id: str, event_name: str, event_id: str) -> Sequence[KeptRecord]:
        """Return one event's records, oldest first. A dropped event has no name at TikTok: pass an empty one."""
        self._write()
        return await self._store.way(connection_id, event_name, event_id)

    async def figures(self, from_ms: int, until_ms: int, connection_id: str | None = None) -> Sequence[MinuteFigures]:
        """Return figures of whole minutes: the first contains `from_ms`, the last begins before `until_ms`."""
        self._write()
        return await self._store.figures(from_ms // MINUTE_MS, -(-until_ms // MINUTE_MS), connection_id)

    async def hours(self, from_ms: int, until_ms: int, connection_id: str | None = None) -> Sequence[HourFigures]:
        """Return figures by TikTok event of the hours that begin in a period."""
        self._write()
        return await self._store.hours(-(-from_ms // HOUR_MS), -(-until_ms // HOUR_MS), connection_id)

    async def names(self, connection_id: str | None = None) -> Sequence[NameRow]:
        """Return the events that connections received within 15 days, by mParticle's type and name."""
        self._write()
        return await self._store.names(self._clock.now_ms() - KEPT_HOURS * HOUR_MS, connection_id)

    async def delete_before(self, before_ms: int) -> None:
        """Delete what happened before this time. Raises `StoreUnavailable`."""
        await self._store.delete_before(before_ms)

    async def erase(self, subjects: Collection[int]) -> int:
        """Delete the records of these keyed hashes, and keep none for a while; return how many there were."""
        return self._gathering.forget(subjects) + await self._store.erase(subjects)

    async def close(self) -> None:
        """Write everything, then close the store."""
        self._write(is_last=True)
        if self._timer is not None:
            self._timer.cancel()
        await self._store.close()

    # --- writing ---

    def _write_soon(self) -> None:
        if self._gathering.records >= _WRITE_AT_RECORDS:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_WRITE_EVERY_SECONDS, self._write_now)

    def _write_now(self) -> None:
        self._timer = None
        self._write()
        if not self._gathering.is_empty:
            self._write_soon()

    def _write(self, *, is_last: bool = False) -> None:
        self._gathering.learn_levels(self._store.new_levels())
        write = self._gathering.take(is_last=is_last)
        has_counts = write.figures or write.hours or write.names
        if (write.records or has_counts or write.levels) and not self._store.write(write):
            self._gathering.give_back(write)
