"""The machine's time."""

import time


class SystemClock:
    """The `Clock` of a running service."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_seconds(self) -> float:
        return time.monotonic()
