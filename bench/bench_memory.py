"""Resident memory of the service: at rest, and with few and many events waiting; then after taking some more in."""

import time

from bench.processes import data_directory, load, service
from bench.stock import MANY, stocked

_SETTLE_SECONDS = 1.0


def _measured(label: str, waiting: int, *, takes: bool) -> None:
    with stocked(waiting, paused=True) if waiting else data_directory(paused=True) as path, service(path) as ours:
        time.sleep(_SETTLE_SECONDS)
        if takes:
            load(ours.port, events=100, connections=8, requests=500, first=10**9)
        now, most = ours.memory_mib()
        print(f"{label:>42} {now:>8.0f} {most:>8.0f}", flush=True)


def run() -> None:
    """Print resident memory now and at most."""
    print("Memory of the service, MiB")
    print(f"{'':>42} {'resident':>8} {'most':>8}")
    _measured("nothing waiting", 0, takes=False)
    _measured("1,000 waiting", 1000, takes=False)
    _measured(f"{MANY:,} waiting", MANY, takes=False)
    _measured("nothing waiting, then 50,000 taken in", 0, takes=True)
    _measured(f"{MANY:,} waiting, then 50,000 taken in", MANY, takes=True)


if __name__ == "__main__":
    run()
