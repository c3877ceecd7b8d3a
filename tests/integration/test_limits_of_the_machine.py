"""The machine going wrong around a service: a loop that is held up, no more descriptors."""

import asyncio
import json
import socket
import time
from pathlib import Path

import pytest

from tests.integration.service_process import SandboxThread, ServiceProcess, add_shop, command, serving
from tests.integration.service_rig import fresh_batch
from tiktok_forwarder.adapters.system_clock import SystemClock
from tiktok_forwarder.service.loop_watch import LoopWatch


class Lags:
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def lagged(self, seconds: float) -> None:
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


def _until_accepted(service: ServiceProcess, event_id: str) -> int:
    """Post until it is answered: the service takes a moment to notice that its senders have left."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return service.post(fresh_batch(event_id))
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _until_delivered(data_dir: Path, events: int) -> dict[str, int]:
    deadline = time.monotonic() + 20
    totals: dict[str, int] = {}
    while totals.get("delivered", 0) < events:
        assert time.monotonic() < deadline, totals
        (connection,) = json.loads(command("status", "--data-dir", str(data_dir)).stdout)["connections"]
        totals = connection["totals"]
    return totals
