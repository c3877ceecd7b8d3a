"""An update of the program: what earlier versions have delivered counts as TikTok's yes."""

import pytest
from tests.unit.parts import Parts

from tiktok_forwarder.connections.earlier_deliveries import keep_earlier_deliveries
from tiktok_forwarder.delivery.pauses import PauseControl
from tiktok_forwarder.domain.outcome import Delivered
from tiktok_forwarder.store.queue import Arrivals, GroupLimits, NewEvent


async def deliver(parts: Parts, connection_id: str) -> None:
    """As the version before did, which kept no answers."""
    event = NewEvent(connection_id, 1, "2.0", "AddToCart", "e1", b"{}", ())
    await parts.store.append(Arrivals([event], {}, parts.clock.now_ms()))
    lease = await parts.store.lease(connection_id, GroupLimits(), parts.clock.now_ms(), 60)
    assert lease is not None
    await parts.store.settle(lease, {each.event_no: Delivered() for each in lease.events}, parts.clock.now_ms())


async def after_update(parts: Parts, connection_id: str) -> tuple[str, int | None] | None:
    await keep_earlier_deliveries(parts.connections, parts.check_records, parts.store, parts.store)
    target = parts.connections.target(connection_id)
    assert target is not None
    record = parts.check_records.find(target)
    return (record.answer.outcome, record.answer.code) if record is not None else None


async def test_connection_that_has_delivered_is_accepted_after_an_update() -> None:
    """The other one has delivered nothing: TikTok has said nothing about it."""
    parts = Parts()
    delivered, other = await parts.add_connection("Shop"), await parts.add_connection("Outlet")
    await deliver(parts, delivered)
    assert await after_update(parts, delivered) == ("good", None)
    assert await after_update(parts, other) is None


async def test_connection_that_tiktok_has_paused_is_refused_after_an_update() -> None:
    """What it delivered before was before TikTok's no."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    await deliver(parts, connection_id)
    pauses = PauseControl(parts.store, parts.clock, connection_id)
    await pauses.pause_by_service("misconfigured", "The access token has expired.", 40102, 1)
    assert await after_update(parts, connection_id) == ("refused", 40102)


@pytest.mark.parametrize("cause", ["by_hand", "refusals"])
async def test_other_pauses_are_no_answer(cause: str) -> None:
    """A person's decision, and events that were refused, say nothing of pixel and token."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    await deliver(parts, connection_id)
    pauses = PauseControl(parts.store, parts.clock, connection_id)
    if cause == "by_hand":
        await pauses.pause_by_hand("stocktaking", "ann", 1)
    else:
        await pauses.pause_by_service("refusals", "20 in a row", 40002, 1)
    assert await after_update(parts, connection_id) == ("good", None)


async def test_later_starts_keep_nothing() -> None:
    """Once an answer was kept, a changed token makes the connection unchecked, whatever it has delivered."""
    parts = Parts()
    connection_id = await parts.add_connection("Shop")
    await deliver(parts, connection_id)
    await after_update(parts, connection_id)
    changes = {"access_token": "another-token-0123"}
    await parts.connections.set(connection_id, changes, expected_revision=None, changed_by="test")
    assert await after_update(parts, connection_id) is None
