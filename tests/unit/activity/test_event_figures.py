"""Figures by TikTok event: counts by the hour of acceptance, sums of values by currency, shares and match keys."""

from typing import Any

import pytest
from tests.unit.activity.test_activity import HOUR_MS, OK, Rig, rig
from tests.unit.mapping.batches import purchase

from tiktok_forwarder.activity.event_figures import (
    MAX_EVENT_NAMES,
    OTHER_EVENTS,
    CurrencyValue,
    EventFigureSet,
    event_figure_set,
)
from tiktok_forwarder.activity.records import ActivityWrite
from tiktok_forwarder.domain.outcome import Accepted, DeadLettered, Delivered, Retry
from tiktok_forwarder.intake.accept import SubjectHash

__all__ = ["rig"]


def order(number: int, total: Any, currency: str | None = "USD", **members: Any) -> dict[str, Any]:
    action = {"action": "purchase", "total_amount": total}
    return purchase(source_message_id=f"m{number}", product_action=action, currency_code=currency, **members)


def own(name: str, event_id: str) -> dict[str, Any]:
    flags = {"TikTok.URL": "https://shop.example.com/"}
    data = {"event_name": name, "source_message_id": event_id, "custom_flags": flags}
    return {"event_type": "custom_event", "data": data}


async def figures_of(rig: Rig, connection_id: str) -> dict[str, EventFigureSet]:
    """The figures of all time, by event."""
    rig.pass_seconds(1)
    found = await rig.activity.hours(0, rig.clock.now_ms() + HOUR_MS, connection_id)
    names = {each.event_name for each in found}
    return {name: event_figure_set(each.figures for each in found if each.event_name == name) for name in names}


async def test_values_are_summed_exactly_by_currency(rig: Rig) -> None:
    """Cents of a day must add up: sums are in millionths, and codes that TikTok does not list are only counted."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(*(order(number, 0.1) for number in range(1000)))
    await rig.accept(order(2000, "19.99", "EUR"), order(2001, 5, "XXX"), order(2002, 7, "XXZ"), order(2003, 3, None))
    assert (await figures_of(rig, connection_id))["PlaceAnOrder"].values == [
        CurrencyValue("USD", 1000, 100_000_000),
        CurrencyValue("other", 2, 0),
        CurrencyValue("EUR", 1, 19_990_000),
        CurrencyValue("none", 1, 3_000_000),
    ]


@pytest.mark.parametrize("total", ["a lot", -5, 2e12])
async def test_value_that_no_order_has_is_counted_apart(rig: Rig, total: Any) -> None:
    """One absurd value would hide all others in a sum."""
    connection_id = await rig.parts.add_connection(value_from_products=False)
    await rig.accept(order(1, total), order(2, 1e12), order(3, None))
    found = (await figures_of(rig, connection_id))["PlaceAnOrder"]
    assert (found.mapped, found.unreadable_values) == (3, 1)
    assert found.values == [CurrencyValue("USD", 1, 10**18)]


async def test_repeat_within_48_hours_has_no_value(rig: Rig) -> None:
    """A repeated order is one order: it is counted as a duplicate, and in no sum."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(order(1, 10))
    await rig.accept(order(1, 10))
    found = (await figures_of(rig, connection_id))["PlaceAnOrder"]
    assert (found.mapped, found.duplicate, found.values) == (1, 1, [CurrencyValue("USD", 1, 10_000_000)])


async def test_delivery_is_counted_in_the_hour_of_acceptance(rig: Rig) -> None:
    """So the share of an hour's events that were delivered is never above all of them, however late they are."""
    connection_id = await rig.parts.add_connection()
    accepted_hour = rig.clock.now_ms() // HOUR_MS
    await rig.accept(order(1, 1), order(2, 1), order(3, 1))
    events = await rig.leased(connection_id)
    rig.settle(connection_id, [(events[0], Retry(0)), (events[1], DeadLettered("refused"))])
    rig.pass_seconds(3 * 3600)
    rig.settle(connection_id, [(events[0], Delivered()), (events[2], Delivered())], Accepted(OK))
    (hour,) = await rig.activity.hours(0, rig.clock.now_ms() + HOUR_MS)
    assert (hour.hour, hour.connection_id, hour.event_name) == (accepted_hour, connection_id, "PlaceAnOrder")
    assert (hour.figures["mapped"], hour.figures["delivered"]) == (3, 2)


