"""The watch over the store: what is told of its problems, and how often."""

import asyncio
from collections.abc import Sequence

import pytest

from tiktok_forwarder.operations import watches
from tiktok_forwarder.operations.watches import StoreWatch
from tiktok_forwarder.store.memory.store import MemoryStore


class TroubledStore(MemoryStore):
    def __init__(self, *problems: Sequence[str]) -> None:
        super().__init__()
        self._left = list(problems)
        self.asked_for_all = asyncio.Event()

    async def problems(self) -> Sequence[str]:
        if len(self._left) == 1:
            self.asked_for_all.set()
            return self._left[0]
        return self._left.pop(0)


class Told:
    def __init__(self) -> None:
        self.all: list[Sequence[str]] = []

    def on_store_problems(self, problems: Sequence[str]) -> None:
        self.all.append(problems)


async def test_a_trouble_is_told_when_it_comes_changes_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each, however often it is looked at; a store that is well from the start is not worth a word."""
    monkeypatch.setattr(watches, "_STORE_SECONDS", 0.001)
    store, told = TroubledStore([], ["disk"], ["disk"], ["damaged"], [], [], []), Told()
    watch = StoreWatch(store, told)
    watch.start()
    async with asyncio.timeout(5):
        await store.asked_for_all.wait()
    await watch.stop()
    assert told.all == [["disk"], ["damaged"], []]
