"""Asks TikTok for its time while no event is sent: a clock that is far ahead drops every event before it is sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from tiktok_forwarder.delivery.clock_comparison import ClockComparison
from tiktok_forwarder.operations.watches import Watch

_CHECK_SECONDS: Final = 1.0
# How soon TikTok is asked again if it could not be asked.
_ASK_SECONDS: Final = 60.0


class ClockWatch(Watch):
    """Checks from `start` to `stop`. `ask` returns the `Date` header of an answer of TikTok's, or None without one.

    Nothing is asked while the time `is_needed` for nothing.
    """

    def __init__(
        self, comparison: ClockComparison, ask: Callable[[], Awaitable[str | None]], is_needed: Callable[[], bool]
    ) -> None:
        self._comparison = comparison
        self._ask = ask
        self._is_needed = is_needed

    async def _watch(self) -> None:
        time = asyncio.get_running_loop().time
        next_at = 0.0
        while True:
            if self._comparison.is_outdated and time() >= next_at and self._is_needed():
                next_at = time() + _ASK_SECONDS
                date = await self._ask()
                if date is not None:
                    self._comparison.on_date(date)
            await asyncio.sleep(_CHECK_SECONDS)
