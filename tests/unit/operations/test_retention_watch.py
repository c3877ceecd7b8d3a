"""What the watch over ends deletes, and what keeps it from that."""

from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.patience import wait_until
from tests.unit.operations.test_clock_watch import Silent
from tests.unit.parts import ManualClock
from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.records import ActivityWrite, Record, RecordFilter
from tiktok_forwarder.delivery.clock_comparison import ClockComparison
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.intake.accept import SubjectHash
from tiktok_forwarder.operations import retention_watch
from tiktok_forwarder.operations.dead_letter_ends import DAY_MS, DeadLetterEnds
from tiktok_forwarder.operations.retention_watch import RetentionWatch
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore

HOUR_MS = 3_600_000
YEAR_MS = 365 * DAY_MS


class Kept:
    """A store and an activity with something in them, and a watch whose clock TikTok confirms when it is asked."""

    def __init__(self, store: SqliteStore, activity: ActivityFile) -> None:
        self.store = store
        self.clock = ManualClock()
        self.records = activity
        self.comparison = ClockComparison(self.clock, Silent())
        self.ends = DeadLetterEnds(store, self.clock, days=30)
        self.watch = self.watch_over(30, self.ends)
        self.expired: list[tuple[str, int]] = []

    def watch_over(self, activity_days: int, ends: DeadLetterEnds) -> RetentionWatch:
        activity = Activity(self.records, self.clock, SubjectHash(b"k" * 32), most_per_second=50)
        return RetentionWatch(self.store, ends, activity, activity_days, self.comparison, self.clock, self)

    def on_dead_letters_expired(self, connection_id: str, count: int) -> None:
        self.expired.append((connection_id, count))

    async def bury(self, *event_ids: str, connection: str = "a") -> None:
        events = [NewEvent(connection, 1, "2.0", "Purchase", each, b"{}", ()) for each in event_ids]
        await self.store.append(Arrivals(events, {}, self.clock.time_ms))
        await self.store.dead_letter_all(connection, "connection_deleted", self.clock.time_ms)

    def record(self) -> None:
        assert self.records.write(ActivityWrite([Record(self.clock.time_ms, "a", "delivered")], {}, ()))

    async def letters(self) -> list[str]:
        return [each.event_id for each in await self.store.dead_letters(DeadLetterFilter(), limit=100)]

    async def count_records(self) -> int:
        return len(await self.records.recent(RecordFilter()))

    def answer(self, ahead_ms: int = 0) -> None:
        """Two answers of TikTok's, so that a difference counts: this machine's clock is so far ahead of theirs."""
        for _ in range(2):
            self.comparison.on_date(formatdate((self.clock.time_ms - ahead_ms) / 1000, usegmt=True))

    async def check(self, ahead_ms: int = 0) -> None:
        self.answer(ahead_ms)
        await self.watch.check()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    store = SqliteStore.open(tmp_path / "events.db")
    activity = ActivityFile.open(None, max_bytes=16 * 1024 * 1024)
    yield Kept(store, activity)
    await activity.close()
    await store.close()


async def test_dead_letters_and_activity_end_after_their_days(kept: Kept) -> None:
    """The rest stays until its own end; what ended is reported by connection and counted."""
    await kept.check()
    await kept.bury("old1", "old2")
    await kept.bury("old3", connection="b")
    kept.record()
    kept.clock.time_ms += DAY_MS
    await kept.bury("young")
    kept.record()
    kept.clock.time_ms += 29 * DAY_MS
    await kept.check()
    assert (len(await kept.letters()), await kept.count_records(), kept.expired) == (4, 2, [])
    kept.clock.time_ms += HOUR_MS
    await kept.check()
    assert (await kept.letters(), await kept.count_records()) == (["young"], 1)
    assert sorted(kept.expired) == [("a", 2), ("b", 1)]
    totals = {(row.connection_id, row.counter): row.count for row in await kept.store.totals()}
    assert (totals["a", "expired"], totals["a", "dead_lettered"], totals["a", "accepted"]) == (2, 3, 3)


async def test_letters_of_an_earlier_version_are_kept_for_a_week_more(kept: Kept) -> None:
    """It knew no ends, so people could not know that theirs were over."""
    await kept.bury("ancient")
    kept.clock.time_ms += 3 * YEAR_MS
    await kept.check()
    kept.clock.time_ms += 7 * DAY_MS - HOUR_MS
    await kept.check()
    assert await kept.letters() == ["ancient"]
    kept.clock.time_ms += HOUR_MS
    await kept.check()
    assert await kept.letters() == []


@pytest.mark.parametrize(("days", "left"), [(0, ["old"]), (1, [])])
async def test_zero_days_keep_everything(kept: Kept, days: int, left: list[str]) -> None:
    """Dead letters until a person replays or discards them, the activity as long as there is space."""
    await kept.check()
    await kept.bury("old")
    kept.record()
    kept.clock.time_ms += YEAR_MS
    kept.answer()
    await kept.watch_over(days, DeadLetterEnds(kept.store, kept.clock, days)).check()
    assert (await kept.letters(), await kept.count_records()) == (left, len(left))


async def test_nothing_ends_by_a_clock_that_tiktok_does_not_confirm(kept: Kept) -> None:
    """Without an answer, with an old one, and with one that differs by years; TikTok is asked while it matters."""
    await kept.watch.check()
    waited = [kept.watch.waits_for_time]
    await kept.check()
    await kept.bury("letter")
    kept.record()
    kept.clock.time_ms += 40 * YEAR_MS
    await kept.watch.check()
    waited.append(kept.watch.waits_for_time)
    await kept.check(40 * YEAR_MS)
    assert [*waited, kept.watch.waits_for_time] == [False, True, False]
    assert (await kept.letters(), await kept.count_records(), kept.expired) == (["letter"], 1, [])


async def test_week_after_a_wrong_clock_ends_nothing(kept: Kept) -> None:
    """A letter of a time when the clock was years behind looks old as soon as it is right."""
    await kept.check()
    right_ms = kept.clock.time_ms + 60 * DAY_MS
    kept.clock.time_ms = right_ms - 50 * YEAR_MS
    await kept.bury("young")
    await kept.check(-50 * YEAR_MS)
    kept.clock.time_ms = right_ms + HOUR_MS
    await kept.check()
    assert await kept.letters() == ["young"]
    kept.clock.time_ms += 7 * DAY_MS - 2 * HOUR_MS
    await kept.check()
    assert await kept.letters() == ["young"]
    kept.clock.time_ms += 2 * HOUR_MS
    await kept.check()
    assert await kept.letters() == []


async def test_watch_goes_on_when_the_store_cannot_be_used(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch over the store reports that; this one checks again."""
    monkeypatch.setattr(retention_watch, "_CHECK_SECONDS", 0.001)
    await kept.check()
    await kept.bury("letter")
    kept.clock.time_ms += 31 * DAY_MS
    kept.answer()
    failures = [StoreUnavailable("locked"), StoreUnavailable("locked")]
    establish = kept.ends.establish

    async def establish_or_fail(now_ms: int) -> object:
        if failures:
            raise failures.pop()
        return await establish(now_ms)

    monkeypatch.setattr(kept.ends, "establish", establish_or_fail)
    kept.watch.start()
    await wait_until(lambda: bool(kept.expired))
    await kept.watch.stop()
    assert await kept.letters() == []
    assert kept.expired == [("a", 1)]
