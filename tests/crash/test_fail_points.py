"""SIGKILL at the worst instants, which random kills seldom meet."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.campaign import campaign
from tests.crash.conftest import Show, Soak
from tests.crash.fail_points import FAIL_POINTS
from tests.integration.service_process import add_shop

DEATHS = 5
SOAK_DEATHS = 20
LONG_DEATHS = 100
MOST_PASSES = 8
UNDER_LOAD = [
    name
    for name in FAIL_POINTS
    if not name.endswith(("migration", "replay", "erase", "restore", "move", "merge", "is-cut"))
]
# Whose events the senders send.
CUSTOMER_ID = "cust-829311"
# Before these instants an answer of TikTok was on its way into the books. At the others none is, if requests are made
# one at a time, or none at all.
MAY_SEND_TWICE = ("after-send-before-settle", "mid-settle", "mid-dead-letter")
SENDING_NOTHING = ("after-insert-before-commit", "after-key-log", "after-commit-before-202")
ONE_AT_A_TIME = {"TIKTOK_FORWARDER_MAX_REQUESTS_IN_FLIGHT": "1"}
OUT_OF_REACH = {"TIKTOK_FORWARDER_TIKTOK_BASE_URL": "http://127.0.0.1:9"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]


@pytest.fixture
def deaths(soak: Soak) -> int:
    return soak.choose(DEATHS, SOAK_DEATHS, LONG_DEATHS)


def activity_records(data_dir: Path) -> list[tuple[int, str, str]]:
    """While no service runs."""
    with closing(sqlite3.connect(data_dir / "activity.db")) as file:
        return file.execute("SELECT record_no, outcome, event_id FROM records ORDER BY record_no").fetchall()


@pytest.mark.parametrize("name", UNDER_LOAD)
def test_every_instant_is_safe(name: str, data_dir: Path, seed: int, deaths: int, show: Show) -> None:
    """Nothing is lost; events are sent twice only where an answer was on its way into the books."""
    settings = OUT_OF_REACH if name in SENDING_NOTHING else ONE_AT_A_TIME
    with campaign(data_dir, seed) as service:
        for _ in range(deaths):
            service.live_until(name, MOST_PASSES, **settings)
            service.assert_whole()
        account = service.final_account(service.drain())
    show(f"{deaths} deaths {name}", account)
    assert (account.lost, account.unexpected) == (0, 0)
    assert account.duplicated <= (deaths * service.payloads.largest_request if name in MAY_SEND_TWICE else 0)
    assert account.acknowledged > deaths


def test_a_first_start_that_is_cut_short_begins_anew(tmp_path: Path, seed: int, deaths: int, show: Show) -> None:
    """Killed while it makes its tables, time and again, the service is whole at the next start."""
    data_dir = tmp_path / "data"
    with campaign(data_dir, seed) as service:
        for _ in range(deaths):
            service.die_starting("mid-migration")
            service.assert_whole()
        add_shop(data_dir)
        service.live_until_killed()
        account = service.final_account(service.drain())
    show(f"{deaths} first starts cut short", account)
    assert (account.lost, account.unexpected) == (0, 0)


def test_a_migration_is_whole_or_not_begun(data_dir: Path, seed: int, deaths: int, show: Show) -> None:
    """Killed amid a migration of a database with events in it, the version before goes on as if there were none."""
    with campaign(data_dir, seed) as service:
        for _ in range(deaths):
            service.live_until("after-commit-before-202", MOST_PASSES, **OUT_OF_REACH)
            service.die_starting("mid-later-migration")
            service.assert_whole()
        account = service.final_account(service.drain())
    show(f"{deaths} migrations cut short", account)
    assert (account.lost, account.unexpected, account.duplicated) == (0, 0, 0)


def test_an_activity_migration_is_whole_or_not_begun(data_dir: Path, seed: int, deaths: int) -> None:
    """Killed amid a migration of the activity's file, the version before goes on with every record in it."""
    with campaign(data_dir, seed) as service:
        service.live_until_stopped()
        kept = activity_records(data_dir)
        for _ in range(deaths):
            service.die_starting("mid-later-activity-migration")
        service.drain()
    assert kept
    assert activity_records(data_dir)[: len(kept)] == kept


@pytest.mark.parametrize("is_done_again", [True, False])
def test_an_erasure_is_whole_or_not_begun(
    is_done_again: bool, data_dir: Path, seed: int, deaths: int, show: Show
) -> None:
    """Killed amid an erasure, all events are still there to be delivered; done once more, none is."""
    with campaign(data_dir, seed) as service:
        for lives in range(1, deaths + 1):
            service.live_until("after-commit-before-202", MOST_PASSES, **OUT_OF_REACH)
            # Each life leaves at least one event to be erased.
            service.die_erasing(CUSTOMER_ID, min(lives, MOST_PASSES))
            service.assert_whole()
        if is_done_again:
            service.erase(CUSTOMER_ID)
        books = service.drain()
        account = service.final_account(books)
    show(f"{deaths} erasures cut short", account)
    erased = books["totals"].get("erased", 0)
    if is_done_again:
        assert (account.ok, account.recovered) == (0, 0)
        assert 0 < account.lost <= erased
    else:
        assert (account.lost, erased) == (0, 0)
    assert (account.unexpected, account.duplicated) == (0, 0)
