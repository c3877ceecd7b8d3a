"""Delivering a backlog: the service starts on many stored events and sends them to a sink that takes everything.

The floor does to a copy of the database what cannot be left out: it reads groups of 1,000 rows in order and deletes
them, one durable transaction each.
"""

import time
from pathlib import Path
from typing import Final

import apsw
import msgspec

from bench.checkouts import Checkout, Round, checkouts, in_turn
from bench.processes import answer_of, service, sink
from bench.sink import Arrived
from bench.stock import MANY, stocked
from bench.table import Column, Table

# One is a long measurement; compared, it is repeated.
ROUNDS_COMPARED: Final = 3
_TABLE: Final = Table(
    (),
    (
        Column("events/s", 9),
        Column("seconds", 8, ",.1f"),
        Column("floor events/s", 14),
        Column("ratio", 6, ".2f"),
        Column("most MiB", 9),
    ),
)

_OLDEST: Final = "SELECT min(row_no), min(row_no) + 999 FROM fresh"
_GROUP_ROWS: Final = "SELECT * FROM fresh WHERE row_no BETWEEN ? AND ?"
_DELETE: Final = "DELETE FROM fresh WHERE row_no BETWEEN ? AND ?"


def _drain(data_dir: Path, checkout: Checkout) -> tuple[float, float]:
    """Events per second from the first request's arrival to the last one's, and the most memory meanwhile."""
    with sink() as tiktok, service(data_dir, tiktok.url, checkout) as ours:
        while (arrived := msgspec.json.decode(answer_of(f"{tiktok.url}/arrived")[1], type=Arrived)).events < MANY:
            time.sleep(0.05)
        _, most_mib = ours.memory_mib()
        return arrived.events / (arrived.latest_at - arrived.first_at), most_mib


def _floor(data_dir: Path) -> float:
    connection = apsw.Connection(str(data_dir / "events.db"))
    connection.pragma("synchronous", "FULL")
    connection.pragma("secure_delete", "ON")
    wanted = min(MANY, 200_000)
    done = 0
    began = time.perf_counter()
    while done < wanted:
        first_no, last_no = connection.execute(_OLDEST).fetchone() or (0, 0)
        rows = connection.execute(_GROUP_ROWS, (first_no, last_no)).fetchall()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_DELETE, (first_no, last_no))
        connection.execute("COMMIT")
        done += len(rows)
    rate = done / (time.perf_counter() - began)
    connection.close()
    return rate


def run() -> None:
    """Print the rate of a drain, and of the floor."""

    def measure(checkout: Checkout, _number: int) -> Round:
        with stocked(MANY, paused=False, checkout=checkout) as path:
            rate, most_mib = _drain(path, checkout)
        return (rate, MANY / rate, floor, rate / floor, most_mib)

    print(f"Drain of {MANY:,} stored events to a sink, groups of 1,000, service on one core")
    with stocked(MANY, paused=True) as path:
        floor = _floor(path)
    _TABLE.print_head()
    _TABLE.print_row((), in_turn(ROUNDS_COMPARED if len(checkouts()) > 1 else 1, measure))
