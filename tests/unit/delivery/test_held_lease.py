"""A lease in the deliverer's hands: how its events' outcomes are kept, and what happens to the rest."""

import asyncio
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests.integration.delivery_rig import RecordingObserver
from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.held_lease import HeldLease
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.delivery.parts import DeliveryParts
from tiktok_forwarder.delivery.pauses import DeliveryState, PauseControl
from tiktok_forwarder.domain.errors import LeaseLost, StoreUnavailable
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry, Settlements, TryLater, Verdict
from tiktok_forwarder.domain.retry import RetryPolicy
from tiktok_forwarder.store.queue import Lease, LeasedEvent

HOUR_MS = 3_600_000
NOW_MS = ManualClock().now_ms()
FAILURE = TryLater(Answer(500), may_have_arrived=True)


def leased(event_no: int, attempts: int = 0, first_ms: int | None = None, lost_ms: int | None = None) -> LeasedEvent:
    return LeasedEvent(event_no, 1, "Purchase", f"e{event_no}", b"{}", NOW_MS, attempts, first_ms, lost_ms)


class Store:
    """Settles, renews and releases; a test gives the errors of the next calls."""

    def __init__(self) -> None:
        self.settled: list[tuple[Settlements, int]] = []
        self.released: list[Lease] = []
        self.renewed: list[float] = []
        self.settle_errors: list[Exception] = []
        self.renew_errors: list[Exception] = []
        self.settle_calls = 0

    async def settle(self, _lease: Lease, settlements: Settlements, now_ms: int) -> None:
        self.settle_calls += 1
        if self.settle_errors:
            raise self.settle_errors.pop(0)
        self.settled.append((settlements, now_ms))

    async def renew(self, _lease: Lease, lease_seconds: float) -> None:
        self.renewed.append(lease_seconds)
        if self.renew_errors:
            raise self.renew_errors.pop(0)

    async def release(self, lease: Lease) -> None:
        self.released.append(lease)


class Sender:
    """Answers with a failure, or never."""

    def __init__(self) -> None:
        self.is_sending = asyncio.Event()
        self.hangs = False

    async def send(self, _wire_form: str, _events: object) -> Verdict:
        self.is_sending.set()
        if self.hangs:
            await asyncio.Event().wait()
        return FAILURE


class Rig:
    def __init__(self, *events: LeasedEvent, **policy: Any) -> None:
        self.store, self.witness, self.clock = Store(), RecordingObserver(), ManualClock()
        quick = DeliveryPolicy(retry=RetryPolicy(jitter=0.0), trouble_wait_seconds=0.0)
        parts = cast(Any, DeliveryParts)(
            self.store, None, None, None, None, self.clock, None, None, None, self.witness, replace(quick, **policy)
        )
        self.lease = Lease(1, "c", "2.0", events)
        self.pauses = PauseControl(cast(Any, None), self.clock, "c", None)
        self.held = HeldLease(parts, self.lease, self.pauses)
        self.sender = Sender()


async def test_unsettled_events_are_given_back_at_the_end() -> None:
    """Only once, and only if there are any."""
    rig = Rig(leased(1), leased(2))
    async with rig.held.held():
        await rig.held.settle({1: Delivered()})
        assert rig.store.released == []
    assert rig.store.released == [rig.lease]

    rig = Rig(leased(1))
    async with rig.held.held():
        await rig.held.settle({1: Delivered()})
    assert rig.store.released == []


async def test_failed_attempt_is_counted_from_the_first() -> None:
    """The third attempt within the window waits four times the first delay; its time is when that was decided."""
    rig = Rig(leased(1), leased(2, attempts=2, first_ms=NOW_MS - HOUR_MS))
    await rig.held.settle_failed(rig.lease.events, FAILURE)
    settled = {
        1: Retry(NOW_MS + 10_000, FAILURE.answer, may_have_arrived=True),
        2: Retry(NOW_MS + 40_000, FAILURE.answer, may_have_arrived=True),
    }
    assert rig.store.settled == [(settled, NOW_MS)]
    assert rig.witness.outcomes == {("c", "retry"): 2}


