"""The clock that is passed in wherever time matters."""

from typing import Protocol


class Clock(Protocol):
    """The only source of time; tests put a hand-moved one in its place."""

    def now_ms(self) -> int:
        """Wall-clock time. It may jump, so intervals inside the process use `monotonic_seconds`."""
        ...

    def monotonic_seconds(self) -> float: ...
