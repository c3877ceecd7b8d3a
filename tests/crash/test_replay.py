"""SIGKILL in the middle of a replay of thousands of dead letters: none is lost, and none is sent twice."""

import http.client
import random
import time
from pathlib import Path
from typing import Final

import pytest

from tests.crash.campaign import DRAIN_SECONDS, CrashRun, campaign
from tests.crash.conftest import Show, Soak
from tests.crash.ledger import Kind, post_batch
from tests.patience import Patience
from tiktok_sandbox.steps import Code, Pass

DEATHS: Final = 20
SOAK_DEATHS: Final = 60
LONG_DEATHS: Final = 200
# A replay makes three steps of them.
LETTERS: Final = 2_500
BATCH: Final = 250
# Three attempts, and an event is given up.
GIVE_UP_SOON: Final = {"TIKTOK_FORWARDER_RETRY_WINDOW_HOURS": "0"}


def make_dead_letters(service: CrashRun) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.live(None, **GIVE_UP_SOON), timeout=10)
    for start in range(0, LETTERS, BATCH):
        kinds: dict[str, Kind] = {f"letter-{number}": "good" for number in range(start, start + BATCH)}
        service.ledger.sending(kinds)
        service.ledger.answered(kinds, post_batch(connection, kinds))
    connection.close()
    patience = Patience(DRAIN_SECONDS)
    while service.status()["queue"]["dead_letters"] < LETTERS:
        assert patience.lasts(), service.status()
        service.look_at_payloads()
        time.sleep(0.05)
    service.end()


def die_replaying(service: CrashRun, passes: int) -> None:
    """What came back is given up on again at its next attempt, so that in the end the instant is reached."""
    service.live(("mid-replay", passes), **GIVE_UP_SOON)
    while service.replay() is not None:
        pass


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_replay_cut_short_can_be_done_again(data_dir: Path, seed: int, soak: Soak, show: Show) -> None:
    """After each death all are there; replayed once more, each is delivered once, with the same id and bytes."""
    deaths, chance = soak.choose(DEATHS, SOAK_DEATHS, LONG_DEATHS), random.Random(seed)
    with campaign(data_dir, seed) as service:
        service.answer_with(Code(code=50000, times=None))
        make_dead_letters(service)
        for _ in range(deaths):
            die_replaying(service, chance.randint(1, LETTERS))
            service.assert_whole()
        service.answer_with(Pass(times=None))
        service.live()
        assert service.replay() is not None
        assert service.replay() == 0
        service.end()
        books = service.drain()
        account = service.final_account(books)
    show(f"{deaths} deaths mid-replay", account)
    assert (account.ok, account.lost, account.unexpected, account.duplicated) == (LETTERS, 0, 0, 0)
    assert books["totals"]["delivered"] == LETTERS <= books["totals"]["replayed"]
