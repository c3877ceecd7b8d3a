"""Received events by mParticle's type and name: what is counted as what, and what is not kept."""

from typing import Any

import pytest
from msgspec import structs
from tests.unit.activity.test_activity import Rig, rig
from tests.unit.mapping.batches import purchase

from tiktok_forwarder.activity import event_names
from tiktok_forwarder.activity.event_names import OTHER_NAMES
from tiktok_forwarder.activity.records import ReceivedEvent
from tiktok_forwarder.store.queue import Admission

__all__ = ["rig"]

FLAGS = {"TikTok.URL": "https://shop.example.com/"}
SIGNUP = {"event": "Subscribe", "event_type": "custom_event", "event_name": "Signup", "properties": {}}
CONTACT = {**SIGNUP, "event": "Contact"}
Counts = tuple[int, int, int, str]


def event(name: Any, event_type: Any = "custom_event", **data: Any) -> dict[str, Any]:
    member = "screen_name" if event_type == "screen_view" else "event_name"
    return {"event_type": event_type, "data": {member: name, "custom_flags": FLAGS, **data}}


async def names_of(rig: Rig, connection_id: str) -> dict[tuple[str, str], Counts]:
    found = await rig.activity.names(connection_id)
    return {(each.event_type, each.event_name): structs.astuple(each.counts)[2:] for each in found}


async def test_what_becomes_of_each_name_is_counted(rig: Rig) -> None:
    """Mapped, dropped for want of a mapping, or dropped for another reason, which a mapping would not change."""
    connection_id = await rig.parts.add_connection(custom_mappings=[SIGNUP], standard_events=["purchase"])
    refund = purchase(source_message_id="m2", product_action={"action": "refund"})
    cart = purchase(source_message_id="m3", product_action={"action": "add_to_cart"})
    await rig.accept(purchase(), purchase(source_message_id="m4", custom_flags=None), refund, cart, cart)
    await rig.accept(event("Signup"), event("signup"), event("Search", "screen_view"), event(None, "session_start"))
    await rig.accept(purchase())
    assert await names_of(rig, connection_id) == {
        ("commerce_event", "purchase"): (2, 0, 1, "missing_page_url"),
        ("commerce_event", "refund"): (0, 1, 0, ""),
        ("commerce_event", "add_to_cart"): (0, 2, 0, ""),
        ("custom_event", "Signup"): (1, 0, 0, ""),
        ("custom_event", "signup"): (1, 0, 0, ""),
        ("screen_view", "Search"): (0, 1, 0, ""),
        ("session_start", ""): (0, 1, 0, ""),
    }


async def test_name_has_the_times_when_it_was_seen(rig: Rig) -> None:
    """First and last, also over several writes."""
    connection_id = await rig.parts.add_connection()
    first_ms = rig.clock.now_ms()
    for _ in range(3):
        await rig.accept(event("Signup"))
        await rig.activity.names()
        rig.pass_seconds(60)
    (found,) = await rig.activity.names(connection_id)
    assert (found.counts.first_ms, found.counts.last_ms, found.counts.unmapped) == (first_ms, first_ms + 120_000, 3)
    rig.pass_seconds(15 * 24 * 3600)
    assert not await rig.activity.names(connection_id)


async def test_event_that_becomes_several_counts_once(rig: Rig) -> None:
    """Two mappings of one event make two events at TikTok of one that was received."""
    connection_id = await rig.parts.add_connection(custom_mappings=[SIGNUP, CONTACT])
    await rig.accept(event("Signup", source_message_id="a"), event("Signup", source_message_id="b"))
    assert await names_of(rig, connection_id) == {("custom_event", "Signup"): (2, 0, 0, "")}


async def test_connections_count_apart(rig: Rig) -> None:
    """The same event is mapped by one connection and dropped by another."""
    one = await rig.parts.add_connection("One", custom_mappings=[SIGNUP])
    two = await rig.parts.add_connection("Two")
    await rig.accept(event("Signup"), event("Signup"))
    assert await names_of(rig, one) == {("custom_event", "Signup"): (2, 0, 0, "")}
    assert await names_of(rig, two) == {("custom_event", "Signup"): (0, 2, 0, "")}


