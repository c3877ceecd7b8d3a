"""The data directory is taken away under load: nothing is acknowledged after it, and all before is accounted."""

import itertools
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.crash.observed_service import ObservedService
from tests.integration.service_process import SandboxThread, command, serving
from tests.integration.service_rig import fresh_batch
from tests.patience import sleep_until
from tiktok_sandbox.steps import Code

EVENTS_IN_A_BATCH = 20
SENDERS = 3
SECONDS = 30

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Sent(NamedTuple):
    """A batch, when its sender began to send it, and what it was answered."""

    began: float
    status: int
    event_ids: list[str]


class Load:
    """Senders that post batches to the service, one after the other, until they are stopped."""

    def __init__(self, service: ObservedService) -> None:
        self.sent: list[Sent] = []
        self._service = service
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stopping.wait(0.002):
            number = next(self._numbers)
            ids = [f"event-{number}-{each}" for each in range(EVENTS_IN_A_BATCH)]
            began = time.monotonic()
            answer = self._service.ask("POST", "/v2/events", json.dumps(fresh_batch(*ids)).encode())
            self.sent.append(Sent(began, answer.status, ids))

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(SECONDS)

    def ids(self, *statuses: int) -> set[str]:
        return {event_id for each in list(self.sent) if each.status in statuses for event_id in each.event_ids}

    def count_after(self, moment: float, *statuses: int) -> int:
        return sum(each.began > moment and each.status in statuses for each in list(self.sent))


@contextmanager
def load_on(service: ObservedService) -> Iterator[Load]:
    load = Load(service)
    try:
        sleep_until(lambda: len(load.ids(202)) > 500, SECONDS)
        yield load
    finally:
        load.stop()


def take_away(load: Load, data_dir: Path, how: Callable[[Path], Any]) -> float:
    """Return a moment after it; by the end of this, senders have been refused for requests made after that moment."""
    how(data_dir)
    gone = time.monotonic()
    sleep_until(lambda: load.count_after(gone, 503) > 10 * SENDERS, SECONDS)
    return gone


def told(service: ObservedService, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in service.log().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def test_events_of_a_deleted_directory_are_delivered_from_the_open_database(data_dir: Path, tmp_path: Path) -> None:
    """TikTok can be reached: none of those that were acknowledged is lost, though not one file is left."""
    log = tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox, serving(data_dir, sandbox.url) as process:
        service = ObservedService(process)
        with load_on(service) as load:
            gone = take_away(load, data_dir, shutil.rmtree)
            assert service.problems() == ["deleted"]
        assert load.count_after(gone, 202) == 0
        sleep_until(lambda: bool(told(service, "the event store accepts no new events")), SECONDS)
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) >= len(load.ids(202)), SECONDS)
        sleep_until(lambda: service.figure("tiktok_forwarder_queue_events", "connection") == 0, SECONDS)
        assert process.end() == 0
        # The log may be missed before the database is.
        *_, problem = told(service, "the event store accepts no new events")
        assert (problem["problem"], bool(problem["remedy"])) == ("deleted", True)
        assert told(service, "events were lost with the deleted database") == []
        assert not data_dir.exists()
    received = {json.loads(line)["event_id"] for line in log.read_text().splitlines()}
    assert load.ids(202) - received == set()


def test_events_that_are_lost_with_a_deleted_directory_are_accounted(data_dir: Path) -> None:
    """TikTok cannot be reached: the log gives their number when they are found, and when the service ends with them."""
    with serving(data_dir) as process:
        service = ObservedService(process)
        with load_on(service) as load:
            gone = take_away(load, data_dir, shutil.rmtree)
        assert load.count_after(gone, 202) == 0
        sleep_until(lambda: bool(told(service, "events are in a deleted database only")), SECONDS)
        held = service.figure("tiktok_forwarder_queue_events", "connection")
        assert process.end() == 0
        (lost,) = told(service, "events were lost with the deleted database")
        assert lost["waiting"] == held
    acknowledged = len(load.ids(202))
    # A request that was committed when the files went was refused: its sender sends it again, to the next service.
    assert acknowledged <= held <= acknowledged + SENDERS * EVENTS_IN_A_BATCH
    done = command("status", "--data-dir", str(data_dir))
    assert (done.returncode, data_dir.exists()) == (2, False)
    assert f"the directory {data_dir} does not exist" in done.stderr


def test_directory_that_comes_back_is_used_again(data_dir: Path, tmp_path: Path) -> None:
    """Moved away and back: refused in between, all is there afterwards, also for the next service."""
    log, moved = tmp_path / "sandbox.jsonl", tmp_path / "moved"
    with SandboxThread(log) as sandbox, serving(data_dir, sandbox.url) as process:
        sandbox.sandbox.script.for_requests(Code(code=50000, times=None))
        service = ObservedService(process)
        with load_on(service) as load:
            gone = take_away(load, data_dir, lambda _: data_dir.rename(moved))
            assert service.problems() == ["missing"]
            assert load.count_after(gone, 202) == 0
            other = command("serve", "--port", "0", "--data-dir", str(moved))
            assert (other.returncode, "in use by another process" in other.stderr) == (2, True)
            moved.rename(data_dir)
            back = time.monotonic()
            sleep_until(lambda: load.count_after(back, 202) > 10, SECONDS)
        assert service.problems() == []
        assert process.end() == 0
    with SandboxThread(log) as sandbox, serving(data_dir, sandbox.url) as process:
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) >= len(load.ids(202)), SECONDS)
        assert process.end() == 0
    received = {line["event_id"] for line in map(json.loads, log.read_text().splitlines()) if line["code"] == 0}
    assert load.ids(202) - received == set()
