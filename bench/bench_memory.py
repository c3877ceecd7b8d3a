"""Resident memory of the service: at rest, and with few and many events waiting; then after taking some more in."""

import time
from typing import Final

from bench.checkouts import Checkout, Round, in_turn
from bench.processes import load, service
from bench.stock import MANY, stocked
from bench.table import Column, Table

_SETTLE_SECONDS: Final = 1.0
_TABLE: Final = Table((("", 42),), (Column("resident", 8), Column("most", 8)))


def _print_row(label: str, waiting: int, *, takes: bool) -> None:
    def measure(checkout: Checkout, _number: int) -> Round:
        with stocked(waiting, paused=True, checkout=checkout) as path, service(path, checkout=checkout) as ours:
            time.sleep(_SETTLE_SECONDS)
            if takes:
                load(ours.port, events=100, connections=8, requests=500, first=10**9)
            return ours.memory_mib()

    _TABLE.print_row((label,), in_turn(1, measure))


def run() -> None:
    """Print resident memory now and at most."""
    print("Memory of the service, MiB")
    _TABLE.print_head()
    _print_row("nothing waiting", 0, takes=False)
    _print_row("1,000 waiting", 1000, takes=False)
    _print_row(f"{MANY:,} waiting", MANY, takes=False)
    _print_row("nothing waiting, then 50,000 taken in", 0, takes=True)
    _print_row(f"{MANY:,} waiting, then 50,000 taken in", MANY, takes=True)