@pytest.mark.parametrize(
    "broken",
    [
        7,
        None,
        {"event_type": "custom_event"},
        {"event_type": {"a": 1}, "data": {}},
        {"event_type": 5, "data": {"event_name": "x"}},
    ],
)
async def test_malformed_event_is_in_no_count(rig: Rig, broken: Any) -> None:
    """It has no name that anyone could map, and costs the others of its request nothing."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(broken, event("Signup"))
    assert await names_of(rig, connection_id) == {("custom_event", "Signup"): (0, 1, 0, "")}


@pytest.mark.parametrize(("name", "kept"), [(["Signup"], ""), ({"a": 1}, ""), (17, "17"), (True, "true"), (" a ", "a")])
async def test_name_of_any_type_is_read_as_a_mapping_reads_it(rig: Rig, name: Any, kept: str) -> None:
    """So a mapping that is made from the list matches the event."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(event(name), event(name))
    assert await names_of(rig, connection_id) == {("custom_event", kept): (0, 2, 0, "")}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("hello cust-829311", "redacted"),
        ("hello jane@example.com", "hello redacted"),
        ("hello +1 415 555 0199", "hello redacted"),
        ("x" * 300, "x" * 200),
    ],
)
async def test_kept_name_holds_no_identity(rig: Rig, name: str, kept: str) -> None:
    """Neither when the name is seen first, nor when it is seen again."""
    connection_id = await rig.parts.add_connection()
    for _ in range(2):
        await rig.accept(event(name), event(name))
        assert set(await names_of(rig, connection_id)) == {("custom_event", kept)}
    assert await names_of(rig, connection_id) == {("custom_event", kept): (0, 4, 0, "")}


async def test_many_new_names_are_counted_together(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that invents a name for each event fills no memory within a second."""
    monkeypatch.setattr(event_names, "_MAX_NEW_NAMES", 3)
    monkeypatch.setattr(event_names, "_MAX_REMEMBERED", 2)
    connection_id = await rig.parts.add_connection()
    await rig.accept(*(event(f"n{number}") for number in range(6)), event("n0"))
    found = await names_of(rig, connection_id)
    assert found == {
        ("custom_event", "n0"): (0, 2, 0, ""),
        ("custom_event", "n1"): (0, 1, 0, ""),
        ("custom_event", "n2"): (0, 1, 0, ""),
        OTHER_NAMES: (0, 3, 0, ""),
    }
    await rig.accept(event("n5"))
    assert (await names_of(rig, connection_id))["custom_event", "n5"] == (0, 1, 0, "")


async def test_event_without_space_counts_as_dropped(rig: Rig) -> None:
    """A mapping sends it, and the connection's storage quota keeps it from being sent."""
    connection_id = await rig.parts.add_connection()
    await rig.accept(purchase())
    acceptance = rig.parts.told.acceptances[-1]
    full: Admission = "connection_full"
    for each in acceptance.admitted[connection_id]:
        each.admission = full
    rig.activity.on_accepted(acceptance)
    assert await names_of(rig, connection_id) == {("commerce_event", "purchase"): (1, 0, 1, "connection_full")}


# --- what is known of a dropped event ---


async def test_dropped_event_is_known_without_a_value_of_its_user(rig: Rig) -> None:
    """Type, name, platform and the kinds of identity; whose they are is not kept."""
    connection_id = await rig.parts.add_connection()
    identities = {"email": "jane@example.com", "Customer ID": "cust-829311", "other": ""}
    device = {"platform": "phone of jane@example.com cust-829311", "http_header_user_agent": "Mozilla/5.0"}
    await rig.accept(event("Signup"), 7, user_identities=identities, device_info=device)
    await rig.accept(event("Login"), user_identities=None, device_info=None)
    dropped, malformed, anonymous = await rig.records(connection_id=connection_id)
    assert dropped.facts.received == ReceivedEvent("custom_event", "Signup", "redacted", ("customer_id", "email"))
    assert malformed.facts.received is None
    assert anonymous.facts.received == ReceivedEvent("custom_event", "Login")


async def test_records_are_found_by_name_and_order_number(rig: Rig) -> None:
    """The name in any case; the order number as TikTok gets it, only while the payload that has it is kept."""
    connection_id = await rig.parts.add_connection(purchase_event="Purchase")
    await rig.accept(purchase(), event("Newsletter Signup"))
    await rig.accept(purchase(custom_flags=None))
    records = await rig.records(connection_id=connection_id)
    found = sorted((each.outcome, each.source_name, each.order_id) for each in records)
    assert found == [("accepted", "purchase", "o1"), ("dropped", "newsletter signup", ""), ("dropped", "purchase", "")]
