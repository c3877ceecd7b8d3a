"""The thread of a database: how it groups what waits, and how whoever waits hears of it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from tiktok_forwarder.database.thread import Change, DatabaseThread, Job
from tiktok_forwarder.domain.errors import StoreUnavailable

MAX_WEIGHT = 10


class Recorder:
    """A database of no content that notes what is done in which order."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.commits: list[int] = []
        self.thread = DatabaseThread(
            "recorder",
            commit=self._commit,
            translate_error=lambda error: StoreUnavailable(f"translated: {error}"),
            close=lambda: self.done.append("closed"),
            max_group_weight=MAX_WEIGHT,
        )

    def _commit(self, changes: Sequence[Change]) -> None:
        self.commits.append(len(changes))
        for change in changes:
            change.outcome = change.work()

    def note(self, what: object) -> Callable[[], object]:
        def work() -> object:
            self.done.append(what)
            return what

        return work

    async def held_up(self) -> Callable[[], None]:
        """Keep the thread busy until the function returned is called, so that jobs wait together."""
        is_held_up, may_go_on = threading.Event(), threading.Event()

        def hold_up() -> None:
            is_held_up.set()
            may_go_on.wait(10)

        self.thread.put(Job(hold_up))
        await asyncio.to_thread(is_held_up.wait, 10)
        return may_go_on.set


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    yield recorder
    await recorder.thread.close()


async def test_group_makes_its_changes_before_its_looks(recorder: Recorder) -> None:
    """All changes that wait are one commit, and a look that waited with them sees them."""
    go_on = await recorder.held_up()
    jobs: list[Job] = [
        Job(recorder.note("first look")),
        Change(recorder.note("first change")),
        Job(recorder.note("second look")),
        Change(recorder.note("second change")),
    ]
    waiting = [recorder.thread.put(job) for job in jobs]
    go_on()
    assert await asyncio.gather(*waiting) == ["first look", "first change", "second look", "second change"]
    assert recorder.done == ["first change", "second change", "first look", "second look"]
    assert recorder.commits == [2]


async def test_group_is_bounded_by_weight(recorder: Recorder) -> None:
    """A transaction does not outgrow the log: what is beyond the bound is left for the next group."""
    go_on = await recorder.held_up()
    waiting = [recorder.thread.put(Change(recorder.note(weight), weight)) for weight in (4, 5, 1, 20, 1, 1)]
    go_on()
    await asyncio.gather(*waiting)
    assert recorder.commits == [3, 1, 2]


async def test_event_loop_is_woken_once_for_a_group(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wake-up costs more than the job that it tells of."""
    loop = asyncio.get_running_loop()
    original, wake_ups = loop.call_soon_threadsafe, 0

    def counted(*arguments: Any, **named: Any) -> asyncio.Handle:
        nonlocal wake_ups
        wake_ups += 1
        return original(*arguments, **named)

    go_on = await recorder.held_up()
    waiting = [recorder.thread.put(Change(recorder.note(number))) for number in range(50)]
    with monkeypatch.context() as counting:
        counting.setattr(loop, "call_soon_threadsafe", counted)
        go_on()
        await asyncio.gather(*waiting)
    # One is for the job that held the thread up.
    assert wake_ups == 2


async def test_job_of_an_ended_loop_holds_up_nobody(recorder: Recorder) -> None:
    """Commands that run the API in a loop of their own may be interrupted while they wait."""

    async def ask_and_leave() -> None:
        recorder.thread.put(Change(recorder.note("left")))

    go_on = await recorder.held_up()
    await asyncio.to_thread(asyncio.run, ask_and_leave())
    waiting = recorder.thread.put(Change(recorder.note("waited for")))
    go_on()
    assert await waiting == "waited for"
    assert recorder.done == ["left", "waited for"]


async def test_error_of_a_look_is_translated_for_who_waits(recorder: Recorder) -> None:
    """Errors of the library mean nothing to those above, and the thread goes on after one."""
    with pytest.raises(StoreUnavailable, match=r"translated: .*by zero"):
        await recorder.thread.look(lambda: 1 // 0)
    assert await recorder.thread.look(recorder.note("next")) == "next"


async def test_job_whose_waiter_has_gone_is_done_all_the_same(recorder: Recorder) -> None:
    """A request that is given up says nothing about whether its events are stored."""
    go_on = await recorder.held_up()
    gone = recorder.thread.put(Change(recorder.note("given up")))
    gone.cancel()
    go_on()
    assert await recorder.thread.look(recorder.note("look")) == "look"
    assert recorder.done == ["given up", "look"]


async def test_closing_finishes_what_waits(recorder: Recorder) -> None:
    """Whatever was asked for before is done, the database is closed last, and nothing more is taken."""
    go_on = await recorder.held_up()
    waiting = [recorder.thread.put(Change(recorder.note(number), MAX_WEIGHT)) for number in range(3)]
    closing = asyncio.create_task(recorder.thread.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="the recorder is closed"):
        recorder.thread.put(Job(recorder.note("late")))
    go_on()
    await closing
    assert await asyncio.gather(*waiting) == [0, 1, 2]
    assert recorder.done == [0, 1, 2, "closed"]
