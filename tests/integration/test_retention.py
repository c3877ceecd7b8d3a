"""The end of dead letters in a running service, whose clock a sandbox confirms as TikTok does."""

import json
import time
from pathlib import Path

import pytest

from tests.integration.service_rig import Service, running_service
from tests.patience import wait_until
from tiktok_forwarder.operations import retention_watch
from tiktok_forwarder.operations.dead_letter_ends import DAY_MS
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.queue import Arrivals, NewEvent
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox


async def fill(service: Service) -> None:
    """Dead letters of 31 days, of 28, and of now; the rule was established long ago."""
    connection_id = await service.add_connection(enabled=False)
    store, now_ms = service.services.store, time.time_ns() // 1_000_000
    for days in (31, 28, 0):
        at_ms = now_ms - days * DAY_MS
        event = NewEvent(connection_id, 1, "2.0", "Purchase", f"e{days}", b'{"event":"Purchase"}', ())
        await store.append(Arrivals([event], {}, at_ms))
        await store.dead_letter_all(connection_id, "refused", at_ms)
    await service.services.dead_letters.ends.establish(now_ms - 60 * DAY_MS)


@pytest.mark.both_stores
async def test_dead_letter_ends_in_a_running_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As soon as TikTok's clock is known; the others are listed with their ends, and the next is warned of."""
    monkeypatch.setattr(retention_watch, "_WAIT_SECONDS", 0.05)
    async with Sandbox() as sandbox:
        async with running_service(tmp_path / "data") as service:
            await fill(service)
            assert len(await service.services.store.dead_letters(DeadLetterFilter(), limit=10)) == 3
        async with running_service(tmp_path / "data", sandbox.url) as service:
            store = service.services.store

            async def has_ended() -> bool:
                return len(await store.dead_letters(DeadLetterFilter(), limit=10)) == 2

            await wait_until(has_ended)
            listed = json.loads((await asgi_call(service.application.api, "GET", "/api/dead-letters", b""))[1])
            (shop,) = (await service.status())["connections"]
            metrics = await service.metrics()
    assert [each["event_id"] for each in listed] == ["e28", "e0"]
    assert [each["kept_until_ms"] - each["dead_lettered_at_ms"] for each in listed] == [30 * DAY_MS] * 2
    assert (shop["totals"]["dead_lettered"], shop["totals"]["expired"]) == (3, 1)
    (warning,) = (each for each in shop["warnings"] if "disabled" not in each)
    assert warning.startswith("dead letters end soon: the oldest is deleted after ")
    assert 'outcome="expired",reason=""} 1.0' in metrics
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = [(each["connection"], each["dead_letters"]) for each in lines if "neither replayed" in each["event"]]
    assert found == [(shop["id"], 1)]
