"""The mapping that a link begins with: type, name, and the properties that attributes are named after."""

import pytest

from tests.golden.cases import connection_of
from tiktok_forwarder.activity.seen_names import SeenEvent
from tiktok_forwarder.console.mappings.draft import DraftMapping
from tiktok_forwarder.console.mappings.seen import SeenNames
from tiktok_forwarder.console.mappings.target import TargetEvent, target_named
from tiktok_forwarder.console.mappings.wanted import WantedEvent, with_wanted


def target(event: str, **settings: object) -> TargetEvent:
    found = target_named(event, connection_of(dict(settings)))
    assert found is not None
    return found


def seen(name: str, *attributes: str, event_type: str = "custom_event") -> SeenNames:
    others = SeenEvent(event_type, "Another", [], ["value"], [], [], 1, 2)
    return SeenNames([others, SeenEvent(event_type, name, [], sorted(attributes), [], [], 1, 1)])


def filled_properties(event: str, name: str, *attributes: str, event_type: str = "custom_event") -> dict[str, str]:
    names = seen(name, *attributes, event_type=event_type)
    filled = with_wanted([], WantedEvent(event_type, name), target(event), names)
    assert filled is not None
    draft = filled.drafts[-1]
    return {name: source.value for name, each in draft.properties.items() for source in each.sources}


@pytest.mark.parametrize(
    ("attributes", "filled"),
    [
        (("value", "currency"), {"value": "value", "currency": "currency"}),
        (("Total Amount", "Currency-Code"), {"value": "Total Amount", "currency": "Currency-Code"}),
        (("revenue", "total"), {"value": "total"}),
        (("orderNumber", "brand"), {"order_id": "orderNumber", "brand": "brand"}),
        (("list", "Währung", "values"), {}),
    ],
)
def test_attribute_fills_the_property_of_its_name(attributes: tuple[str, ...], filled: dict[str, str]) -> None:
    """In any spelling, or by a name that senders use for it; nothing is guessed beyond that."""
    assert filled_properties("CompletePayment", "Signup", *attributes) == filled


def test_property_that_the_event_cannot_have_is_not_filled() -> None:
    """Only what the form shows for this TikTok event can be mapped in TikTok Events API 1.0."""
    names = seen("Signup", "value", "query")
    filled = with_wanted([], WantedEvent("custom_event", "Signup"), target("Search", events_api="1.0"), names)
    assert filled is not None
    draft = filled.drafts[0]
    assert {name for name, each in draft.properties.items() if each.sources} == {"query"}
    assert filled.other_attributes == ["value"]


def test_standard_value_is_not_replaced() -> None:
    """A commerce event fills in the order's total; an attribute of the name `value` may be anything."""
    assert filled_properties("Purchase", "refund", "value", "currency", "query", event_type="commerce_event") == {
        "query": "query"
    }


def test_attributes_of_other_events_fill_nothing() -> None:
    """Suggestions may come from other events; what is filled in may not."""
    assert filled_properties("Subscribe", "Never seen") == {}


def test_mapping_is_added_after_the_others() -> None:
    """With a key of its own, and not if the event is mapped already, whatever the case of its name."""
    first = DraftMapping("m3", "custom_event", "Signup")
    wanted = WantedEvent("screen_view", " Signup ")
    filled = with_wanted([first], wanted, target("Subscribe"), seen("Signup", event_type="screen_view"))
    assert filled is not None and filled.key == "m4" and filled.drafts[0] is first
    assert (filled.drafts[1].event_type, filled.drafts[1].event_name) == ("screen_view", "Signup")
    assert with_wanted([first], WantedEvent("custom_event", "SIGNUP"), target("Subscribe"), seen("x")) is None


def test_link_carries_type_and_name() -> None:
    """Names may contain anything."""
    address = WantedEvent("custom_event", "a&b=ü/#").address("/connections/c/mappings")
    assert address == "/connections/c/mappings?type=custom_event&name=a%26b%3D%C3%BC%2F%23"
