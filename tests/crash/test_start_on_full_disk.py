"""A start on a full disk: the service delivers what waits, and refuses new events until there is room."""

import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.crash.observed_service import ObservedService
from tests.crash.test_full_disk import UNSHARE, fill_disk
from tests.integration.service_process import PROGRAM, SandboxThread, environment, serving
from tests.patience import sleep_until
from tiktok_sandbox.steps import Code

SECONDS: Final = 30
# $0 is where, $1 what to begin with.
HOLD_A_SMALL_DISK: Final = (
    'mount -t tmpfs -o size=40m,mode=700 tmpfs "$0" && cp -r "$1"/. "$0" && echo ready && exec sleep 300'
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class SmallDisk:
    """A disk of 40 MB at the data directory, in a mount namespace that outlives the services in it."""

    def __init__(self, holder: int, data_dir: Path) -> None:
        as_user = () if UNSHARE == ("unshare", "--mount") else ("--user", "--preserve-credentials")
        self.data_dir = data_dir
        self.under: Sequence[str] = ("nsenter", "--target", str(holder), "--mount", *as_user)
        self.seen = Path(f"/proc/{holder}/root{data_dir}")

    def fill(self) -> None:
        """To the last page, as another program does."""
        fill_disk(self.seen / "somebody-elses-file")

    def make_room(self) -> None:
        (self.seen / "somebody-elses-file").unlink()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [*self.under, *PROGRAM, *arguments, "--data-dir", str(self.data_dir)]
        return subprocess.run(line, env=environment(), capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def disk(prepared: Path, tmp_path: Path) -> Iterator[SmallDisk]:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    line = [*UNSHARE, "sh", "-c", HOLD_A_SMALL_DISK, str(data_dir), str(prepared)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
            yield SmallDisk(holder.pid, data_dir)
        finally:
            holder.kill()


@contextmanager
def service_on(disk: SmallDisk, sandbox: SandboxThread, first_batch: int) -> Iterator[ObservedService]:
    with serving(disk.data_dir, sandbox.url, disk.under) as process:
        yield ObservedService(process, first_batch)


def delivered(sandbox: SandboxThread) -> int:
    return sandbox.ask(lambda tiktok: tiktok.counts().delivered)


@pytest.mark.parametrize("is_full_before", [False, True], ids=["filled after the end", "filled under the service"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_service_starts_on_a_full_disk(ending: signal.Signals, is_full_before: bool, disk: SmallDisk) -> None:
    """Whatever ended the one before: events that wait are delivered, and with room new ones are accepted again."""
    with SandboxThread() as sandbox:
        sandbox.ask(lambda tiktok: tiktok.script.for_requests(Code(code=50000, times=None)))
        with service_on(disk, sandbox, 1) as service:
            for _ in range(20):
                assert service.post().status == 202
            if is_full_before:
                disk.fill()
                sleep_until(lambda: service.post().status == 503, SECONDS)
            acknowledged = set(service.acknowledged)
            service.service.end(ending)
        disk.fill()
        with service_on(disk, sandbox, 1000) as service:
            # The start writes back and truncates the log that a kill leaves, which may be room for some more events.
            sleep_until(lambda: service.post().status == 503, SECONDS)
            assert service.acknowledged == set() or ending is signal.SIGKILL
            acknowledged |= service.acknowledged
            sandbox.ask(lambda tiktok: tiktok.script.clear())
            sleep_until(lambda: delivered(sandbox) >= len(acknowledged), SECONDS)
            sleep_until(lambda: service.figure("tiktok_forwarder_queue_events", "connection") == 0, SECONDS)
            erased = disk.run("erase", "--external-id", "cust-829311", "--yes")
            assert erased.returncode == 0, erased.stderr
            assert "restore" not in service.log() and "start over" not in service.log()
            disk.make_room()
            sleep_until(lambda: service.post().status == 202, SECONDS)
            assert service.problems() == []
            assert service.service.end() == 0


def test_commands_work_on_a_full_disk(disk: SmallDisk) -> None:
    """Without a service they use the reserve for the moment, and leave it for the service's start."""
    assert disk.run("status").returncode == 0
    disk.fill()
    for _ in range(2):
        for arguments in (("status",), ("connections", "list"), ("dead-letters", "list"), ("audit",)):
            done = disk.run(*arguments)
            assert done.returncode == 0, done.stderr
    done = disk.run("erase", "--external-id", "cust-829311", "--yes")
    assert done.returncode == 0, done.stderr


def test_start_without_a_reserve_advises_to_make_room(disk: SmallDisk) -> None:
    """Nothing is wrong with the data: neither a backup nor an empty store is a remedy."""
    (disk.seen / "events.reserve").unlink(missing_ok=True)
    disk.fill()
    database = (disk.seen / "events.db").read_bytes()
    began = time.monotonic()
    done = disk.run("serve", "--port", "0")
    assert (done.returncode, time.monotonic() - began < SECONDS) == (2, True)
    told = "cannot open the database: the disk is full; free space on it and start again; waiting events are kept"
    assert done.stderr == f"tiktok-forwarder: {disk.data_dir / 'events.db'}: {told}\n"
    assert (disk.seen / "events.db").read_bytes() == database
