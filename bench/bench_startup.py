"""How long the service takes to say that it is ready, and the command line to say anything.

The floor of each is the interpreter's own start. Before a kill the service takes in so many events that what it keeps
of known keys outside the tables, and reads back at the next start, is as much as it ever is.
"""

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench.checkouts import THIS, Checkout, Round, for_each, in_turn
from bench.processes import answer_of, data_directory, load, service
from bench.stock import KNOWN, MANY, knowing, stocked
from bench.table import Column, Table

ROUNDS: Final = 5
_EVENTS_BEFORE_KILL: Final = 100_000
_PER_REQUEST: Final = 100
_TABLE: Final = Table((("", 48),), (Column("", 7, ".2f"),))


def _ready_seconds(data_dir: Path, checkout: Checkout) -> float:
    with service(data_dir, checkout=checkout) as ours:
        while answer_of(f"{ours.url}/readyz")[0] != 200:
            time.sleep(0.001)
        return time.perf_counter() - ours.started_at


def _print_ready(label: str, open_directory: Callable[[Checkout], AbstractContextManager[Path]]) -> None:
    with for_each(open_directory) as paths:
        measured = in_turn(ROUNDS, lambda checkout, _: (_ready_seconds(paths[checkout], checkout),))
    _TABLE.print_row((label,), measured)


def _print_ready_after_kill(keys: int) -> None:
    def measure(checkout: Checkout, number: int) -> Round:
        with service(paths[checkout], checkout=checkout) as ours:
            requests = _EVENTS_BEFORE_KILL // _PER_REQUEST
            load(ours.port, events=_PER_REQUEST, connections=8, requests=requests, first=number * 10**9)
            ours.kill()
        return (_ready_seconds(paths[checkout], checkout),)

    with for_each(lambda checkout: knowing(keys, checkout=checkout)) as paths:
        _TABLE.print_row((f"ready after a kill under load, {keys:,} known keys",), in_turn(ROUNDS, measure))


def _command_seconds(checkout: Checkout, *command: str) -> float:
    began = time.perf_counter()
    checkout.run(*command)
    return time.perf_counter() - began


def run() -> None:
    """Print seconds."""
    floor = statistics.median(_command_seconds(THIS, "-c", "pass") for _ in range(ROUNDS))
    print(f"Start-up in seconds (medians of {ROUNDS}); the interpreter alone takes {floor:.3f}")
    _print_ready("ready, nothing waiting", lambda checkout: data_directory(paused=True, checkout=checkout))
    _print_ready(f"ready, {MANY:,} waiting", lambda checkout: stocked(MANY, paused=True, checkout=checkout))
    _print_ready_after_kill(max(KNOWN))
    help_seconds = in_turn(
        ROUNDS, lambda checkout, _: (_command_seconds(checkout, "-m", "tiktok_forwarder", "--help"),)
    )
    _TABLE.print_row(("--help",), help_seconds)
