"""Dead letters: what a selection holds, and what replaying and discarding do."""

from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.parts import ManualClock
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, DeadLetterReason, Delivered, Retry, Settlements
from tiktok_forwarder.operations.dead_letter_ends import DAY_MS, DeadLetterEnds
from tiktok_forwarder.operations.dead_letters import DeadLetters
from tiktok_forwarder.operations.replays import ReplayProgress, Replays
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.memory.store import MemoryStore
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore

HOUR_MS = 3_600_000
ALL = DeadLetterFilter()


class Kept:
    """Dead letters of the connections `a` and `b`, and of `gone`, which is no connection any more."""

    def __init__(self, store: MemoryStore | SqliteStore) -> None:
        self.store = store
        self.clock = ManualClock()
        self.ends = DeadLetterEnds(store, self.clock, days=30)
        self.letters = DeadLetters(store, Replays(store, self.clock), self.clock, lambda: ["a", "b"], self.ends)

    async def bury(self, *event_ids: str, connection: str = "a", reason: DeadLetterReason = "refused") -> None:
        """Accept the events, try them once and give them up, all of it now."""
        events = [
            NewEvent(connection, 1, "2.0", "Purchase", each, f'{{"event_id":"{each}"}}'.encode(), ())
            for each in event_ids
        ]
        await self.store.append(Arrivals(events, {}, self.clock.time_ms))
        lease = await self.store.lease(connection, GroupLimits(), self.clock.time_ms, 60)
        assert lease is not None
        settlement = DeadLettered(reason, Answer(200, 40002, "Invalid value"))
        await self.store.settle(lease, {each.event_no: settlement for each in lease.events}, self.clock.time_ms)

    async def ids(self, which: DeadLetterFilter = ALL) -> list[str]:
        return [each.event_id for each in await self.letters.page(which, limit=1000, after=0)]

    async def waiting(self, connection: str = "a") -> list[bytes]:
        """The payloads that wait."""
        lease = await self.store.lease(connection, GroupLimits(), self.clock.time_ms, 60)
        if lease is None:
            return []
        await self.store.release(lease)
        return [event.payload for event in lease.events]


