"""Failed authentications by source: after too many, the source must wait."""

import math
from typing import Final

from msgspec import Struct

MAX_FAILURES: Final = 20
WINDOW_SECONDS: Final = 60.0
_MAX_SOURCES: Final = 10_000


class _Failures(Struct):
    count: int
    until_seconds: float


class FailedAuthentications:
    """Counts failures only: a sender with valid credentials at the same address as a guesser is not delayed."""

    def __init__(self) -> None:
        self._by_source: dict[str, _Failures] = {}

    def failed(self, source: str, now_seconds: float) -> int:
        """Count a failure; return how many seconds the source must wait, 0 while it has not failed too often."""
        failures = self._by_source.get(source)
        if failures is None or failures.until_seconds <= now_seconds:
            self._by_source.pop(source, None)
            self._make_room(now_seconds)
            failures = self._by_source[source] = _Failures(0, now_seconds + WINDOW_SECONDS)
        failures.count += 1
        return math.ceil(failures.until_seconds - now_seconds) if failures.count > MAX_FAILURES else 0

    def _make_room(self, now_seconds: float) -> None:
        """Remove old entries: the oldest are first, and all windows are equally long."""
        while self._by_source:
            oldest = next(iter(self._by_source))
            is_over = self._by_source[oldest].until_seconds <= now_seconds
            if not is_over and len(self._by_source) < _MAX_SOURCES:
                return
            del self._by_source[oldest]
