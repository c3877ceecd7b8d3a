"""The machine going wrong around a service: a loop that is held up, no more descriptors, a clock that jumps."""

import asyncio
import json
import socket
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_process import SandboxThread, ServiceProcess, add_shop, command, serving
from tests.integration.service_rig import fresh_batch
from tests.patience import Patience
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.operations.watches import LoopWatch
from tiktok_forwarder.system_clock import SystemClock
from tiktok_sandbox import Http

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), Path("libfaketime"))


class Lags:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_loop_lag(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def test_a_loop_that_is_held_up_is_told() -> None:
    """By how much, at its next turn."""
    lags = Lags()
    watch = LoopWatch(SystemClock(), lags)
    watch.start()
    await asyncio.sleep(0.01)
    time.sleep(0.8)  # noqa: ASYNC251 - holding the loop up is what this is about
    await asyncio.sleep(0.01)
    await watch.stop()
    assert len(lags.seconds) == 1
    assert 0.4 < lags.seconds[0] < 5


@pytest.mark.slow
def test_running_out_of_descriptors_passes(tmp_path: Path) -> None:
    """200 idle senders take what there is, and others wait; when they leave, it serves again by itself."""
    data_dir = tmp_path / "data"
    add_shop(data_dir)
    few = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    with SandboxThread() as sandbox, serving(data_dir, sandbox.url, few) as service:
        assert service.post(fresh_batch("before")) == 202
        idle = [socket.create_connection(("127.0.0.1", service.port), timeout=5) for _ in range(200)]
        time.sleep(0.5)
        assert service.process.poll() is None
        for each in idle:
            each.close()
        assert _until_accepted(service, "after") == 202
        _until_delivered(data_dir, 2)
        assert service.end() == 0


def _clock_of(file: Path) -> dict[str, str]:
    """Environment of a process whose clock differs by what the file says."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


@pytest.mark.slow
def test_a_clock_that_was_ahead_keeps_no_event_back(tmp_path: Path) -> None:
    """An event whose next attempt was set by a clock a month ahead is sent soon after the clock is right again."""
    data_dir, clock = tmp_path / "data", tmp_path / "clock"
    clock.write_text("+0")
    add_shop(data_dir)
    # Two attempts fail; a third under the clock that is ahead would be the last.
    retries = {"TIKTOK_FORWARDER_RETRY_FIRST_SECONDS": "6", "TIKTOK_FORWARDER_RETRY_MAX_SECONDS": "6"}
    with SandboxThread() as sandbox, serving(data_dir, sandbox.url, **_clock_of(clock), **retries) as service:
        sandbox.ask(lambda tiktok: tiktok.script.for_requests(Http(status=503, times=2)))
        assert service.post(fresh_batch("1")) == 202
        _until_requested(sandbox.url, 1)
        clock.write_text("+30d")
        _until_requested(sandbox.url, 2)
        clock.write_text("+0")
        assert _until_delivered(data_dir, 1).get("dead_lettered", 0) == 0
        assert service.end() == 0


def _clock_warnings(status: Mapping[str, Any]) -> list[str]:
    return [warning for warning in status["warnings"] if "clock" in warning]


@pytest.mark.slow
def test_clock_that_is_ahead_at_the_start_is_noticed_and_reported(tmp_path: Path) -> None:
    """Though every event is dropped as too old, so that none is sent; and it is reported when the clock is right."""
    data_dir, clock = tmp_path / "data", tmp_path / "clock"
    clock.write_text("+30d")
    add_shop(data_dir)
    with SandboxThread() as sandbox, serving(data_dir, sandbox.url, **_clock_of(clock)) as service:
        assert service.post(fresh_batch("dropped")) == 202
        _until_logged(service, "this machine's clock differs from TikTok's")
        status = json.loads(command("status", "--data-dir", str(data_dir)).stdout)
        (warning,) = _clock_warnings(status)
        assert "clock is 30 days ahead of TikTok's" in warning or "29 days" in warning
        assert abs(status["clock_difference_seconds"] - 30 * 86_400) < 60
        assert status["connections"][0]["dropped"] == {"event_too_old": 1}
        clock.write_text("+0")
        for number in (1, 2):
            assert service.post(fresh_batch(f"sent-{number}")) == 202
            _until_delivered(data_dir, number)
        _until_logged(service, "this machine's clock agrees with TikTok's again")
        assert _clock_warnings(json.loads(command("status", "--data-dir", str(data_dir)).stdout)) == []
        assert service.end() == 0
        assert service.log_file.read_text().count("clock differs") == 1


def _until_logged(service: ServiceProcess, text: str) -> None:
    patience = Patience(30)
    while text not in (log := service.log_file.read_text()):
        assert patience.lasts(), log
        time.sleep(0.05)


def _until_requested(sandbox_url: str, requests: int) -> None:
    patience = Patience(2 * DeliveryPolicy().recheck_seconds)
    while True:
        with urllib.request.urlopen(f"{sandbox_url}/sandbox/counts", timeout=5) as answer:  # noqa: S310  # loopback
            if json.load(answer)["requests"] >= requests:
                return
        assert patience.lasts()
        time.sleep(0.05)


def _until_accepted(service: ServiceProcess, event_id: str) -> int:
    """Post until it is answered: the service takes a moment to notice that its senders have left."""
    patience = Patience(10)
    while True:
        try:
            return service.post(fresh_batch(event_id))
        except OSError:
            assert patience.lasts()
            time.sleep(0.1)


def _until_delivered(data_dir: Path, events: int) -> dict[str, int]:
    # A clock that is set just when the next wait is computed is noticed at the next recheck.
    patience = Patience(2 * DeliveryPolicy().recheck_seconds)
    totals: dict[str, int] = {}
    while totals.get("delivered", 0) < events:
        assert patience.lasts(), totals
        (connection,) = json.loads(command("status", "--data-dir", str(data_dir)).stdout)["connections"]
        totals = connection["totals"]
    return totals
