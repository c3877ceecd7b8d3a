"""This machine's clock beside TikTok's: which difference is reported, when, and how often."""

from email.utils import formatdate

import pytest

from tests.unit.parts import ManualClock
from tiktok_forwarder.delivery.clock_comparison import ClockComparison, DatedSender, clock_warning
from tiktok_forwarder.delivery.interfaces import HttpAnswer, NoAnswer, OutboundRequest

TIKTOK_SECONDS = 1_735_689_660
DAY = 86_400


class Reports:
    def __init__(self) -> None:
        self.compared: list[float] = []
        self.reported: list[tuple[str, float]] = []

    def on_clock_compared(self, seconds: float) -> None:
        self.compared.append(seconds)

    def on_clock_wrong(self, seconds: float) -> None:
        self.reported.append(("wrong", seconds))

    def on_clock_right(self, seconds: float) -> None:
        self.reported.append(("right", seconds))


class Rig:
    """A comparison whose clock is ahead of TikTok's by so many seconds as a test says."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.reports = Reports()
        self.comparison = ClockComparison(self.clock, self.reports)

    def answer(self, *ahead_seconds: float) -> None:
        for ahead in ahead_seconds:
            self.clock.time_ms = round((TIKTOK_SECONDS + ahead) * 1000)
            self.comparison.on_date(formatdate(TIKTOK_SECONDS, usegmt=True))


@pytest.mark.parametrize(
    ("ahead_seconds", "is_wrong"),
    [(0, False), (300, False), (301, True), (-300, False), (-301, True), (30 * DAY, True)],
)
def test_difference_of_more_than_five_minutes_is_reported(ahead_seconds: float, is_wrong: bool) -> None:
    """Either way, with the first answer: a clock may be wrong from the start."""
    rig = Rig()
    rig.answer(ahead_seconds)
    assert rig.reports.reported == ([("wrong", ahead_seconds)] if is_wrong else [])
    assert rig.reports.compared == [ahead_seconds]
    assert rig.comparison.difference_seconds == ahead_seconds
    assert (clock_warning(ahead_seconds) != "") == is_wrong


def test_difference_is_reported_once_until_it_changes() -> None:
    """A clock that drifts back within five minutes of what was reported is no news."""
    rig = Rig()
    rig.answer(DAY, DAY + 1, DAY + 300, DAY + 2, DAY + 302, DAY + 303)
    assert rig.reports.reported == [("wrong", DAY), ("wrong", DAY + 302)]
    rig.answer(2, 1)
    assert rig.reports.reported[2:] == [("right", 1)]
    rig.answer(0, -DAY, -DAY)
    assert rig.reports.reported[3:] == [("wrong", -DAY)]


def test_one_odd_answer_changes_nothing() -> None:
    """A gateway's date is not TikTok's; two answers in a row must agree."""
    rig = Rig()
    rig.answer(0, DAY, 0, DAY, 5 * DAY, 1, 2)
    assert (rig.reports.reported, rig.comparison.difference_seconds) == ([], 2)


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Dec 99999 00:00:00 GMT"])
def test_unreadable_date_is_ignored(date: str) -> None:
    """It is neither compared nor counted as a comparison."""
    rig = Rig()
    rig.comparison.on_date(date)
    assert (rig.reports.compared, rig.comparison.is_outdated) == ([], True)


@pytest.mark.parametrize(("ahead_seconds", "recent_seconds"), [(0, 600), (DAY, 60)])
def test_comparison_is_outdated_sooner_while_the_clock_is_wrong(ahead_seconds: float, recent_seconds: int) -> None:
    """So that a corrected clock is noticed soon."""
    rig = Rig()
    rig.answer(ahead_seconds)
    rig.clock.time_ms += recent_seconds * 1000 - 1
    assert not rig.comparison.is_outdated
    rig.clock.time_ms += 1
    assert rig.comparison.is_outdated


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (301, "5 minutes ahead of"),
        (3599, "59 minutes ahead of"),
        (3600, "1 hour ahead of"),
        (-2 * 3600, "2 hours behind"),
        (DAY, "1 day ahead of"),
        (4000 * DAY, "4,000 days ahead of"),
    ],
)
def test_warning_names_the_difference(seconds: float, words: str) -> None:
    """In its largest unit, with the side."""
    assert clock_warning(seconds).startswith(f"this machine's clock is {words} TikTok's: ")
    assert clock_warning(None) == ""


class OneAnswer:
    """A sender that gives this answer."""

    def __init__(self, answer: HttpAnswer | NoAnswer) -> None:
        self._answer = answer

    async def send(self, request: OutboundRequest) -> HttpAnswer | NoAnswer:
        return self._answer

    async def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("answer", "compared"),
    [
        (HttpAnswer(200, b"{}", None, formatdate(TIKTOK_SECONDS, usegmt=True)), [60.0]),
        (HttpAnswer(503, b"", None, formatdate(TIKTOK_SECONDS)), [60.0]),
        (HttpAnswer(200, b"{}"), []),
        (NoAnswer("timeout", "", True), []),
    ],
)
async def test_every_answer_with_a_date_is_compared(answer: HttpAnswer | NoAnswer, compared: list[float]) -> None:
    """Whatever it says otherwise; the answer itself is passed on unchanged."""
    rig = Rig()
    rig.clock.time_ms = (TIKTOK_SECONDS + 60) * 1000
    sender = DatedSender(OneAnswer(answer), rig.comparison)
    assert await sender.send(OutboundRequest("/", "token", b"")) is answer
    assert rig.reports.compared == compared
