"""Replays: which events each one queued again, kept in the store for questions about its progress."""

import asyncio
import zlib
from array import array
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import RevisionConflict, UnknownName
from tiktok_forwarder.store.dead_letters import DeadLetterStore
from tiktok_forwarder.store.expiring import ExpiringDocument, ExpiringPut, ExpiringStore

_KEPT_MS: Final = 7 * 24 * 3600 * 1000
_MAX_EVENTS: Final = 1_000_000
# Numbers in order have most of their bytes in common, so the quickest level suffices.
_COMPRESSION_LEVEL: Final = 1


class ReplayProgress(Struct, frozen=True):
    """How many of these events are still waiting and how many are dead letters again.

    The others are `delivered`, except those erased or discarded in the meantime.
    """

    replay_no: int
    at_ms: int
    events: int
    delivered: int
    waiting: int
    dead_letters: int


class _Record(Struct, frozen=True):
    """A replay as stored: the numbers of its events by connection, compressed."""

    at_ms: int
    events: int
    event_nos: Mapping[str, bytes]


class Replays:
    """The replays of a week, by number; older ones are removed once all contain too many events together."""

    def __init__(self, store: ExpiringStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def add(self, event_nos: Mapping[str, Sequence[int]]) -> int:
        """Store these events by connection; return the replay's number, for requests of its progress."""
        now_ms = self._clock.now_ms()
        packed = await asyncio.to_thread(lambda: {name: _packed(numbers) for name, numbers in event_nos.items()})
        record = _Record(now_ms, sum(map(len, event_nos.values())), packed)
        earlier = await self._store.list_expiring("replay", now_ms)
        await self._store.remove_expiring("replay", _surplus(earlier, record.events))
        latest_no = max((int(each.id) for each in earlier), default=0)
        for replay_no in count(latest_no + 1):
            put = ExpiringPut("replay", str(replay_no), msgspec.msgpack.encode(record), now_ms + _KEPT_MS, 0)
            try:
                await self._store.put_expiring([put], now_ms)
                break
            except RevisionConflict:
                # Another process has just given this number to a replay.
                continue
        return replay_no

    async def progress(self, replay_no: int, store: DeadLetterStore) -> ReplayProgress:
        """Return the progress. Raises `UnknownName`."""
        document = await self._store.get_expiring("replay", str(replay_no), self._clock.now_ms())
        if document is None:
            raise UnknownName(f"replay {replay_no} not found: it is too old, or there was none")
        record = _record(document)
        waiting = dead = 0
        for connection_id, packed in record.event_nos.items():
            found = await store.count_by_state(connection_id, _unpacked(packed))
            waiting, dead = waiting + found.waiting, dead + found.dead_letters
        delivered = record.events - waiting - dead
        return ReplayProgress(replay_no, record.at_ms, record.events, delivered, waiting, dead)


def _surplus(earlier: Sequence[ExpiringDocument], events: int) -> list[str]:
    """Return the oldest replays, without which the others and a new one do not have too many events together."""
    surplus: list[str] = []
    total = events + sum(_record(each).events for each in earlier)
    for each in earlier:
        if total <= _MAX_EVENTS:
            break
        total -= _record(each).events
        surplus.append(each.id)
    return surplus


def _record(document: ExpiringDocument) -> _Record:
    return msgspec.msgpack.decode(document.body, type=_Record)


def _packed(numbers: Sequence[int]) -> bytes:
    return zlib.compress(array("q", numbers).tobytes(), _COMPRESSION_LEVEL)


def _unpacked(packed: bytes) -> Sequence[int]:
    return array("q", zlib.decompress(packed))
