"""The demo as a process: it ends by itself, its books balance, and nothing raw is left behind."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import sleep_until

DEMO = [sys.executable, "-m", "tiktok_forwarder", "demo"]


@pytest.mark.slow
@pytest.mark.xdist_group("demo")
def test_demo_accounts_for_every_event_over_a_kill(tmp_path: Path) -> None:
    """The service is killed in the middle: it comes back, and every acknowledged event is accounted for.

    A second demo in the same folder is refused, rather than empty it.
    """
    log = tmp_path / "demo-data" / "sandbox.jsonl"
    with subprocess.Popen(
        [*DEMO, "--seconds", "12"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        sleep_until(lambda: log.exists() and log.stat().st_size > 0, 30)
        assert demo.stdout is not None
        pid = re.search(r"kill -9 (\d+)", "".join(demo.stdout.readline() for _ in range(4)))
        assert pid is not None
        second = subprocess.run(DEMO, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
        os.kill(int(pid[1]), signal.SIGKILL)
        told, _ = demo.communicate(timeout=50)
    assert demo.returncode == 0, told
    assert (second.returncode, second.stdout) == (2, "")
    assert "demo-data is in use by another process" in second.stderr
    assert told.count("every acknowledged event is accounted for") == 2
    assert "service restarted 1×" in told
    assert "WARNING" not in told
    delivered = {
        (each["event_source_id"], each["event"], each["event_id"])
        for each in map(json.loads, log.read_text().splitlines())
    }
    balance = re.findall(r"accepted = ([\d,]+) delivered", told)
    assert sum(int(figure.replace(",", "")) for figure in balance) == len(delivered)
    _assert_nothing_raw(tmp_path / "demo-data", told)


def _assert_nothing_raw(folder: Path, told: str) -> None:
    kept = told.encode() + b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    for secret in (b"Visitor.", b"visitor.", b"cust-0", b"(415)", b"+1415555", b"demo-token", b"for-loopback-only"):
        assert secret not in kept, secret


def test_demo_empties_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    """A folder with somebody's files is left alone, with one line that says so."""
    (tmp_path / "mine.txt").write_text("mine")
    run = subprocess.run([*DEMO, "--folder", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stdout) == (2, "")
    assert "contains files that no demo made" in run.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"
