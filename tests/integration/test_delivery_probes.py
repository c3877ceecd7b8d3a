"""Probes: a paused connection tries an event, unless a person has paused it."""

from typing import Any

import pytest
from aiohttp import web

from tests.integration.delivery_rig import PATIENT, Received, answer, delivery_rig
from tiktok_forwarder.ports import Lease

PROBE_SECONDS = 300.0


async def test_manual_pause_holds_when_a_probe_is_on_its_way() -> None:
    """A person who pauses a connection just then has decided; TikTok's answer ends the service's own pauses only."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()

        async def pause_and_take(received: Received) -> web.Response:
            await rig.deliverer.pause("c", "stocktaking", "ann")
            return answer(0)

        rig.tiktok.judge = pause_and_take
        rig.clock.advance(PROBE_SECONDS + 1)
        rig.deliverer.notify("c", 0)
        await rig.until(lambda: rig.witness.outcomes["c", "delivered"] >= 1)
        await rig.give_time()
        status = rig.deliverer.status("c")
        assert (status.condition, status.why, status.by) == ("paused", "stocktaking", "ann")
        assert len(rig.tiktok.requests) == 2


async def test_manual_pause_holds_back_a_probe_that_is_not_sent_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the moment in which a person pauses the connection, nothing leaves, whatever was about to."""
    async with delivery_rig(PATIENT) as rig:
        await rig.refuse_until_paused()
        lease = rig.store.lease

        async def pause_and_lease(*asked: Any) -> Lease | None:
            await rig.deliverer.pause("c", "stocktaking", "ann")
            return await lease(*asked)

        monkeypatch.setattr(rig.store, "lease", pause_and_lease)
        rig.clock.advance(PROBE_SECONDS + 1)
        rig.deliverer.notify("c", 0)
        await rig.until(lambda: rig.deliverer.status("c").by == "ann")
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1
        assert (await rig.waiting(), await rig.leased()) == (3, 0)
