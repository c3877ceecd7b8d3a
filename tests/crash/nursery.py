"""Runs the command line in processes of its own, all imports done beforehand: a restart takes a tenth of the time.

As a program (`python -m tests.crash.nursery`) it reads one JSON line for each process that is wanted, and writes its
process id, and its exit status once it has ended. `ProcessSpawner` is the other end of that.
"""

import faulthandler
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import msgspec
import uvicorn.protocols.http.httptools_impl  # noqa: F401 - imported here so that no child needs to
from msgspec import Struct

import tiktok_forwarder.cli.serve_command  # noqa: F401 - likewise
from tests.crash.fail_points import arm
from tests.integration.service_process import environment
from tiktok_forwarder.cli.main import main

PROGRAM: Final = (sys.executable, "-m", "tests.crash.nursery")
ROOT: Final = Path(__file__).parents[2]
_LIFE_SECONDS: Final = 120.0


class SpawnRequest(Struct):
    """A process. `fail_point` is a name, and which time of passing it the process does not survive."""

    arguments: Sequence[str]
    variables: Mapping[str, str]
    log: str
    fail_point: tuple[str, int] | None = None


class ProcessSpawner:
    """One process at a time."""

    def __init__(self) -> None:
        # Without buffers, so that what can be read is seen by `select`.
        self._program = subprocess.Popen(
            PROGRAM, bufsize=0, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._pid: int | None = None

    def start(self, wish: SpawnRequest) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(msgspec.json.encode(wish) + b"\n")
        self._pid = self._number()

    def signal(self, number: signal.Signals) -> None:
        assert self._pid is not None
        os.kill(self._pid, number)

    @property
    def is_running(self) -> bool:
        return self._pid is not None and Path(f"/proc/{self._pid}").exists()

    def ended(self) -> int:
        """Wait for the end: the exit status, below 0 for a signal.

        A process that does not end in time writes into its log what its threads do, and ends with -SIGABRT.
        """
        assert self._program.stdout is not None
        if not select.select([self._program.stdout], [], [], _LIFE_SECONDS)[0]:
            self.signal(signal.SIGABRT)
        status = self._number()
        self._pid = None
        return status

    def close(self) -> None:
        if self.is_running:
            self.signal(signal.SIGKILL)
        self._program.communicate(timeout=10)

    def _number(self) -> int:
        assert self._program.stdout is not None
        return int(self._program.stdout.readline())


def _run() -> None:
    for line in sys.stdin.buffer:
        wish = msgspec.json.decode(line, type=SpawnRequest)
        pid = os.fork()
        if pid == 0:
            _become(wish)
        _tell(pid)
        _tell(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def _tell(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _become(wish: SpawnRequest) -> NoReturn:
    log = os.open(wish.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.environ.clear()
    os.environ.update(wish.variables)
    sys.argv = ["tiktok-forwarder", *wish.arguments]
    faulthandler.enable()
    status = 1
    try:
        if wish.fail_point:
            arm(*wish.fail_point)
        main()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else int(bool(ending.code))
    finally:
        os._exit(status)


if __name__ == "__main__":
    _run()
