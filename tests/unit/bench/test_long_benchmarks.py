"""The benchmarks that run only when they are named, in a short form."""

import os
import subprocess
import sys

import pytest
from bench.__main__ import LONG
from bench.checkouts import ROOT


def _lines(name: str, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "bench", name],
        cwd=ROOT,
        env=os.environ | {"AGAINST": ""} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_sustained_load_is_accepted_and_delivered() -> None:
    """Every request of the schedule is answered and arrives, and each tenth of the time has its line."""
    lines = _lines("sustained", BENCH_SUSTAINED_SECONDS="2", BENCH_SUSTAINED_RATE="100")
    assert lines[1] == "100 requests of 1 event a second for 2 seconds, delivered to the sink meanwhile"
    assert [float(line.split()[0]) for line in lines[3:13]] == [tenth / 5 for tenth in range(1, 11)]
    assert lines[14].split()[0] == "all" and lines[14].split()[-1] == "200"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_nodes_deliver_all_events_in_any_number() -> None:
    """One service on SQLite, and one, two and four on PostgreSQL have a line each."""
    lines = _lines("nodes", BENCH_NODES_EVENTS="800", BENCH_NODES_ROUNDS="1")
    rows = [line.split()[:2] for line in lines if line.split()[:1] in (["SQLite"], ["PostgreSQL"])]
    assert rows == [["SQLite", "1"], ["PostgreSQL", "1"], ["PostgreSQL", "2"], ["PostgreSQL", "4"]]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_growth_compares_each_number_with_the_smallest() -> None:
    """Rates and costs, memory, and the ratios have a line for each number of waiting events that was measured."""
    lines = _lines("growth", BENCH_GROWTH="10 2000", BENCH_GROWTH_SECONDS="0.1")
    rows = [line.split() for line in lines if line.split()[:1] in (["10"], ["2,000"])]
    assert [row[0] for row in rows] == ["10", "2,000"] * 3
    assert [len(row) for row in rows] == [8, 8, 4, 4, 5, 5]
    assert rows[4] == ["10", "1.00", "1.00", "1.00", "0"]


def test_long_benchmarks_are_there() -> None:
    """Their names are those of files, so that a renamed one does not run every time."""
    assert [name for name in LONG if not (ROOT / "bench" / f"bench_{name}.py").is_file()] == []
