"""A disk that fails under a running service: its system calls on the data directory's files end in an error.

strace puts the errors in while it is attached, so that the real program meets them where a real disk would cause them.
"""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.integration.service_process import ServiceProcess

FILES: Final = ("events.db", "events.db-wal", "events.reserve", "activity.db", "activity.db-wal")
WRITES: Final = "pwrite64,write,fdatasync,fsync,ftruncate,fallocate"


class Fault(NamedTuple):
    """Which calls fail, and with which error."""

    calls: str
    error: str


READ_ONLY: Final = Fault(WRITES, "EROFS")
NO_WRITES: Final = Fault(WRITES, "EIO")
NO_SYNCS: Final = Fault("fdatasync,fsync", "EIO")
NOTHING_WORKS: Final = Fault(f"{WRITES},pread64", "EIO")


@contextmanager
def failing(service: ServiceProcess, data_dir: Path, fault: Fault) -> Iterator[None]:
    paths = [part for name in FILES for part in ("-P", str(data_dir / name))]
    inject = ("-e", f"inject={fault.calls}:error={fault.error}")
    attach = ("strace", "-f", "-p", str(service.process.pid), "-o", "/dev/null", *paths, *inject)
    strace = subprocess.Popen(attach, stderr=subprocess.PIPE, text=True)
    try:
        assert strace.stderr is not None
        told = strace.stderr.readline()
        assert "attached" in told, told
        yield
    finally:
        strace.send_signal(signal.SIGTERM)
        strace.communicate(timeout=10)
