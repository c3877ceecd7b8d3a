"""Stops in the middle of traffic: in order, bounded in time, and no event the worse for it."""

from pathlib import Path

import pytest

from tests.crash.campaign import campaign
from tests.crash.conftest import Show, Soak
from tiktok_sandbox.steps import Pass

STOPS = 5
SOAK_STOPS = 100
LONG_STOPS = 1_000
LONGEST_STOP_SECONDS = 10.0
HANGING_SECONDS = 25.0
REQUESTS_IN_FLIGHT = 4


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_a_stop_is_clean_and_bounded(data_dir: Path, seed: int, soak: Soak, show: Show) -> None:
    """Exit status 0 within ten seconds each time; while TikTok answers, nothing is sent twice and nothing is lost."""
    stops = soak.choose(STOPS, SOAK_STOPS, LONG_STOPS)
    with campaign(data_dir, seed) as service:
        longest = max(service.live_until_stopped() for _ in range(stops))
        account = service.final_account(service.drain())
    show(f"{stops} stops in the middle of traffic, the longest {longest:.1f} s", account)
    assert longest < LONGEST_STOP_SECONDS
    assert (account.lost, account.unexpected, account.duplicated) == (0, 0, 0)
    assert account.ok > 10 * stops


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_stop_does_not_wait_for_a_tiktok_that_hangs(data_dir: Path, seed: int, show: Show) -> None:
    """What is on its way goes again after the next start, and is the same: at most so many requests' worth."""
    with campaign(data_dir, seed) as service:
        service.answer_with(Pass(delay_seconds=HANGING_SECONDS, times=None))
        taken = service.live_until_stopped()
        service.answer_with(Pass(times=None))
        account = service.final_account(service.drain())
        most_duplicated = REQUESTS_IN_FLIGHT * service.payloads.largest_request
    show(f"a stop while TikTok hangs, {taken:.1f} s", account)
    assert taken < LONGEST_STOP_SECONDS
    assert (account.lost, account.unexpected) == (0, 0)
    assert account.duplicated <= most_duplicated
