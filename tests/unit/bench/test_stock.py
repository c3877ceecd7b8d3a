"""The data directories of the benchmarks: made by the operator's commands and the store of the measured checkout."""

import json
from pathlib import Path

import pytest
from bench.bench_store import writer_cost
from bench.checkouts import THIS
from bench.processes import queue_depth, service
from bench.stock import fill, make, new_events, open_store, remember, resume

from tiktok_forwarder.store.queue import Arrivals

KNOWN_FROM = 9 * 10**11
EVENTS = 2_500


@pytest.mark.slow
async def test_keys_of_delivered_events_are_known_and_none_waits(tmp_path: Path) -> None:
    """Such a directory is that of a service that has delivered all that it accepted today."""
    make(tmp_path / "data", remember, EVENTS, THIS)
    async with open_store(str(tmp_path / "data")) as (store, connection_id):
        assert await store.counts() == {}
        last = KNOWN_FROM + EVENTS - 1
        events = new_events(connection_id, last, 2)
        assert await store.append(Arrivals(events, {}, 1_735_689_600_000)) == ["duplicate", "stored"]


@pytest.mark.slow
def test_stored_events_wait_until_the_connection_is_resumed(tmp_path: Path) -> None:
    """The depth that a benchmark reads is the service's own figure."""
    data_dir = tmp_path / "data"
    make(data_dir, fill, EVENTS, THIS)
    with service(data_dir) as ours:
        assert queue_depth(ours) == EVENTS
        assert _is_paused(data_dir)
        resume(data_dir, THIS)
        assert not _is_paused(data_dir)


def _is_paused(data_dir: Path) -> bool:
    status = json.loads(THIS.run("-m", "tiktok_forwarder", "status", "--data-dir", str(data_dir)))
    return bool(status["connections"][0]["delivery"]["is_paused"])


@pytest.mark.slow
def test_writer_cost_counts_what_is_written(tmp_path: Path) -> None:
    """An event is written to the log at least once, with its payload of more than 1,000 bytes."""
    make(tmp_path / "data", remember, 0, THIS)
    cpu_us, written_bytes = THIS.call(writer_cost, str(tmp_path / "data"), 1)
    assert 1 < cpu_us < 10_000
    assert 1_000 < written_bytes < 100_000
