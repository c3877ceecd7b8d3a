"""Names seen lately: choices for a mapping, never a value, and no burden."""

from typing import Any

import msgspec
from tests.unit.mapping.batches import batch_of, purchase

from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.store.nodes import OnlyNode

T0 = 1_735_689_660_123


def batches(*given: Any) -> list[Batch]:
    return parse_body(msgspec.json.encode(list(given)), Bounds())


def custom(name: str, **attributes: Any) -> dict[str, Any]:
    data = {"event_name": name, "custom_event_type": "search", "custom_attributes": attributes}
    return {"event_type": "custom_event", "data": data}


async def test_names_are_seen_and_values_are_not() -> None:
    """Of events, screens and product actions, with their attributes', the user's and the products'."""
    seen = SeenNames(OnlyNode())
    product = {"id": "SKU-1", "custom_attributes": {"colour": "secret red"}}
    screen = {"event_type": "screen_view", "data": {"screen_name": "Cart", "custom_attributes": {"items": "secret 3"}}}
    bought = purchase(product_action={"action": "purchase", "products": [product]})
    given = batch_of(
        custom("Site Search", term="secret shoes"), screen, bought, user_attributes={"tier": "secret gold"}
    )
    seen.on_request("web", batches(given), T0)
    found = {(each.event_type, each.event_name): each for each in await seen.list_for_inputs(["web"])}
    assert set(found) == {("custom_event", "Site Search"), ("screen_view", "Cart"), ("commerce_event", "purchase")}
    search = found["custom_event", "Site Search"]
    assert (search.attributes, search.user_attributes, search.custom_event_types) == (["term"], ["tier"], ["search"])
    assert found["commerce_event", "purchase"].product_attributes == ["colour"]
    assert b"secret" not in msgspec.json.encode(list(found.values()))


async def test_an_address_in_a_name_is_redacted() -> None:
    """Sites do put them there; and a name of a novel's length is cut."""
    seen = SeenNames(OnlyNode())
    seen.on_request(
        "web", batches(batch_of(custom("ada@example.com", **{"ada@example.com": 1}), custom("x" * 999))), T0
    )
    names = [each.event_name for each in await seen.list_for_inputs(["web"])]
    assert sorted(map(len, names)) == [8, 200] and "redacted" in names


async def test_names_hold_no_identity_of_their_user() -> None:
    """Of events and of attributes."""
    seen = SeenNames(OnlyNode())
    event = custom("Hello cust-829311", **{"of cust-829311": 1, "tier": 1})
    user = {"user_identities": {"customer_id": "cust-829311"}, "user_attributes": {"cust-829311": 1}}
    seen.on_request("web", batches(batch_of(event, **user)), T0)
    (found,) = await seen.list_for_inputs(["web"])
    assert (found.event_name, found.attributes, found.user_attributes) == (
        "redacted",
        ["redacted", "tier"],
        ["redacted"],
    )


async def test_first_hundred_members_of_an_object_are_looked_at() -> None:
    """Even if all of them have the same name without what is redacted."""
    seen = SeenNames(OnlyNode())
    addresses = {f"user{number}@example.com": 1 for number in range(100)}
    seen.on_request("web", batches(batch_of(custom("a", **addresses, last=1), custom("b", last=1, **addresses))), T0)
    assert [each.attributes for each in await seen.list_for_inputs(["web"])] == [["redacted"], ["last", "redacted"]]


async def test_what_several_inputs_brought_is_one_list() -> None:
    """The latest first; of an input that was not asked for nothing."""
    seen = SeenNames(OnlyNode())
    seen.on_request("web", batches(batch_of(custom("Old", a=1), custom("Both", a=1))), T0)
    seen.on_request("app", batches(batch_of(custom("Both", b=1), custom("New", b=1))), T0 + 1000)
    seen.on_request("other", batches(batch_of(custom("Hidden"))), T0 + 2000)
    found = await seen.list_for_inputs(["web", "app", "absent"])
    assert [each.event_name for each in found] == ["Both", "New", "Old"]
    both = found[0]
    assert (both.attributes, both.count, both.last_seen_ms) == (["a", "b"], 2, T0 + 1000)


async def test_what_is_no_event_of_a_mapping_is_passed_over() -> None:
    """Lifecycle events, nameless ones, and what is malformed."""
    seen = SeenNames(OnlyNode())
    odd: list[Any] = [None, {"event_type": "session_start", "data": {}}, {"event_type": "custom_event", "data": {}}]
    seen.on_request("web", batches(batch_of(*odd, {"event_type": "custom_event"})), T0)
    assert await seen.list_for_inputs(["web"]) == []


async def test_memory_is_bounded() -> None:
    """By events and by names; what was seen least lately goes."""
    seen = SeenNames(OnlyNode())
    for number in range(800):
        seen.on_request("web", batches(batch_of(custom(f"event {number}"))), T0 + number * 1000)
    found = await seen.list_for_inputs(["web"])
    assert len(found) == 500 and found[0].event_name == "event 799"
    seen.on_request("web", batches(batch_of(custom("event 799", **{f"a{n}": 1 for n in range(300)}))), T0 + 900_000)
    assert len((await seen.list_for_inputs(["web"]))[0].attributes) == 100


async def test_a_flood_is_looked_at_in_part() -> None:
    """So many batches a second and input; the next second counts anew."""
    seen = SeenNames(OnlyNode())
    flood = batches(*[batch_of(custom("Flood")) for _ in range(50)])
    for _ in range(10):
        seen.on_request("web", flood, T0)
    assert (await seen.list_for_inputs(["web"]))[0].count == 20
    seen.on_request("web", flood, T0 + 1000)
    assert (await seen.list_for_inputs(["web"]))[0].count == 40
