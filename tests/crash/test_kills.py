"""SIGKILL at random moments under load: what was answered 202 is delivered, or a dead letter, or counted as dropped."""

from pathlib import Path

import pytest

from tests.crash.campaign import campaign
from tests.crash.conftest import Show, Soak

KILLS = 50
SOAK_KILLS = 1_000
LONG_KILLS = 10_000
KILLS_BETWEEN_CHECKS = 20
REQUESTS_IN_FLIGHT = 4


@pytest.mark.slow
@pytest.mark.timeout(4 * 3_600)
def test_random_kills_lose_nothing(data_dir: Path, seed: int, soak: Soak, show: Show) -> None:
    """Nothing is lost or made up; what is sent twice is bounded, with the same id and bytes; the books agree."""
    kills = soak.choose(KILLS, SOAK_KILLS, LONG_KILLS)
    with campaign(data_dir, seed) as service:
        for number in range(1, kills + 1):
            service.live_until_killed()
            if number % KILLS_BETWEEN_CHECKS == 0:
                service.assert_whole()
        account = service.final_account(service.drain())
        most_duplicated = kills * REQUESTS_IN_FLIGHT * service.payloads.largest_request
    show(f"{kills} kills at random moments", account)
    assert (account.lost, account.unexpected) == (0, 0)
    assert account.ok > 10 * kills
    assert account.duplicated <= most_duplicated
