"""The clock that is passed in wherever time matters."""

from typing import Protocol


class Clock(Protocol):
    """The only source of time; tests replace it with a manual clock."""

    def now_ms(self) -> int:
        """Return the wall-clock time. It may jump, so intervals inside the process use `monotonic_seconds`."""
        ...

    def monotonic_seconds(self) -> float: ...
