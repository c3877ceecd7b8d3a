"""Limits the request rate: a token bucket that obeys its limit, and learns a lower one when TikTok refuses.

TikTok names neither the rate nor the wait when it limits requests, so both are estimated: the rate is halved, rises
quickly to just under the rate of the refusal, and from there slowly.
"""

import asyncio
import hashlib
import weakref
from typing import Final

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.tiktok.answers import MAX_RETRY_AFTER_SECONDS

MIN_PER_SECOND: Final = 1.0
BURST_SECONDS: Final = 0.1
FIRST_PAUSE_SECONDS: Final = 1.0
MAX_PAUSE_SECONDS: Final = MAX_RETRY_AFTER_SECONDS

# A refusal after fewer requests than this says little about the limit: others may use the same quota.
_TELLING_PER_SECOND: Final = 10.0

# Growth per second, in shares of the rate at which TikTok last refused. Growing slowly over the last tenth takes 20 s,
# which keeps refusals far below 1% and the average near 95% of what TikTok allows.
_NEAR_SHARE: Final = 0.9
_CLEAR_SHARE: Final = 1.05
_QUICK_GROWTH: Final = 0.5
_CREEPING_GROWTH: Final = 0.005
_CLEAR_GROWTH: Final = 0.05


class SendRate:
    """The rate of one access token, or of one connection."""

    def __init__(self, clock: Clock, max_per_second: float) -> None:
        self._clock = clock
        self._max_per_second = max_per_second
        self._per_second = max_per_second
        self._ceiling = max_per_second
        self._permits = self._burst()
        now = clock.monotonic_seconds()
        self._refilled_at = now
        self._second = _LastSecond(now)
        self._blocked_until = now
        self._reduced_at = now
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._queue = asyncio.Lock()

    @property
    def per_second(self) -> float:
        self._refill()
        return self._per_second

    @property
    def is_slowed(self) -> bool:
        """Return whether TikTok's refusals still lower the rate."""
        return self.is_blocked or self.per_second < self._max_per_second

    @property
    def is_blocked(self) -> bool:
        """Return whether nothing at all may be sent now."""
        return self._clock.monotonic_seconds() < self._blocked_until

    async def take(self) -> None:
        """Wait for a turn, in the order of the calls, and use up one permit."""
        async with self._queue:
            while not self.try_take():  # noqa: ASYNC110 - time passes, nothing signals it
                await asyncio.sleep(self._seconds_to_wait())

    def try_take(self) -> bool:
        """Use up one permit, if one is available now; return whether it was."""
        if self._seconds_to_wait() > 0:
            return False
        self._permits -= 1
        self._second.count(self._clock.monotonic_seconds())
        return True

    def give_back(self) -> None:
        """Return a permit that was not used for a request."""
        self._permits = min(self._permits + 1, self._burst())

    def refused(self, retry_after_seconds: float | None, sent_at: float) -> None:
        """Lower the rate: a request sent at `sent_at` (monotonic) was rate limited.

        Requests that were under way at the same time carry the same information, so they lower the rate once.
        """
        now = self._clock.monotonic_seconds()
        if sent_at >= self._reduced_at:
            self._reduce(now)
            if retry_after_seconds is None:
                retry_after_seconds = self._pause_seconds
                self._pause_seconds = min(self._pause_seconds * 2, MAX_PAUSE_SECONDS)
        if retry_after_seconds is not None:
            self._blocked_until = max(self._blocked_until, now + retry_after_seconds)

    def on_not_throttled(self) -> None:
        """Record that a request passed TikTok's rate limit, whatever its outcome."""
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def _reduce(self, now: float) -> None:
        self._refill()
        floor = min(MIN_PER_SECOND, self._max_per_second)
        self._ceiling = min(self._per_second, max(self._second.most(now), _TELLING_PER_SECOND))
        self._per_second = max(self._ceiling / 2, floor)
        self._permits = min(self._permits, 0.0)
        self._reduced_at = now

    def _seconds_to_wait(self) -> float:
        self._refill()
        blocked_seconds = self._blocked_until - self._clock.monotonic_seconds()
        if blocked_seconds > 0:
            return blocked_seconds
        return max(0.0, (1 - self._permits) / self._per_second)

    def _refill(self) -> None:
        now = self._clock.monotonic_seconds()
        elapsed = now - max(self._refilled_at, min(self._blocked_until, now))
        self._refilled_at = now
        if elapsed <= 0:
            return
        self._grow(elapsed)
        self._permits = min(self._permits + elapsed * self._per_second, self._burst())

    def _grow(self, elapsed: float) -> None:
        if self._per_second >= self._max_per_second:
            return
        near = self._ceiling * _NEAR_SHARE
        if self._per_second < near:
            grown = min(self._per_second + elapsed * self._ceiling * _QUICK_GROWTH, near)
        elif self._per_second < self._ceiling * _CLEAR_SHARE:
            grown = self._per_second + elapsed * self._ceiling * _CREEPING_GROWTH
        else:
            grown = self._per_second * (1 + min(elapsed, 1.0) * _CLEAR_GROWTH)
        self._per_second = min(grown, self._max_per_second)

    def _burst(self) -> float:
        return max(1.0, self._per_second * BURST_SECONDS)


class _LastSecond:
    """The number of requests recently sent within a second: the rate that TikTok saw when it refused."""

    def __init__(self, now: float) -> None:
        self._began_at = now
        self._sent = 0
        self._sent_before = 0

    def count(self, now: float) -> None:
        self._turn(now)
        self._sent += 1

    def most(self, now: float) -> float:
        self._turn(now)
        return float(max(self._sent, self._sent_before))

    def _turn(self, now: float) -> None:
        seconds = now - self._began_at
        if seconds < 1:
            return
        self._sent_before = self._sent if seconds < 2 else 0
        self._sent = 0
        self._began_at = now


class TokenRates:
    """One `SendRate` per access token, shared by the connections that use the token; tokens are known by hash only."""

    def __init__(self, clock: Clock, max_per_second: float) -> None:
        self._clock = clock
        self._max_per_second = max_per_second
        self._rates: weakref.WeakValueDictionary[bytes, SendRate] = weakref.WeakValueDictionary()

    def get(self, access_token: str) -> SendRate:
        key = hashlib.sha256(access_token.encode()).digest()
        rate = self._rates.get(key)
        if rate is None:
            rate = self._rates[key] = SendRate(self._clock, self._max_per_second)
        return rate
