"""A disk that something else fills up: no new events, but everything that waits is delivered, and then it goes on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.crash.observed_service import ObservedService
from tests.integration.service_process import SandboxThread, ServiceProcess, serving
from tests.patience import sleep_until
from tiktok_sandbox.steps import Code

DISK: Final = "40m"
RESUME_SECONDS: Final = 10
# A mount of its own, which goes with the process; $0 is where, $1 what to begin with, and the rest the program.
ON_A_SMALL_DISK: Final = f'mount -t tmpfs -o size={DISK},mode=700 tmpfs "$0" && cp -r "$1"/. "$0" && shift && exec "$@"'
UNSHARE: Final = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")


def fill_disk(file: Path) -> None:
    """Extend the file until nothing more can be written on its disk."""
    with file.open("ab", buffering=0) as filler:
        for size_bytes in (1 << 20, 4096):
            try:
                while True:
                    filler.write(b"x" * size_bytes)
            except OSError:
                pass


class SmallDisk(ObservedService):
    """The service on a disk of 40 MB, seen from outside of its mount namespace."""

    def __init__(self, service: ServiceProcess, data_dir: Path) -> None:
        super().__init__(service)
        self._filler = Path(f"/proc/{service.process.pid}/root{data_dir}") / "somebody-elses-file"

    def fill(self) -> None:
        """To the last page."""
        fill_disk(self._filler)

    def make_room(self) -> None:
        self._filler.unlink()


@contextmanager
def small_disk(prepared: Path, tmp_path: Path, tiktok_url: str) -> Iterator[SmallDisk]:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    under = (*UNSHARE, "sh", "-c", ON_A_SMALL_DISK, str(data_dir), str(prepared))
    with serving(data_dir, tiktok_url, under) as service:
        yield SmallDisk(service, data_dir)


@pytest.mark.slow
@pytest.mark.parametrize("batches", [2, 40], ids=["a small log", "a large log"])
def test_a_disk_filled_by_another_neither_loses_nor_wedges(batches: int, prepared: Path, tmp_path: Path) -> None:
    """While full: 503 to senders, a reason on `/readyz`, and what waits is delivered; with room it takes events."""
    log = tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox, small_disk(prepared, tmp_path, sandbox.url) as disk:
        sandbox.sandbox.script.for_requests(Code(code=50000, times=None))
        for _ in range(batches):
            assert disk.post().status == 202
        disk.fill()
        sleep_until(lambda: disk.post().status != 202, 10)
        refused = disk.post()
        assert (refused.status, refused.retry_after) == (503, "5")
        assert disk.problems() == ["full"]
        sandbox.ask(lambda tiktok: tiktok.script.clear())
        waiting = len(disk.acknowledged)
        sleep_until(lambda: disk.figure("tiktok_forwarder_events_total", 'outcome="delivered"') == waiting, 20)
        assert disk.post().status == 503
        disk.make_room()
        sleep_until(lambda: disk.post().status == 202, RESUME_SECONDS)
        assert disk.problems() == []
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) == len(disk.acknowledged), 10)
        assert disk.service.end() == 0
