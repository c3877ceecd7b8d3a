"""TikTok away for a while under steady traffic, and back: what waited goes out, though more comes in."""

import time
from pathlib import Path

import pytest

from tests.crash.campaign import TIKTOK_SECONDS, CrashRun, campaign
from tests.crash.conftest import Show, Soak
from tiktok_sandbox.steps import Http, Pass

OUTAGE_SECONDS = 4.0
SOAK_OUTAGE_SECONDS = 120.0
LONG_OUTAGE_SECONDS = 600.0
# Of what waits, so much may have come since the last look.
NEARLY_NOTHING = 500
PATIENCE = 5


@pytest.mark.slow
@pytest.mark.timeout(7_200)
def test_a_backlog_goes_out_after_an_outage(data_dir: Path, seed: int, soak: Soak, show: Show) -> None:
    """While senders go on: within the outage's own length in the long run, and in time in the short one."""
    outage_seconds = soak.choose(OUTAGE_SECONDS, SOAK_OUTAGE_SECONDS, LONG_OUTAGE_SECONDS)
    with campaign(data_dir, seed) as service:
        service.answer_with(Http(status=503, times=None))
        with service.sending(service.live()):
            ends = time.monotonic() + outage_seconds
            while time.monotonic() < ends:
                time.sleep(0.2)
                service.look_at_payloads()
            backlog = waiting(service)
            service.answer_with(Pass(delay_seconds=TIKTOK_SECONDS, times=None))
            caught_up_seconds = until_caught_up(service, PATIENCE * outage_seconds)
        service.end()
        account = service.final_account(service.drain())
    told = f"{backlog:,} events waited after {outage_seconds:g} s without TikTok, gone in {caught_up_seconds:.1f} s"
    show(told, account)
    assert backlog > NEARLY_NOTHING
    assert (account.lost, account.unexpected, account.duplicated) == (0, 0, 0)
    if soak.is_on:
        assert caught_up_seconds <= outage_seconds


def waiting(service: CrashRun) -> int:
    queue = service.status()["queue"]
    return int(queue["waiting"]) if queue else 0


def until_caught_up(service: CrashRun, patience_seconds: float) -> float:
    """How long it took until next to nothing waited, while more came in."""
    began = time.monotonic()
    while waiting(service) > NEARLY_NOTHING:
        assert time.monotonic() - began < patience_seconds, service.status()
        time.sleep(0.05)
        service.look_at_payloads()
    return time.monotonic() - began
