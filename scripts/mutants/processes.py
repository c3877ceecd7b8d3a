"""Child processes that end together with everything they started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_POLL_SECONDS: Final = 0.5
_END_SECONDS: Final = 5.0


def run(
    command: Sequence[str],
    seconds: float,
    *,
    directory: Path,
    environment: dict[str, str],
    log: Path,
    poll: Callable[[], None] = lambda: None,
) -> int | None:
    """The exit status, or None if the time ended first. `poll` is called about twice a second."""
    ends_at = time.monotonic() + seconds
    with log.open("wb") as output, _started(command, directory, environment, output.fileno()) as process:
        while time.monotonic() < ends_at:
            with suppress(subprocess.TimeoutExpired):
                return process.wait(_POLL_SECONDS)
            poll()
    return None


@contextmanager
def _started(
    command: Sequence[str], directory: Path, environment: dict[str, str], output: int
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, which ends with this block: it is asked first and then killed."""
    process = subprocess.Popen(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        try:
            if process.poll() is None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_END_SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
