"""Looks for incidents and sends the notices about them, on one node at a time: the one that holds the claim.

Nothing here is on the way of an event: a blocked recipient, or a slow comparison, delays no delivery.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.inputs.inputs import Inputs
from tiktok_forwarder.notices.finding import StateFinder, TrafficFinder
from tiktok_forwarder.notices.notices import Notices
from tiktok_forwarder.notices.outbox import NoticeObserver
from tiktok_forwarder.notices.traffic import TrafficHistory
from tiktok_forwarder.operations.watches import Watch
from tiktok_forwarder.store.claim_keeper import ClaimKeeper
from tiktok_forwarder.store.claims import NOTICES, Claims
from tiktok_forwarder.store.events import EventStore

_FIND_SECONDS: Final = 5.0
_COMPARE_SECONDS: Final = 30.0
_SEND_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 1.0


class WatchedStore(EventStore, Claims, Protocol):
    """A store that is looked at, and that one node claims."""


@dataclass(frozen=True)
class WatchedParts:
    """Where incidents are looked for, besides the store."""

    connections: Connections
    inputs: Inputs
    deliverer: Deliverer
    activity: Activity


class NoticeWatch(Watch):
    """Finds, tracks and sends from `start` to `stop`, while this process holds the claim `notices`."""

    def __init__(
        self,
        store: WatchedStore,
        notices: Notices,
        watched: WatchedParts,
        observer: NoticeObserver,
        clock: Clock,
    ) -> None:
        self._claim = ClaimKeeper(store, NOTICES, lambda: [NOTICES])
        self._states = StateFinder(store, watched.connections, watched.deliverer.statuses_of_nodes, clock)
        self._watched = watched
        self._tracker = notices.tracker
        self._outbox = notices.outbox
        self._clock = clock
        self._observer = observer
        self._traffic: TrafficFinder | None = None
        self._compare_at = 0.0
        self._has_store_problem = False

    async def stop(self) -> None:
        """Stop, and let another node take over immediately."""
        if self._task is None:
            return
        await super().stop()
        await self._outbox.stop()
        with suppress(StoreUnavailable):
            await self._claim.stop()

    async def _watch(self) -> None:
        while True:
            try:
                await self._claim.start()
                break
            except StoreUnavailable:  # the watch over the store reports it
                await asyncio.sleep(_RETRY_SECONDS)
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._repeat(self._find, _FIND_SECONDS))
            loops.create_task(self._repeat(self._send, _SEND_SECONDS))

    async def _repeat(self, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        while True:
            try:
                await work()
            except StoreUnavailable:  # the watch over the store reports it
                pass
            except Exception as error:  # an error in one round must not end the notices
                self._observer.on_internal_error(error)
            await asyncio.sleep(seconds)

    def _may_act(self) -> bool:
        """Return whether this node finds and sends. Without its store, the last that did so reports that."""
        return self._claim.holds(NOTICES) or (self._has_store_problem and NOTICES in self._claim.names)

    async def _find(self) -> None:
        problems = await self._states.store_problems()
        self._has_store_problem = bool(problems.found)
        if not self._may_act():
            self._traffic = None
            return
        try:
            await self._tracker.follow(problems)
        except StoreUnavailable:
            self._tracker.follow_without_store(problems)
            return
        for find in (self._states.connections, self._states.dead_letters, self._states.test_codes):
            await self._tracker.follow(await find())
        await self._compare()

    async def _compare(self) -> None:
        """Compare the traffic with that of the days before, every half minute."""
        now = self._clock.monotonic_seconds()
        if self._traffic is None:
            # A node that takes over cannot know what the one before has missed.
            self._traffic = TrafficFinder(
                TrafficHistory(self._watched.activity),
                self._watched.connections,
                self._watched.inputs,
                self._clock,
                self._clock.now_ms(),
            )
        elif now < self._compare_at:
            return
        self._compare_at = now + _COMPARE_SECONDS
        open_since_ms = {key: each.opened_at_ms for key, each in (await self._tracker.open_incidents()).items()}
        await self._tracker.follow(await self._traffic.find(open_since_ms))

    async def _send(self) -> None:
        if not self._may_act():
            return
        try:
            await self._outbox.run(self._may_act)
        finally:
            self._outbox.run_unsaved(self._may_act)
