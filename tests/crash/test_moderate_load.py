"""A service at moderate load for a long time, while TikTok fails in every way now and then."""

import os
from pathlib import Path
from typing import Final

import pytest

from tests.crash.conftest import Show, Soak
from tests.crash.load_run import SEND_TIMEOUT_SECONDS, LoadRun, running_sandbox
from tests.crash.load_samples import memory_of_thirds, write_samples
from tests.integration.service_process import serving

SECONDS: Final = 8.0
SOAK_SECONDS: Final = 15 * 60.0
LONG_SECONDS: Final = 4 * 3600.0
RATE: Final = 100.0
SOAK_RATE: Final = 300.0
SAMPLES_VARIABLE: Final = "SOAK_SAMPLES"
# Of the middle third's memory: what a leak of a few bytes for each event would exceed within the quarter of an hour.
MOST_GROWTH: Final = 1.1
MOST_DESCRIPTORS: Final = 150


@pytest.mark.slow
@pytest.mark.timeout(5 * 3600)
def test_steady_load_loses_nothing_and_stays_level(data_dir: Path, seed: int, soak: Soak, show: Show) -> None:
    """Every event is accounted for, no sender is refused, and in the long run neither memory nor descriptors grow."""
    seconds, rate = soak.choose(SECONDS, SOAK_SECONDS, LONG_SECONDS), soak.choose(RATE, SOAK_RATE, SOAK_RATE)
    samples_file = Path(os.environ.get(SAMPLES_VARIABLE, data_dir.parent / "samples.csv"))
    settings = {"TIKTOK_FORWARDER_SEND_TIMEOUT_SECONDS": str(SEND_TIMEOUT_SECONDS)}
    with (
        running_sandbox(data_dir.parent / "sandbox.jsonl") as sandbox,
        serving(data_dir, sandbox.url, **settings) as service,
    ):
        run = LoadRun(data_dir, service, sandbox, seed, rate)
        run.run(seconds)
        write_samples(samples_file, run.samples)
        account = run.final_account()
        assert service.end() == 0
    show(f"{seconds:g} s at {rate:g} requests/s with {run.faults} faults of TikTok, samples in {samples_file}", account)
    assert (account.lost, account.unexpected, run.refused) == (0, 0, 0)
    assert account.ok > 10 * seconds and run.faults
    assert max(sample.descriptors for sample in run.samples) < MOST_DESCRIPTORS
    if soak.is_on:
        middle, last = memory_of_thirds(run.samples)
        assert last < middle * MOST_GROWTH, (middle, last)