@pytest.fixture(params=["memory", "sqlite"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    store = MemoryStore() if request.param == "memory" else SqliteStore.open(tmp_path / "events.db")
    yield Kept(store)
    await store.close()


async def test_a_selection_counts_by_reason_and_changes_nothing(kept: Kept) -> None:
    """Each condition narrows it; all that are given must hold."""
    await kept.bury("a1", "a2")
    kept.clock.time_ms += 1000
    await kept.bury("a3", reason="retries_exhausted")
    await kept.bury("b1", connection="b")
    everything = await kept.letters.selection(ALL)
    assert (everything.count, everything.by_reason) == (4, {"refused": 3, "retries_exhausted": 1})
    for which, count in (
        (DeadLetterFilter(connection_id="a"), 3),
        (DeadLetterFilter(reason="refused"), 3),
        (DeadLetterFilter(connection_id="a", reason="refused"), 2),
        (DeadLetterFilter(from_ms=kept.clock.time_ms), 2),
        (DeadLetterFilter(until_ms=kept.clock.time_ms), 2),
        (DeadLetterFilter(connection_id="nobody"), 0),
        (DeadLetterFilter(reason="no such reason"), 0),
        (DeadLetterFilter(event_nos=[]), 0),
    ):
        assert (await kept.letters.selection(which)).count == count
    assert await kept.ids() == ["a1", "a2", "a3", "b1"]


async def test_letters_come_in_pages(kept: Kept) -> None:
    """Each page goes on after the last number of the one before, and one letter is found by its number."""
    await kept.bury(*(f"e{number}" for number in range(5)))
    found: list[str] = []
    after = 0
    while page := await kept.letters.page(ALL, limit=2, after=after):
        assert len(page) <= 2
        after = page[-1].event_no
        found += [each.event_id for each in page]
    assert found == [f"e{number}" for number in range(5)]
    letter = await kept.letters.one(after)
    assert (letter.event_id, letter.reason, letter.answer) == ("e4", "refused", Answer(200, 40002, "Invalid value"))
    with pytest.raises(UnknownName, match="dead letter 999 not found"):
        await kept.letters.one(999)


@pytest.mark.parametrize(("hours", "beyond"), [(47, 0), (48, 0), (49, 2)])
async def test_events_first_tried_long_ago_are_counted(kept: Kept, hours: int, beyond: int) -> None:
    """Beyond 48 hours TikTok no longer recognises a repeat."""
    await kept.bury("e1", "e2")
    kept.clock.time_ms += hours * HOUR_MS
    await kept.bury("e3")
    selection = await kept.letters.selection(ALL)
    assert (selection.count, selection.beyond_48_hours) == (3, beyond)


async def test_replayed_events_wait_again_as_they_were(kept: Kept) -> None:
    """Same bytes; a second replay finds nothing."""
    await kept.bury("e1", "e2", "e3")
    await kept.bury("b1", connection="b")
    numbers = [each.event_no for each in await kept.letters.page(ALL, limit=2, after=0)]
    replayed = await kept.letters.replay(DeadLetterFilter(event_nos=numbers))
    assert replayed.selection.count == 2
    assert await kept.waiting() == [b'{"event_id":"e1"}', b'{"event_id":"e2"}']
    assert (await kept.letters.replay(DeadLetterFilter(event_nos=numbers))).selection.count == 0
    assert await kept.ids() == ["e3", "b1"]
    assert (await kept.letters.replay(ALL)).selection.count == 2


async def test_a_replay_tells_how_far_it_has_come(kept: Kept) -> None:
    """Of the events that it sent, and no others: how many wait, were delivered, or are dead letters again."""
    await kept.bury("e1", "e2", "e3")
    await kept.bury("b1", connection="b")
    await kept.bury("x1", connection="gone")
    replay_no = (await kept.letters.replay(ALL)).replay_no
    started = kept.clock.time_ms
    assert await kept.letters.progress(replay_no) == ReplayProgress(replay_no, started, 4, 0, 4, 0)
    lease = await kept.store.lease("a", GroupLimits(), kept.clock.time_ms, 60)
    assert lease is not None
    first, second, third = (each.event_no for each in lease.events)
    outcomes: Settlements = {first: Delivered(), second: DeadLettered("refused"), third: Retry(started + 1000)}
    await kept.store.settle(lease, outcomes, kept.clock.time_ms)
    await kept.bury("another", connection="b")
    assert await kept.letters.progress(replay_no) == ReplayProgress(replay_no, started, 4, 1, 1, 2)
    with pytest.raises(UnknownName, match="replay 99 not found: it is too old"):
        await kept.letters.progress(99)


async def test_old_replays_are_forgotten_for_new_ones() -> None:
    """Their events are remembered up to a bound; the newest replay is, whatever its size."""
    store, clock = MemoryStore(), ManualClock()
    replays = Replays(store, clock)
    large = {"a": array("q", range(700_000))}
    first, second = await replays.add(large), await replays.add(large)
    with pytest.raises(UnknownName, match=f"replay {first} not found"):
        await replays.progress(first, store)
    assert (await replays.progress(second, store)).events == 700_000
    third = await replays.add({"a": array("q", [1])})
    assert len({first, second, third}) == 3 and (await replays.progress(second, store)).events == 700_000


async def test_progress_of_a_replay_outlasts_a_restart(kept: Kept) -> None:
    """Another process answers the question too; a week later none does."""
    await kept.bury("e1", "e2")
    replay_no = (await kept.letters.replay(ALL)).replay_no
    again = Replays(kept.store, kept.clock)
    assert await again.progress(replay_no, kept.store) == await kept.letters.progress(replay_no)
    assert (await again.progress(replay_no, kept.store)).waiting == 2
    kept.clock.time_ms += 7 * 24 * HOUR_MS + 1
    with pytest.raises(UnknownName, match=f"replay {replay_no} not found"):
        await again.progress(replay_no, kept.store)


async def test_letters_of_a_deleted_connection_are_not_replayed(kept: Kept) -> None:
    """Nobody would deliver them: they stay where they are seen, and can be discarded."""
    await kept.bury("e1")
    await kept.bury("x1", "x2", connection="gone")
    assert (await kept.letters.selection(ALL)).orphaned == 2
    assert (await kept.letters.replay(ALL)).selection.count == 1
    assert (await kept.letters.replay(DeadLetterFilter(connection_id="gone"))).selection.count == 0
    assert await kept.ids() == ["x1", "x2"] and await kept.waiting("gone") == []
    assert (await kept.letters.discard(DeadLetterFilter(connection_id="gone"))).count == 2


async def test_discarded_letters_are_gone_and_stay_in_the_books(kept: Kept) -> None:
    """They cannot be replayed any more; the totals still balance."""
    await kept.bury("e1", "e2", "e3")
    discarded = await kept.letters.discard(
        DeadLetterFilter(event_nos=[(await kept.letters.page(ALL, limit=1, after=0))[0].event_no])
    )
    assert (discarded.count, discarded.by_reason) == (1, {"refused": 1})
    assert await kept.ids() == ["e2", "e3"]
    assert (await kept.letters.discard(ALL)).count == 2
    assert (await kept.letters.replay(ALL)).selection.count == 0
    totals = {row.counter: row.count for row in await kept.store.totals()}
    assert (totals["accepted"], totals["dead_lettered"], totals["discarded"]) == (3, 3, 3)


async def test_end_is_announced_three_days_before(kept: Kept) -> None:
    """By connection, the oldest letter's; letters that end later, or never, are not announced."""
    await kept.ends.establish(kept.clock.time_ms)
    await kept.bury("a1", connection="a")
    first_ms = kept.clock.time_ms
    kept.clock.time_ms += DAY_MS
    await kept.bury("a2", connection="a", reason="unconfirmed")
    await kept.bury("b1", connection="b")
    kept.clock.time_ms = first_ms + 27 * DAY_MS
    assert await kept.letters.ending_soon() == {}
    kept.clock.time_ms += 60_000
    assert await kept.letters.ending_soon() == {"a": first_ms + 30 * DAY_MS}
    kept.clock.time_ms += DAY_MS
    assert await kept.letters.ending_soon() == {
        "a": first_ms + 30 * DAY_MS,
        "b": first_ms + 31 * DAY_MS,
    }
