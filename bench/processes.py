"""The service, TikTok's stand-ins and the load, as processes of their own on cores of their own."""

import contextlib
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Self

import msgspec

from bench.checkouts import ROOT, THIS, Checkout
from bench.load import Load
from bench.traffic import KEY, SECRET

# So that no figure depends on the free space; one connection may use two fifths of it, 10,000,000 events and more.
STORE_BYTES: Final = 64 * 1024**3
CONNECTION: Final = "Bench"
PIXEL: Final = "EXAMPLEPIXEL"
NOWHERE: Final = "http://127.0.0.1:9"
_CORES: Final = sorted(os.sched_getaffinity(0))
# What is measured has the first core for itself; where there is one core only, all share it.
SERVICE_CORE: Final = {_CORES[0]}
OTHER_CORES: Final = set(_CORES[1:]) or SERVICE_CORE
_START_SECONDS: Final = 120.0
_TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
_ADDRESS: Final = re.compile(r"http://127\.0\.0\.1:(\d+)")
_DEPTH: Final = re.compile(r"^tiktok_forwarder_queue_events\{[^}]*\} (\S+)", re.MULTILINE)


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

    def __init__(self, arguments: list[str], cores: set[int], checkout: Checkout = THIS, **variables: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self.started_at = time.perf_counter()
        with pinned(cores):
            self._child = subprocess.Popen(
                checkout.command("-m", *arguments),
                env=checkout.variables() | variables,
                cwd=ROOT,
                stdout=self._log,
                stderr=self._log,
            )
        self.port = self._said_port()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.wait(30)
        self._log.close()

    def kill(self) -> None:
        """End the child by SIGKILL, as a crash would."""
        self._child.kill()
        self._child.wait()

    @property
    def pid(self) -> int:
        return self._child.pid

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


def service(data_dir: Path, tiktok_url: str = NOWHERE, checkout: Checkout = THIS, **settings: str) -> Process:
    variables = {f"TIKTOK_FORWARDER_{name.upper()}": value for name, value in settings.items()}
    # This checkout only, so that with AGAINST= it is compared with a service that exports nothing.
    if checkout == THIS and (collector := os.environ.get("BENCH_OTLP")):
        variables["TIKTOK_FORWARDER_OTLP_ENDPOINT"] = collector
    return Process(
        ["tiktok_forwarder", "serve", "--port", "0", "--data-dir", str(data_dir)],
        SERVICE_CORE,
        checkout,
        TIKTOK_FORWARDER_TIKTOK_BASE_URL=tiktok_url,
        TIKTOK_FORWARDER_MAX_STORE_BYTES=str(STORE_BYTES),
        **variables,
    )


@contextlib.contextmanager
def service_on(
    directory: AbstractContextManager[Path], checkout: Checkout, tiktok_url: str = NOWHERE
) -> Iterator[Process]:
    """A service on a directory that lives as long."""
    with directory as path, service(path, tiktok_url, checkout) as ours:
        yield ours


def sandbox() -> Process:
    return Process(["tiktok_forwarder", "sandbox", "--port", "0"], OTHER_CORES)


def floor_server() -> Process:
    return Process(["bench.floor_server"], SERVICE_CORE)


def sink() -> Process:
    return Process(["bench.sink"], OTHER_CORES)


def load(port: int, **options: float) -> Load:
    """Run a load to its end in a process of its own. Options are those of `bench/load.py`."""
    given = msgspec.json.encode({"port": port, **options}).decode()
    with pinned(OTHER_CORES):
        return msgspec.json.decode(THIS.run("-m", "bench.load", given), type=Load)


def measured_load(ours: Process, **options: float) -> tuple[Load, float]:
    """Run a load; return it, and the CPU time that the service took for a request in microseconds."""
    cpu_before = ours.cpu_seconds()
    measured = load(ours.port, **options)
    return measured, (ours.cpu_seconds() - cpu_before) / measured.requests * 1e6


def answer_of(url: str) -> tuple[int, bytes]:
    """Status and body; status 0 if nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # a loopback address made here
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def queue_depth(ours: Process) -> int:
    """Return how many events wait."""
    _, metrics = answer_of(f"{ours.url}/metrics")
    return sum(int(float(count)) for count in _DEPTH.findall(metrics.decode()))


@contextlib.contextmanager
def data_directory(*, paused: bool, checkout: Checkout = THIS) -> Iterator[Path]:
    """With an input for the load and one connection; paused, it delivers nothing."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "data"
        set_up(path, paused=paused, checkout=checkout)
        yield path


def set_up(data_dir: Path, *, paused: bool, checkout: Checkout) -> None:
    """Make a data directory by the operator's commands, which are the same in every version."""
    operate(data_dir, checkout, "inputs", "add", "--name", "bench", "--key", KEY, "--secret", SECRET)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(f'name = "{CONNECTION}"\npixel_id = "{PIXEL}"\naccess_token = "example-token"\n')
        file.flush()
        operate(data_dir, checkout, "connections", "add", file.name)
    if paused:
        operate(data_dir, checkout, "connections", "pause", CONNECTION, "--reason", "Nothing is delivered here.")


def operate(data_dir: Path, checkout: Checkout, *command: str) -> None:
    """Run one of the operator's commands."""
    group, name, *rest = command
    checkout.run("-m", "tiktok_forwarder", group, name, "--data-dir", str(data_dir), *rest)
