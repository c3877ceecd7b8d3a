"""A disk that cannot be written any more while the service runs: nothing is acknowledged, and later it goes on."""

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.crash.accounting import Received
from tests.crash.conftest import Soak
from tests.crash.failing_disk import NO_SYNCS, NO_WRITES, NOTHING_WORKS, READ_ONLY, Fault, failing
from tests.crash.observed_service import EVENTS_IN_A_BATCH, ObservedService
from tests.integration.service_process import SandboxThread, serving
from tests.patience import sleep_until
from tiktok_sandbox.steps import Code

FAULTS: Final = {"read-only": READ_ONLY, "no writes": NO_WRITES, "no syncs": NO_SYNCS, "nothing works": NOTHING_WORKS}
BATCHES: Final = 3
RESUME_SECONDS: Final = 10
ROUNDS: Final = 1
SOAK_ROUNDS: Final = 5
LONG_ROUNDS: Final = 20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def fail_and_be_told(service: ObservedService, data_dir: Path, fault: Fault) -> None:
    """Senders and those who watch are told, and the process lives. What cannot be read looks like damage."""
    with failing(service.service, data_dir, fault):
        for _ in range(BATCHES):
            answer = service.post()
            assert (answer.status, answer.retry_after) == (503, "5"), answer
        (problem,) = service.problems()
        assert problem == "disk" or (problem == "damaged" and "pread64" in fault.calls)
        sleep_until(lambda: f'"problem": "{problem}"' in service.log(), 5)
        assert service.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_failing_disk_neither_loses_nor_wedges(fault: Fault, data_dir: Path, tmp_path: Path, soak: Soak) -> None:
    """503 to senders and a reason on `/readyz`; when it works again it all goes on, and each event arrives once."""
    log = tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox, serving(data_dir, sandbox.url) as process:
        service = ObservedService(process)
        for _ in range(soak.choose(ROUNDS, SOAK_ROUNDS, LONG_ROUNDS)):
            sandbox.ask(lambda tiktok: tiktok.script.for_requests(Code(code=50000, times=None)))
            assert [service.post().status for _ in range(BATCHES)] == [202] * BATCHES
            fail_and_be_told(service, data_dir, fault)
            sandbox.ask(lambda tiktok: tiktok.script.clear())
            sleep_until(lambda: set(service.post_refused_again()) <= {202}, RESUME_SECONDS)
            assert service.problems() == []
            sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) == len(service.acknowledged), 20)
        sleep_until(lambda: "the event store accepts new events again" in service.log(), 5)
        assert process.end() == 0
    assert Received.from_log(log).taken == Counter(service.acknowledged)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_kill_while_the_disk_fails_loses_nothing(fault: Fault, data_dir: Path, tmp_path: Path) -> None:
    """What was refused may have reached the file all the same: sent again by its sender, it still arrives once."""
    log = tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox:
        sandbox.sandbox.script.for_requests(Code(code=50000, times=None))
        with serving(data_dir, sandbox.url) as process:
            before = ObservedService(process)
            assert [before.post().status for _ in range(BATCHES)] == [202] * BATCHES
            with failing(process, data_dir, fault):
                assert [before.post().status for _ in range(BATCHES)] == [503] * BATCHES
                process.end(signal.SIGKILL)
        sandbox.ask(lambda tiktok: tiktok.script.clear())
        with serving(data_dir, sandbox.url) as process:
            after = ObservedService(process)
            assert [after.post_again(ids).status for ids in before.refused] == [202] * BATCHES
            expected = before.acknowledged | after.acknowledged
            assert len(expected) == 2 * BATCHES * EVENTS_IN_A_BATCH
            sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) == len(expected), 20)
            assert process.end() == 0
    assert Received.from_log(log).taken == Counter(expected)


def test_nothing_is_sent_whose_outcome_cannot_be_kept(data_dir: Path) -> None:
    """While the disk fails TikTok gets what was on its way at most, and not the same events again and again."""
    with SandboxThread() as sandbox, serving(data_dir, sandbox.url) as process:
        service = ObservedService(process)
        sandbox.ask(lambda tiktok: tiktok.script.for_requests(Code(code=50000, times=None)))
        assert service.post().status == 202
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().requests) > 1, 10)
        with failing(process, data_dir, NO_WRITES):
            assert service.post().status == 503
            requests = sandbox.ask(lambda tiktok: tiktok.counts().requests)
            time.sleep(2)
            assert sandbox.ask(lambda tiktok: tiktok.counts().requests) <= requests + 1
        assert process.end() == 0
