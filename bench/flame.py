"""Profiles the service under load: `make flame`. Writes py-spy's samples, one stack and its count a line.

The profiler looks at the stacks of all threads that run, a few hundred times a second, and stops the service for each
look, which costs it some of its rate. Shares of the time, not rates, are what the samples show.
"""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from bench.processes import OTHER_CORES, data_directory, load, pinned, service

SAMPLES_FOLDER: Final = Path("build")
SHAPES: Final = ((1, 64), (100, 8))
SECONDS: Final = 15
_LOOKS_PER_SECOND: Final = 200
# The load begins before the profiler, and ends after it.
_MARGIN_SECONDS: Final = 2


def profile(events: int, connections: int, file: Path, seconds: int = SECONDS) -> None:
    """Write the samples of requests of so many events. Raises `RuntimeError` if the profiler fails."""
    with data_directory(paused=True) as path, service(path) as ours, ThreadPoolExecutor(1) as sender:
        options = {"events": events, "connections": connections, "seconds": seconds + 2 * _MARGIN_SECONDS}
        sending = sender.submit(load, ours.port, **options)
        time.sleep(_MARGIN_SECONDS)
        with pinned(OTHER_CORES):
            done = subprocess.run(
                [
                    str(Path(sys.executable).with_name("py-spy")),
                    "record",
                    *("--pid", str(ours.pid), "--duration", str(seconds), "--rate", str(_LOOKS_PER_SECOND)),
                    *("--format", "raw", "--threads", "--function", "--output", str(file)),
                ],
                capture_output=True,
                check=False,
            )
        sending.result()
    if done.returncode:
        raise RuntimeError(
            f"py-spy failed; it needs root, or the right to trace other processes:\n{done.stderr.decode()}"
        )


def main() -> int:
    """Return the exit status."""
    SAMPLES_FOLDER.mkdir(exist_ok=True)
    for events, connections in SHAPES:
        file = SAMPLES_FOLDER / f"flame-{events}x{connections}.txt"
        try:
            profile(events, connections, file)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"profiled: {file}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
