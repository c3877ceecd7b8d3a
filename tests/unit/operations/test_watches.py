"""The watch over the store: what is told of its problems, and how often."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from tests.conformance.rig import T0, event
from tiktok_forwarder.operations import watches
from tiktok_forwarder.operations.watches import StoreWatch
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import Arrivals
from tiktok_forwarder.store.totals import QueueCounts


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
        self.deleted: list[tuple[dict[str, int], bool]] = []

    def on_database_deleted(self, counts: Mapping[str, QueueCounts], *, is_final: bool) -> None:
        self.deleted.append(({each: found.waiting for each, found in counts.items()}, is_final))

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
    assert told.deleted == []


@pytest.mark.parametrize(("last", "is_lost"), [("deleted", True), ("", False)])
async def test_deleted_database_is_told_with_what_is_lost_in_it(
    last: str, is_lost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many events of each connection: when it is found, and once more when the service ends with them."""
    monkeypatch.setattr(watches, "_STORE_SECONDS", 0.001)
    store, told = TroubledStore([], ["deleted"], ["deleted"], [last] if last else []), Told()
    await store.append(Arrivals([event("e1"), event("e2"), event("e1", "b")], {}, T0))
    watch = StoreWatch(store, told)
    watch.start()
    async with asyncio.timeout(5):
        await store.asked_for_all.wait()
    await watch.stop()
    held = {"a": 2, "b": 1}
    assert told.deleted == [(held, False), *[(held, True)] * is_lost]
