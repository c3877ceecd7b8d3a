"""A call that waits for work, and stops waiting while the store still looks."""

import asyncio
from typing import Any

import pytest

from tests.conformance.rig import T0
from tiktok_forwarder.domain.errors import StoreUnavailable
from tiktok_forwarder.store.readiness import Readiness
from tiktok_forwarder.store.work_signals import WorkSignals


async def test_look_that_nobody_waits_for_runs_to_its_end() -> None:
    """It is not broken off amid a statement, and an error of it is not reported as one that was forgotten."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))
    looking, gone, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def look(_: int) -> Readiness:
        looking.set()
        await gone.wait()
        ended.set()
        raise StoreUnavailable("gone")

    waiting = asyncio.create_task(WorkSignals().wait("a", look, now_ms=T0, wait_seconds=5))
    await looking.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gone.set()
    await ended.wait()
    await asyncio.sleep(0)
    assert reported == []
