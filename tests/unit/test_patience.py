"""What uses up the patience of a test that waits."""

import itertools
import time

import pytest

from tests.patience import Patience, sleep_until, wait_until


def looks_of(patience: Patience, monkeypatch: pytest.MonkeyPatch, seconds_between: float) -> int:
    """How often a test can look before its patience ends, if so much time is between two looks."""
    times = itertools.count(time.monotonic() + seconds_between, seconds_between)
    monkeypatch.setattr(time, "monotonic", lambda: next(times))
    return sum(1 for _ in itertools.takewhile(lambda _: patience.lasts(), range(1000)))


def test_time_between_looks_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten looks a second: a patience of five seconds ends after fifty."""
    assert looks_of(Patience(5), monkeypatch, 0.1) in (49, 50)


def test_of_a_pause_of_the_machine_a_second_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stands still for an hour between two looks leaves the others."""
    assert looks_of(Patience(5), monkeypatch, 3600) == 4


async def test_a_wait_in_vain_fails() -> None:
    """Whether a test waits in a task or in a thread."""
    with pytest.raises(AssertionError, match="not happened in time"):
        await wait_until(lambda: False, 0.05)
    with pytest.raises(AssertionError, match="not happened in time"):
        sleep_until(lambda: False, 0.05)
