"""Asking TikTok for its time while no event is sent."""

import asyncio
from email.utils import formatdate

import pytest

from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.clock_comparison import ClockComparison
from tiktok_forwarder.operations import clock_watch
from tiktok_forwarder.operations.clock_watch import ClockWatch


class Silent:
    """Observes, and reports to nobody."""

    def on_clock_compared(self, seconds: float) -> None:
        """Counted by no one here."""

    def on_clock_wrong(self, seconds: float) -> None:
        """Counted by no one here."""

    def on_clock_right(self, seconds: float) -> None:
        """Counted by no one here."""


class Asked:
    """TikTok's answers in turn; `enough` is set when so many were asked for, or after five turns of the watch."""

    def __init__(self, *dates: str | None, has_connections: bool = True, enough_asked: int = 0) -> None:
        self._dates = list(dates)
        self._has_connections = has_connections
        self._enough_asked = enough_asked
        self._turns = 0
        self.times = 0
        self.enough = asyncio.Event()

    async def ask(self) -> str | None:
        self.times += 1
        if self.times == self._enough_asked:
            self.enough.set()
        return self._dates.pop(0)

    def has_connections(self) -> bool:
        self._turns += 1
        if self._turns == 5:
            self.enough.set()
        return self._has_connections


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_watch, "_CHECK_SECONDS", 0.001)
    monkeypatch.setattr(clock_watch, "_ASK_SECONDS", 0.001)


async def _run(asked: Asked, comparison: ClockComparison) -> None:
    watch = ClockWatch(comparison, asked.ask, asked.has_connections)
    watch.start()
    async with asyncio.timeout(20):
        await asked.enough.wait()
    await watch.stop()


async def test_tiktok_is_asked_until_an_answer_has_a_date() -> None:
    """A clock that is far ahead at the start is noticed although it lets no event pass."""
    clock = ManualClock()
    comparison = ClockComparison(clock, Silent())
    asked = Asked(None, None, formatdate(clock.now_ms() / 1000 - 3600, usegmt=True), enough_asked=3)
    await _run(asked, comparison)
    assert comparison.difference_seconds is not None
    assert (asked.times, round(comparison.difference_seconds)) == (3, 3600)
    assert not comparison.is_outdated


async def test_tiktok_is_not_asked_without_a_connection() -> None:
    """A service that is not set up yet sends nothing."""
    asked = Asked(has_connections=False)
    await _run(asked, ClockComparison(ManualClock(), Silent()))
    assert asked.times == 0