async def test_retry_is_stored_with_the_time_that_it_was_reckoned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on, or is set, before the store answers; a due time too far ahead could not be told otherwise."""
    rig = Rig(leased(1))
    ticks = iter(range(NOW_MS, NOW_MS + 100_000, 1000))
    monkeypatch.setattr(rig.clock, "now_ms", lambda: next(ticks))
    await rig.held.settle_failed(rig.lease.events, FAILURE)
    ((settlements, settled_ms),) = rig.store.settled
    retry = settlements[1]
    assert isinstance(retry, Retry) and retry.due_ms == settled_ms + 10_000


async def test_event_that_was_tried_for_a_day_becomes_a_dead_letter() -> None:
    """Unless the connection was paused: that time is not charged to it."""
    tried = leased(1, attempts=9, first_ms=NOW_MS - 25 * HOUR_MS)
    rig = Rig(tried)
    await rig.held.settle_failed([tried], FAILURE)
    assert rig.store.settled == [({1: DeadLettered("retries_exhausted", FAILURE.answer)}, NOW_MS)]

    rig = Rig(tried)
    rig.pauses._state = DeliveryState(past=((NOW_MS - 24 * HOUR_MS, NOW_MS - 20 * HOUR_MS),))
    await rig.held.settle_failed([tried], FAILURE)
    ((settlements, _),) = rig.store.settled
    assert isinstance(settlements[1], Retry)


async def test_event_that_tiktok_may_hold_for_48_hours_is_not_sent_again() -> None:
    """TikTok would count it twice; the others of the lease are sent."""
    rig = Rig(leased(1, lost_ms=NOW_MS - 49 * HOUR_MS), leased(2, lost_ms=NOW_MS - 47 * HOUR_MS), leased(3))
    assert [event.event_no for event in await rig.held.sendable()] == [2, 3]
    assert rig.store.settled == [({1: DeadLettered("unconfirmed")}, NOW_MS)]
    assert rig.witness.outcomes == {("c", "dead_letter"): 1}


async def test_lease_without_such_events_settles_nothing() -> None:
    """A write for nothing would cost every lease a sync."""
    rig = Rig(leased(1))
    assert list(await rig.held.sendable()) == [leased(1)]
    assert rig.store.settle_calls == 0


async def test_outcome_is_offered_to_the_store_five_times() -> None:
    """Each failure is reported; what was decided first keeps its time, and is reported once it is stored."""
    rig = Rig(leased(1))
    rig.store.settle_errors = [StoreUnavailable("locked")] * 4
    await rig.held.settle({1: Delivered()})
    assert (rig.store.settle_calls, [str(error) for error in rig.witness.failures]) == (5, ["locked"] * 4)
    assert rig.witness.outcomes == {("c", "delivered"): 1}

    rig = Rig(leased(1))
    rig.store.settle_errors = [StoreUnavailable("locked")] * 9
    with pytest.raises(
        LeaseLost, match=r"^the store did not save the outcome of a request; its events are sent again$"
    ):
        await rig.held.settle({1: Delivered()})
    assert (rig.store.settle_calls, rig.witness.outcomes) == (5, {})


async def test_waits_for_the_store_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the wait after trouble on: a short lock costs little, a long one is not hammered."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    rig = Rig(leased(1), trouble_wait_seconds=1.0)
    rig.store.settle_errors = [StoreUnavailable("locked")] * 9
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(LeaseLost):
        await rig.held.settle({1: Delivered()})
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0]


async def test_lease_that_is_lost_is_reported_and_not_given_back() -> None:
    """Another lease may hold its events already."""
    rig = Rig(leased(1))
    rig.store.settle_errors = [LeaseLost("expired")]
    async with rig.held.held():
        await rig.held.settle({1: Delivered()})
    assert ([str(error) for error in rig.witness.failures], rig.store.released) == (["expired"], [])


async def test_stop_while_tiktok_is_asked_is_an_attempt_without_an_answer() -> None:
    """The events may have arrived; those of the lease that were not on their way are given back unharmed."""
    rig = Rig(leased(1), leased(2))
    rig.sender.hangs = True

    async def deliver() -> None:
        async with rig.held.held():
            await rig.held.send(cast(Any, rig.sender), rig.lease.events[:1])

    delivering = asyncio.create_task(deliver())
    await rig.sender.is_sending.wait()
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    answer = Answer(message="the service stopped before TikTok answered")
    assert rig.store.settled == [({1: Retry(NOW_MS + 10_000, answer, may_have_arrived=True)}, NOW_MS)]
    assert rig.store.released == [rig.lease]


async def test_stop_between_two_requests_gives_all_back() -> None:
    """What was answered is no attempt of its own any more."""
    rig = Rig(leased(1))
    between = asyncio.Event()

    async def deliver() -> None:
        async with rig.held.held():
            await rig.held.send(cast(Any, rig.sender), rig.lease.events)
            between.set()
            await asyncio.Event().wait()

    delivering = asyncio.create_task(deliver())
    await between.wait()
    delivering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivering
    assert (rig.store.settled, rig.store.released) == ([], [rig.lease])


async def test_lease_is_renewed_three_times_in_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """One renewal may fail without a loss; the failure is reported. After a loss there is nothing left to renew."""
    waits: list[float] = []
    pass_on = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await pass_on(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    rig = Rig(leased(1))
    rig.store.renew_errors = [StoreUnavailable("locked"), LeaseLost("expired")]
    async with rig.held.held():
        for _ in range(20):
            await pass_on(0)
    assert (waits, rig.store.renewed) == ([20.0, 20.0], [60.0, 60.0])
    assert [str(error) for error in rig.witness.failures] == ["locked"]
