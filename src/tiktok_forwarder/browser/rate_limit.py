"""Limits how many requests a source makes: one number in memory for each source, of a bounded number of sources."""

from typing import Final

from msgspec import Struct

ADDRESS_LIMIT: Final = "address_limit"
INPUT_LIMIT: Final = "input_limit"
"""The reasons for which a request beyond a limit is refused."""

_MAX_SOURCES: Final = 10_000
_ADDRESS_BURST_SECONDS: Final = 5
_INPUT_BURST_SECONDS: Final = 60


class RateLimit:
    """A token bucket for each source, kept as the time at which it is full again (the algorithm GCRA)."""

    def __init__(self, per_second: float, burst: float) -> None:
        """A source may make `burst` requests at the same time, at least one, and `per_second` on average."""
        self._seconds_per_request = 1 / per_second
        self._burst_seconds = burst / per_second
        # In the order of use, so that the source that has been silent longest is forgotten first.
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def admit(self, source: str, now: float) -> float:
        """Count a request at this monotonic time; return 0, or after how many seconds it may be tried again.

        A refused request is not counted.
        """
        full_at = max(self._full_at.pop(source, now), now)
        after_this = full_at + self._seconds_per_request
        wait = after_this - self._burst_seconds - now
        if wait > 0:
            self._full_at[source] = full_at
            return wait
        if len(self._full_at) >= _MAX_SOURCES:
            del self._full_at[next(iter(self._full_at))]
        self._full_at[source] = after_this
        return 0


class BrowserLimits(Struct, frozen=True):
    """How many requests are answered on average. A burst may have as many as five seconds, or a minute of an input."""

    requests_per_second_per_address: float = 20
    requests_per_minute_per_input: float = 30_000

    def of_addresses(self) -> RateLimit:
        per_second = self.requests_per_second_per_address
        return RateLimit(per_second, per_second * _ADDRESS_BURST_SECONDS)

    def of_inputs(self) -> RateLimit:
        per_second = self.requests_per_minute_per_input / 60
        return RateLimit(per_second, per_second * _INPUT_BURST_SECONDS)
