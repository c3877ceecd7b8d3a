"""A back-fill that is killed on the way: run again, it delivers each event once."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.integration.service_process import PROGRAM, SandboxThread, add_shop, command, environment, serving
from tests.integration.service_rig import fresh_batch
from tests.patience import Patience

EVENTS = 20_000


@pytest.mark.slow
def test_import_killed_twice_delivers_each_event_once(tmp_path: Path) -> None:
    """Into a running service: SIGKILL of the import, twice at different places; the third run ends it."""
    data_dir, file, log = tmp_path / "data", tmp_path / "day.ndjson", tmp_path / "received.jsonl"
    add_shop(data_dir)
    with file.open("w") as lines:
        for number in range(0, EVENTS, 10):
            lines.write(json.dumps(fresh_batch(*[f"e{number + each}" for each in range(10)])) + "\n")
    importing = [*PROGRAM, "import", "--data-dir", str(data_dir), "--input", "shop", str(file)]
    with SandboxThread(log) as sandbox, serving(data_dir, sandbox.url):
        for pieces in (2, 5):
            with subprocess.Popen(importing, env=environment(data_dir), stderr=subprocess.DEVNULL) as killed:
                _wait_for_note(data_dir, pieces * 200)
                killed.send_signal(signal.SIGKILL)
        last = subprocess.run(
            importing, env=environment(data_dir), capture_output=True, text=True, timeout=60, check=True
        )
        assert "continuing after batch" in last.stderr
        books = _drained(data_dir)
        assert (books["accepted"], books["delivered"]) == (EVENTS, EVENTS)
    ids = [json.loads(line)["event_id"] for line in log.read_text().splitlines()]
    assert len(ids) == len(set(ids)) == EVENTS
    assert list((data_dir / "imports").iterdir()) == []


def _wait_for_note(data_dir: Path, batches: int) -> None:
    patience = Patience(30)
    while patience.lasts():
        notes = list((data_dir / "imports").glob("*.json")) if (data_dir / "imports").exists() else []
        if notes and json.loads(notes[0].read_text())["end"] >= batches:
            return
        time.sleep(0.005)
    raise AssertionError("the import does not get on")


def _drained(data_dir: Path) -> dict[str, int]:
    patience = Patience(30)
    while patience.lasts():
        (connection,) = json.loads(command("status", "--data-dir", str(data_dir)).stdout)["connections"]
        if not (connection["queue"] or {}).get("waiting"):
            totals: dict[str, int] = connection["totals"]
            return totals
    raise AssertionError("the queue does not empty")
