"""The service, TikTok's stand-ins and the load, as processes of their own on cores of their own."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from bench.load import Load
from bench.traffic import KEY, SECRET
from tiktok_forwarder.bootstrap import open_application
from tiktok_forwarder.settings import load_settings

# So that no figure depends on the free space.
STORE_BYTES: Final = 32 * 1024**3
PIXEL: Final = "EXAMPLEPIXEL"
NOWHERE: Final = "http://127.0.0.1:9"
_CORES: Final = sorted(os.sched_getaffinity(0))
# What is measured has the first core for itself; where there is one core only, all share it.
SERVICE_CORE: Final = {_CORES[0]}
OTHER_CORES: Final = set(_CORES[1:]) or SERVICE_CORE
_START_SECONDS: Final = 120.0
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:(\d+)")


@contextlib.contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Processes started meanwhile run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Process:
    """A child that says its address on one of its streams; stopped by SIGTERM at the end of its `with` block."""

    def __init__(self, arguments: list[str], cores: set[int], **variables: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TIKTOK_FORWARDER_")}
        self.started_at = time.perf_counter()
        with pinned(cores):
            self._child = subprocess.Popen(
                [sys.executable, "-m", *arguments], env=inherited | variables, stdout=self._log, stderr=self._log
            )
        self.port = self._said_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait(30)
        self._log.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        # The child writes through the same file offset: a seek here would have it write over its own lines.
        descriptor = self._log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def _said_port(self) -> int:
        while (found := _ADDRESS.search(said := self.said())) is None:
            if self._child.poll() is not None or time.perf_counter() - self.started_at > _START_SECONDS:
                raise RuntimeError(f"a process of the benchmark did not start: {said}")
            time.sleep(0.001)
        return int(found[1])

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._child.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def memory_mib(self) -> tuple[float, float]:
        """Resident now, and at most since the start."""
        status = Path(f"/proc/{self._child.pid}/status").read_text("ascii")
        now, most = (int(status.partition(f"{name}:")[2].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
        return now, most


def service(data_dir: Path, tiktok_url: str = NOWHERE, **settings: str) -> Process:
    variables = {f"TIKTOK_FORWARDER_{name.upper()}": value for name, value in settings.items()}
    return Process(
        ["tiktok_forwarder", "serve", "--port", "0", "--data-dir", str(data_dir)],
        SERVICE_CORE,
        TIKTOK_FORWARDER_TIKTOK_BASE_URL=tiktok_url,
        TIKTOK_FORWARDER_MAX_STORE_BYTES=str(STORE_BYTES),
        **variables,
    )


def sandbox() -> Process:
    return Process(["tiktok_forwarder", "sandbox", "--port", "0"], OTHER_CORES)


def floor_server() -> Process:
    return Process(["bench.floor_server"], SERVICE_CORE)


def sink() -> Process:
    return Process(["bench.sink"], OTHER_CORES)


def load(port: int, **options: float) -> Load:
    """Run a load to its end. Options are those of `python -m bench.load`."""
    arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    with pinned(OTHER_CORES):
        done = subprocess.run(
            [sys.executable, "-m", "bench.load", "--port", str(port), *arguments], capture_output=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr.decode()}")
    return msgspec.json.decode(done.stdout, type=Load)


def answer_of(url: str) -> tuple[int, bytes]:
    """Status and body; status 0 if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # a loopback address made here
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


@contextlib.contextmanager
def data_directory(*, paused: bool) -> Iterator[Path]:
    """With an input for the load and one connection; paused, it delivers nothing."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "data"
        asyncio.run(set_up(path, paused=paused))
        yield path


async def set_up(data_dir: Path, *, paused: bool) -> str:
    """Returns the connection's id."""
    settings = load_settings(None, {}, data_dir=data_dir)
    async with open_application(settings, {}) as application:
        await application.services.inputs.add("bench", key=KEY, secret=SECRET, authorization=None, changed_by="bench")
        given = {"name": "Bench", "pixel_id": PIXEL, "access_token": "example-token"}
        connection = await application.services.connections.add(given, "bench")
        if paused:
            await application.services.deliverer.pause(connection.id, "Nothing is delivered here.", "bench")
        return connection.id