async def test_period_has_the_hours_that_begin_in_it(rig: Rig) -> None:
    """Days of time zones with half hours begin within an hour, which belongs to the day in which it begins."""
    await rig.parts.add_connection()
    hour_ms = rig.clock.now_ms() // HOUR_MS * HOUR_MS
    await rig.accept(order(1, 1))
    assert len(await rig.activity.hours(hour_ms - HOUR_MS // 2, hour_ms + 1)) == 1
    assert not await rig.activity.hours(hour_ms - HOUR_MS // 2, hour_ms)
    assert not await rig.activity.hours(hour_ms + 1, hour_ms + HOUR_MS)


async def test_match_keys_are_counted_by_event(rig: Rig) -> None:
    """Purchases may have keys that product views lack: an average over all events would not show it."""
    connection_id = await rig.parts.add_connection()
    view = purchase(source_message_id="v", product_action={"action": "view_detail"})
    await rig.accept(order(1, 1), user_identities={"email": "jane@example.com"})
    await rig.accept(view)
    found = await figures_of(rig, connection_id)
    shares = {name: (each.match_events, each.match_keys["email"]) for name, each in found.items()}
    assert shares == {"PlaceAnOrder": (1, 1), "ViewContent": (1, 0)}


async def test_events_beyond_the_bound_are_counted_together() -> None:
    """A connection may have any number of own event names; its figures have a bounded number of rows."""
    rig = Rig(most_per_second=1000)
    names = [f"Own{number}" for number in range(MAX_EVENT_NAMES + 2)]
    mappings = [{"event": name, "event_type": "custom_event", "event_name": name, "properties": {}} for name in names]
    connection_id = await rig.parts.add_connection(custom_mappings=mappings)
    await rig.accept(*(own(name, name) for name in names))
    await rig.accept(own("Own101", "again"))
    events = await rig.leased(connection_id)
    rig.settle(connection_id, [(event, Delivered()) for event in events], Accepted(OK))
    found = await figures_of(rig, connection_id)
    assert len(found) == MAX_EVENT_NAMES + 1
    assert (found[OTHER_EVENTS].mapped, found[OTHER_EVENTS].delivered, found[OTHER_EVENTS].match_events) == (3, 3, 3)
    rig.pass_seconds(24 * 3600)
    await rig.accept(own("Own101", "later"))
    assert (await figures_of(rig, connection_id))["Own101"].mapped == 1
    await rig.activity.close()


async def test_erasure_changes_no_figure(rig: Rig) -> None:
    """Figures name no one: a person's order stays counted, and is never counted as delivered."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(order(1, 10), mpid="111")
    before = await figures_of(rig, connection_id)
    assert await rig.activity.erase([SubjectHash(b"k" * 32).hash_of("111")]) == 1
    assert await figures_of(rig, connection_id) == before


async def test_figures_that_cannot_be_written_wait(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that takes nothing for a while costs records, but no figure by event and no name."""
    connection_id = await rig.parts.add_connection()
    with monkeypatch.context() as context:

        def take_nothing(_: ActivityWrite) -> bool:
            return False

        context.setattr(rig.file, "write", take_nothing)
        for number in (1, 2):
            await rig.accept(order(number, 10), order(10 + number, 1, custom_flags=None))
            await rig.activity.hours(0, 1)
    found = (await figures_of(rig, connection_id))["PlaceAnOrder"]
    assert (found.mapped, found.values) == (2, [CurrencyValue("USD", 2, 20_000_000)])
    (name,) = await rig.activity.names(connection_id)
    assert (name.counts.mapped, name.counts.dropped) == (2, 2)


async def test_recorded_events_have_the_figures_of_sent_ones(rig: Rig) -> None:
    """They are compared with what another sender sends: numbers, values and match keys, without repeats."""
    connection_id = await rig.parts.add_connection(delivery="record")
    await rig.accept(order(1, 10), order(2, 5), order(1, 10))
    found = (await figures_of(rig, connection_id))["PlaceAnOrder"]
    assert (found.mapped, found.recorded, found.duplicate, found.delivered) == (2, 2, 1, 0)
    assert found.values == [CurrencyValue("USD", 2, 15_000_000)]
    assert (found.match_events, found.match_keys["external_id"]) == (2, 2)
