"""Figures by input: what an input received, what each connection made of it, and with which match keys."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.mapping.batches import URL, batch_of, purchase
from tests.unit.parts import Parts, sender

from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.figures import SERVICE, InputFigureSet, Traffic, figure_set, traffic_by_input
from tiktok_forwarder.activity.file import ActivityFile
from tiktok_forwarder.activity.records import RecordFilter
from tiktok_forwarder.intake.accept import SubjectHash
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

HOUR_MS = 3_600_000


class Rig:
    def __init__(self, most_per_second: int = 50) -> None:
        self.parts = Parts()
        self.activity = Activity(
            ActivityFile.open(None, max_bytes=16 * 1024 * 1024),
            self.parts.clock,
            SubjectHash(b"k" * 32),
            most_per_second=most_per_second,
        )

    async def accept(self, input_name: str, batch: dict[str, Any], **members: Any) -> None:
        body = json.dumps(batch).encode()
        acceptance = await self.parts.acceptor.accept(body, sender(input_name, **members))
        assert acceptance is not None
        self.activity.on_accepted(acceptance)

    async def figures(self, connection_id: str) -> list[dict[str, int]]:
        self.parts.clock.time_ms += 1000
        now_ms = self.parts.clock.now_ms()
        return [each.figures for each in await self.activity.figures(now_ms - HOUR_MS, now_ms + HOUR_MS, connection_id)]

    async def inputs(self, connection_id: str) -> dict[str, InputFigureSet]:
        return figure_set(await self.figures(connection_id)).inputs


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.activity.close()


async def test_match_keys_of_the_same_event_are_compared_by_input(rig: Rig) -> None:
    """A beacon's copy is stored first and mParticle's own is a duplicate, yet its keys are counted: that is the
    comparison."""
    connection_id = await rig.parts.add_connection()
    await rig.accept("web.beacon", batch_of(purchase()))
    await rig.accept("mparticle", batch_of(purchase(), user_identities={"customer_id": "c1", "email": "a@example.com"}))
    found = await rig.inputs(connection_id)
    beacon, mparticle = found["web.beacon"], found["mparticle"]
    assert (beacon.mapped, beacon.duplicate, beacon.match_events) == (1, 0, 1)
    assert (mparticle.mapped, mparticle.duplicate, mparticle.match_events) == (0, 1, 1)
    assert (beacon.match_keys["email"], beacon.match_keys["external_id"]) == (0, 1)
    assert (mparticle.match_keys["email"], mparticle.match_keys["external_id"]) == (1, 1)
    total = figure_set(await rig.figures(connection_id))
    assert (total.match_events, total.match_keys["email"], total.duplicate) == (1, 0, 1)


async def test_purchases_are_counted_by_input(rig: Rig) -> None:
    """Mapped ones, repeats included, and those that the input may not send, so that a flood of either shows."""
    connection_id = await rig.parts.add_connection()
    cart = purchase(source_message_id="m2", product_action={"action": "add_to_cart"})
    refund = purchase(source_message_id="m3", product_action={"action": "refund"})
    await rig.accept("web", batch_of(purchase(), cart, refund))
    await rig.accept("web", batch_of(purchase()))
    await rig.accept("kiosk", batch_of(purchase(source_message_id="m4"), cart), allows_purchases=False)
    found = await rig.inputs(connection_id)
    web, kiosk = found["web"], found["kiosk"]
    assert (web.mapped, web.duplicate, web.dropped, web.purchases, web.purchases_not_allowed) == (2, 1, 1, 2, 0)
    assert (kiosk.mapped, kiosk.duplicate, kiosk.dropped, kiosk.purchases_not_allowed) == (0, 1, 1, 1)
    assert kiosk.purchases == 0


async def test_traffic_of_an_input_is_counted_without_any_connection(rig: Rig) -> None:
    """Received events and refused requests show, even if no connection uses the input."""
    batches = parse_body(json.dumps(batch_of(purchase(), purchase())).encode(), Bounds())
    rig.activity.on_request("web.shop", batches, rig.parts.clock.now_ms())
    for reason in ("too_large", "rate_limited", "rate_limited"):
        rig.activity.on_refused("web.shop", reason)
    rig.activity.on_refused("other", "too_large")
    assert traffic_by_input(await rig.figures(SERVICE)) == {
        "web.shop": Traffic(2, {"rate_limited": 2, "too_large": 1}),
        "other": Traffic(0, {"too_large": 1}),
    }


async def test_match_keys_by_input_are_sampled_as_the_records_are() -> None:
    """Above the rate, a fair sample is inspected: the same events of each input, since it goes by event ID."""
    rig = Rig(most_per_second=10)
    connection_id = await rig.parts.add_connection()
    flags = {"TikTok.URL": URL}
    events = [purchase(source_message_id=f"m{number}", custom_flags=flags) for number in range(400)]
    for name in ("web", "server"):
        await rig.accept(name, batch_of(*events))
    found = await rig.inputs(connection_id)
    kept = await rig.activity.recent(RecordFilter(outcome="accepted", limit=1000))
    assert 0 < found["web"].match_events == len(kept) < 100
    assert found["server"].match_events == found["web"].match_events
    assert (found["web"].mapped, found["server"].duplicate) == (400, 400)
    await rig.activity.close()
