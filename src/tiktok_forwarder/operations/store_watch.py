"""Watches the store: that it takes no new events is told once, with the reason, and again when it is over."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from tiktok_forwarder.operations.watch import Watch
from tiktok_forwarder.store.events import EventStore

_EVERY_SECONDS: Final = 1.0


class StoreObserver(Protocol):
    def troubled(self, troubles: Sequence[str]) -> None:
        """Why no new event can be taken from now on; empty when they can again."""
        ...


class StoreWatch(Watch):
    """Looks from `start` to `stop`. A store in trouble is tried by that, so that it goes on also without a sender."""

    def __init__(self, store: EventStore, observer: StoreObserver) -> None:
        self._store = store
        self._observer = observer

    async def _watch(self) -> None:
        told: list[str] = []
        while True:
            troubles = list(await self._store.troubles())
            if troubles != told:
                self._observer.troubled(troubles)
                told = troubles
            await asyncio.sleep(_EVERY_SECONDS)
