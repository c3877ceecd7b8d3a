"""Another program that holds the database's write lock: senders wait a little or come back, and then it goes on."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.crash.accounting import Received
from tests.crash.observed_service import Answer, ObservedService
from tests.integration.service_process import SandboxThread, serving
from tests.patience import sleep_until

SENDERS: Final = 20
# What the store waits for a lock, twice for those who come while it does, and something for a busy machine.
LONGEST_WAIT_SECONDS: Final = 12
LOCKING: Final = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
"""

pytestmark = pytest.mark.slow


@contextmanager
def locked(database: Path) -> Iterator[None]:
    holding = subprocess.Popen(
        (sys.executable, "-c", LOCKING, str(database)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "locked\n"
        yield
    finally:
        holding.communicate("\n", timeout=10)


def timed_post(service: ObservedService, batch: int) -> tuple[Answer, float]:
    began = time.monotonic()
    answer = service.post_again([f"event-{batch}-{number}" for number in range(5)])
    return answer, time.monotonic() - began


def post_at_once(
    senders: ThreadPoolExecutor, service: ObservedService, first: int
) -> list[Future[tuple[Answer, float]]]:
    return [senders.submit(timed_post, service, first + number) for number in range(SENDERS)]


def test_a_short_lock_is_waited_for(data_dir: Path) -> None:
    """For a second nobody is refused."""
    with SandboxThread() as sandbox, serving(data_dir, sandbox.url) as process, ThreadPoolExecutor(SENDERS) as senders:
        service = ObservedService(process)
        with locked(data_dir / "events.db"):
            posts = post_at_once(senders, service, 0)
            time.sleep(1)
            assert not any(post.done() for post in posts)
        assert {post.result()[0].status for post in posts} == {202}
        assert service.problems() == []
        assert process.end() == 0


def test_a_long_lock_is_answered_with_503_and_passes(data_dir: Path, tmp_path: Path) -> None:
    """All senders are told in time, later ones at once, none wrongly; each event arrives once when the lock is gone."""
    log = tmp_path / "sandbox.jsonl"
    with (
        SandboxThread(log) as sandbox,
        serving(data_dir, sandbox.url) as process,
        ThreadPoolExecutor(SENDERS) as senders,
    ):
        service = ObservedService(process)
        with locked(data_dir / "events.db"):
            for answer, seconds in [post.result() for post in post_at_once(senders, service, 0)]:
                assert (answer.status, answer.retry_after) == (503, "5")
                assert seconds < LONGEST_WAIT_SECONDS
            answer, seconds = timed_post(service, SENDERS)
            assert answer.status == 503 and seconds < 2
            assert service.problems() == ["locked"]
            sleep_until(lambda: '"problem": "locked"' in service.log(), 5)
        sleep_until(lambda: set(service.post_refused_again()) <= {202}, 5)
        assert service.problems() == []
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) == len(service.acknowledged), 10)
        sleep_until(lambda: "the event store accepts new events again" in service.log(), 5)
        assert process.end() == 0
    assert len(service.acknowledged) == (SENDERS + 1) * 5
    assert Received.from_log(log).taken == Counter(service.acknowledged)
