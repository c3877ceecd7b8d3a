"""The profile of a service under load: stacks of its threads, whose graph shows what a request takes."""

from pathlib import Path

import pytest
from bench.flame import profile
from scripts.flame_graph import Frame, read_threads


def _functions(frame: Frame) -> set[str]:
    return {frame.name}.union(*map(_functions, frame.callees.values()))


@pytest.mark.slow
def test_profile_has_the_functions_of_a_request(tmp_path: Path) -> None:
    """The event loop takes requests in and maps their events, and the database's thread commits them."""
    profile(1, 8, tmp_path / "flame-1x8.txt", seconds=2)
    threads = {thread.name: _functions(thread) for thread in read_threads(tmp_path / "flame-1x8.txt")}
    assert any(name.startswith("tiktok_forwarder.mapping.event: ") for name in threads["MainThread"])
    assert any(name.startswith("tiktok_forwarder.store.sqlite.") for name in threads["store-database"])
