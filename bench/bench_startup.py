"""How long the service takes to say that it is ready, and the command line to say anything.

The floor of each is the interpreter's own start.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.processes import answer_of, data_directory, service
from bench.stock import MANY, stocked

ROUNDS: Final = 5


def _ready_seconds(data_dir: Path) -> float:
    with service(data_dir) as ours:
        while answer_of(f"{ours.url}/readyz")[0] != 200:
            time.sleep(0.001)
        return time.perf_counter() - ours.started_at


def _seconds(*command: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], capture_output=True, check=True)
    return time.perf_counter() - began


def _median(measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(ROUNDS))


def run() -> None:
    """Print seconds."""
    floor = _median(lambda: _seconds("-c", "pass"))
    print(f"Start-up in seconds (medians of {ROUNDS}); the interpreter alone takes {floor:.3f}")
    with data_directory(paused=True) as path:
        print(f"{'ready, nothing waiting':>32} {_median(lambda: _ready_seconds(path)):>7.2f}", flush=True)
    with stocked(MANY, paused=True) as path:
        print(f"{f'ready, {MANY:,} waiting':>32} {_median(lambda: _ready_seconds(path)):>7.2f}", flush=True)
    print(f"{'--help':>32} {_median(lambda: _seconds('-m', 'tiktok_forwarder', '--help')):>7.2f}")


if __name__ == "__main__":
    run()
