"""The learning rate limit, in simulated time."""

import asyncio
import gc
from heapq import heappop, heappush
from itertools import pairwise

import pytest

from tiktok_forwarder.delivery.rate_limit import SendRate, TokenRates


class SimulatedTime:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now_ms(self) -> int:
        return round(self.seconds * 1000)

    def monotonic_seconds(self) -> float:
        return self.seconds


class QuotaPerSecond:
    """Takes so many requests in each second of the clock, as TikTok's per-second quota does."""

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self._second = -1
        self._used = 0

    def takes(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._used = int(now), 0
        self._used += 1
        return self._used <= self._allowed


def run(allowed: int, seconds: float, retry_after: float | None) -> list[tuple[float, bool]]:
    """Send as fast as the rate allows, four at once, 50 ms each; return when, and whether it was taken."""
    clock = SimulatedTime()
    rate, quota = SendRate(clock, 500.0), QuotaPerSecond(allowed)
    start, sent = clock.seconds, []
    on_the_way: list[tuple[float, float, bool]] = []
    while clock.seconds < start + seconds:
        while on_the_way and on_the_way[0][0] <= clock.seconds:
            _, sent_at, was_taken = heappop(on_the_way)
            if was_taken:
                rate.on_not_throttled()
            else:
                rate.refused(retry_after, sent_at)
        if len(on_the_way) < 4 and rate.try_take():
            was_taken = quota.takes(clock.seconds)
            sent.append((clock.seconds - start, was_taken))
            heappush(on_the_way, (clock.seconds + 0.05, clock.seconds, was_taken))
        else:
            clock.seconds += 0.001
    return sent


@pytest.mark.parametrize("allowed", [20, 60])
@pytest.mark.parametrize("retry_after", [None, 2.0])
def test_the_allowed_rate_is_learnt(allowed: int, retry_after: float | None) -> None:
    """After 10 s at most 5 % of requests are refused, and at least 80 % of the allowance is used."""
    sent = [was_taken for at, was_taken in run(allowed, 70, retry_after) if at >= 10]
    assert sent.count(False) <= 0.05 * len(sent)
    assert sent.count(True) >= 0.8 * allowed * 60


def test_a_wide_allowance_is_not_touched() -> None:
    """Without refusals nothing slows down."""
    sent = run(1000, 5, None)
    assert len(sent) > 4 / 0.05 * 5 * 0.9
    assert all(was_taken for _, was_taken in sent)


def test_the_limit_itself_is_kept() -> None:
    """A burst of a tenth of a second, then the set rate."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    assert sum(rate.try_take() for _ in range(1000)) == 10
    clock.seconds += 0.0501
    assert sum(rate.try_take() for _ in range(1000)) == 5
    rate.give_back()
    assert rate.try_take()
    assert not rate.try_take()


def test_a_named_wait_is_waited() -> None:
    """Nothing is sent before `Retry-After` is over; a shorter one does not shorten it."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    sent_at = clock.seconds
    rate.refused(30.0, sent_at)
    rate.refused(1.0, sent_at)
    clock.seconds += 29.9
    assert (rate.is_blocked, rate.try_take()) == (True, False)
    clock.seconds += 0.1 + 1.0
    assert (rate.is_blocked, rate.try_take()) == (False, True)


def test_unnamed_waits_double_until_something_passes() -> None:
    """Refused again and again, it waits 1, 2, 4 … at most 300 s; a request that passes begins anew."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    waits = []
    for _ in range(11):
        rate.refused(None, clock.seconds)
        began = clock.seconds
        while rate.is_blocked:
            clock.seconds += 0.5
        waits.append(clock.seconds - began)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    rate.on_not_throttled()
    rate.refused(None, clock.seconds)
    clock.seconds += 1.0
    assert not rate.is_blocked


def test_refusals_of_one_moment_lower_the_rate_once() -> None:
    """Four requests that were on their way together tell one thing."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    sent_at = clock.seconds
    clock.seconds += 0.1
    for _ in range(4):
        rate.refused(None, sent_at)
    assert rate.per_second == 5.0
    assert rate.is_slowed
    clock.seconds += 1.0
    assert not rate.is_blocked


def test_the_full_rate_comes_back() -> None:
    """Without further refusals the set limit is reached again within minutes, in small steps."""
    clock = SimulatedTime()
    rate = SendRate(clock, 500.0)
    rate.refused(None, clock.seconds)
    rates = []
    for _ in range(300):
        clock.seconds += 1.0
        rates.append(rate.per_second)
    assert rates[-1] == 500.0
    assert not rate.is_slowed
    assert all(later <= 2 * earlier for earlier, later in pairwise(rates))


@pytest.mark.parametrize(("limit", "lowest"), [(500.0, 1.0), (100.0, 1.0), (0.5, 0.5)])
def test_repeated_refusals_bring_the_rate_down_to_one_a_second(limit: float, lowest: float) -> None:
    """Each refusal halves what the one before has left; no limit that TikTok may have is too low to be found."""
    clock = SimulatedTime()
    rate = SendRate(clock, limit)
    rates = []
    for _ in range(10):
        rate.refused(1.0, clock.seconds)
        rates.append(rate.per_second)
        clock.seconds += 1.0
    assert all(later <= earlier for earlier, later in pairwise(rates))
    assert rates[-1] == lowest


@pytest.mark.parametrize(
    ("seconds", "idle_seconds", "learned"), [(1, 0.0, 8.0), (3, 0.0, 8.0), (3, 1.0, 5.0), (3, 5.0, 5.0)]
)
def test_refusal_halves_what_was_sent_within_the_last_second(seconds: int, idle_seconds: float, learned: float) -> None:
    """What was sent before, or how long sending has gone on, says nothing about the limit that was met."""
    clock = SimulatedTime()
    rate = SendRate(clock, 500.0)
    for _ in range(seconds * 16):
        assert rate.try_take()
        clock.seconds += 0.0625
    clock.seconds += idle_seconds
    rate.refused(1.0, clock.seconds)
    assert rate.per_second == learned


def test_rate_comes_back_quickly_to_just_under_the_refusal_and_then_creeps() -> None:
    """Nine tenths return within a second; the last tenth takes twenty, so that few requests are refused again."""
    clock = SimulatedTime()
    rate = SendRate(clock, 500.0)
    rate.refused(1.0, clock.seconds)
    clock.seconds += 1.0
    rates = []
    for seconds in (0.0, 0.4, 0.5, 10.0, 10.0):
        clock.seconds += seconds
        rates.append(round(rate.per_second, 6))
    assert rates == [5.0, 7.0, 9.0, 9.5, 10.0]


def test_rate_beyond_the_refusal_grows_by_a_twentieth_a_second() -> None:
    """An hour without a request is no proof that TikTok takes more, so it counts as one second."""
    clock = SimulatedTime()
    rate = SendRate(clock, 500.0)
    rate.refused(1.0, clock.seconds)
    clock.seconds += 2.0
    while rate.per_second < 10.5:
        clock.seconds += 1.0
    known = rate.per_second
    clock.seconds += 0.5
    assert rate.per_second == pytest.approx(known * 1.025)
    clock.seconds += 3600.0
    assert rate.per_second == pytest.approx(known * 1.025 * 1.05)


@pytest.mark.parametrize(("limit", "after"), [(500.0, 0.5), (500.0, 2.0), (1.0, 0.5)])
def test_refused_rate_is_slowed_while_it_waits_and_while_it_is_low(limit: float, after: float) -> None:
    """People are told either way: that nothing leaves for a moment, and that less leaves than is set."""
    clock = SimulatedTime()
    rate = SendRate(clock, limit)
    assert not rate.is_slowed
    rate.refused(1.0, clock.seconds)
    clock.seconds += after
    assert rate.is_slowed


def test_rate_starts_without_a_burst_after_a_refusal() -> None:
    """Turns saved up before would all leave in the moment in which the wait ends."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    rate.refused(1.0, clock.seconds)
    clock.seconds += 1.0
    assert not rate.try_take()
    clock.seconds += 0.2
    assert [rate.try_take(), rate.try_take()] == [True, False]


def test_unused_turns_are_not_saved_beyond_a_burst() -> None:
    """However many are given back, no more leave at once than in a tenth of a second."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    for _ in range(50):
        rate.give_back()
    clock.seconds += 60.0
    assert sum(rate.try_take() for _ in range(100)) == 10


async def test_turns_are_given_in_the_order_of_asking() -> None:
    """Whoever asks first is served first, so that no connection starves another with the same token."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    while rate.try_take():
        pass
    served: list[int] = []

    async def ask(number: int) -> None:
        await rate.take()
        served.append(number)

    asking = [asyncio.create_task(ask(number)) for number in range(5)]
    while len(served) < 5:
        clock.seconds += 0.011
        await asyncio.sleep(0.011)
    await asyncio.gather(*asking)
    assert served == [0, 1, 2, 3, 4]


def test_rates_are_shared_by_token_and_forgotten_with_it() -> None:
    """One token, one rate; a token that nobody uses any more leaves nothing behind, and none is kept in the clear."""
    rates = TokenRates(SimulatedTime(), 100.0)
    first, other = rates.get("secret-token"), rates.get("other-token")
    assert rates.get("secret-token") is first
    assert first is not other
    assert "secret-token" not in repr(vars(rates)) + repr(vars(first))
    first.refused(None, 1000.0)
    del first
    gc.collect()
    assert not rates.get("secret-token").is_slowed


def test_refusal_after_a_long_rest_meets_the_rate_that_has_come_back() -> None:
    """Nobody asked for a turn in between, so the growth up to 9 a second counts at the refusal, which halves it."""
    clock = SimulatedTime()
    rate = SendRate(clock, 100.0)
    rate.refused(1.0, clock.seconds)
    assert rate.per_second == 5.0
    clock.seconds += 1000
    rate.refused(1.0, clock.seconds)
    assert rate.per_second == 4.5
