"""How long a test waits for another process or task: it counts the time in which this machine ran."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

# A machine that others use too may stand still for as long as a test waits: of such a pause, no more than this counts.
_MOST_AT_ONCE_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.01


class Patience:
    """Ends after so many seconds in which a test was able to look at what it waits for."""

    def __init__(self, seconds: float) -> None:
        self._left_seconds = seconds
        self._asked_at = time.monotonic()

    def lasts(self) -> bool:
        """Return whether to go on waiting; asked after each look."""
        now = time.monotonic()
        self._left_seconds -= min(now - self._asked_at, _MOST_AT_ONCE_SECONDS)
        self._asked_at = now
        return self._left_seconds > 0


async def wait_until(holds: Callable[[], bool] | Callable[[], Awaitable[bool]], seconds: float = 10) -> float:
    """Wait for what is bound to happen; return how many seconds that took, which depends on what else runs here."""
    started, patience = time.monotonic(), Patience(seconds)
    while True:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return time.monotonic() - started
        assert patience.lasts(), "it has not happened in time"
        await asyncio.sleep(_LOOK_SECONDS)


def sleep_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Like `wait_until`, for what happens in another process or thread."""
    patience = Patience(seconds)
    while not holds():
        assert patience.lasts(), "it has not happened in time"
        time.sleep(_LOOK_SECONDS)
