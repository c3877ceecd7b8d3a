"""Cards of the form: what may be chosen, what is suggested, and which mapping goes first."""

import pytest

from tests.unit.console.mappings.documents import settings_of
from tiktok_forwarder.activity.seen_names import SeenEvent
from tiktok_forwarder.console.mappings.cards import Card, cards_of
from tiktok_forwarder.console.mappings.choices import (
    COMMERCE,
    EVENT_NAME_LABELS,
    EVENT_TYPE_LABELS,
    PRODUCT_ACTIONS,
    PROPERTY_LABELS,
    events_of,
    expected_type,
    kinds_of,
    members_of,
)
from tiktok_forwarder.console.mappings.draft import (
    DraftCondition,
    DraftMapping,
    DraftSource,
    draft_of,
    properties_of,
    without_unsupported_sources,
)
from tiktok_forwarder.console.mappings.labels import EVENT_WORDS
from tiktok_forwarder.console.mappings.places import NO_PROBLEMS, Problems
from tiktok_forwarder.console.mappings.seen import SeenNames
from tiktok_forwarder.mapping.custom import EVENT_TYPES, MappingDocument
from tiktok_forwarder.tiktok.events import EVENTS
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

NOBODY = SeenNames([])


def seen(event_type: str, name: str, *attributes: str) -> SeenEvent:
    return SeenEvent(
        event_type,
        name,
        custom_event_types=["social"],
        attributes=list(attributes),
        user_attributes=[f"user_{each}" for each in attributes],
        product_attributes=[f"product_{each}" for each in attributes],
        count=1,
        last_seen_ms=1,
    )


def card(draft: DraftMapping, event: str = "AddToCart", names: SeenNames = NOBODY) -> Card:
    [found] = cards_of([without_unsupported_sources(draft, event)], names, NO_PROBLEMS)
    return found


def choices(found: Card, name: str) -> list[str]:
    return next([kind.value for kind in row.kinds] for row in found.rows if row.name == name)


def test_every_event_and_property_has_words() -> None:
    """A new event or property of TikTok's needs them."""
    assert set(EVENT_WORDS) == set(EVENTS)
    assert set(PROPERTY_LABELS) == {name for event in EVENTS for name in properties_of(event)}
    assert set(EVENT_TYPE_LABELS) == set(EVENT_NAME_LABELS) == set(EVENT_TYPES)


def test_events_are_those_of_the_connections_version() -> None:
    """Each version offers the events of its wire form, in one order."""
    for name, form in WIRE_FORMS.items():
        assert [event.name for event in events_of(name)] == [event for event in EVENTS if event in form.events]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@pytest.mark.parametrize("event", EVENTS)
def test_whatever_can_be_chosen_is_what_the_api_takes(event_type: str, event: str) -> None:
    """Every source of every property, with every member of a closed choice."""
    for name in properties_of(event):
        for kind in kinds_of(event_type, name, is_filled=True)[1:]:
            members = members_of(event_type, kind.value)
            for value in [each.value for each in members] if members is not None else ["1"]:
                source = {name: {kind.value: value}}
                assert settings_of({"event": event, "event_type": event_type, "event_name": "x", "properties": source})


def test_products_are_offered_for_content_properties_of_commerce_events_only() -> None:
    """Nothing else has products."""
    assert "product" in choices(card(DraftMapping("m1", COMMERCE)), "price")
    assert "product" not in choices(card(DraftMapping("m1", COMMERCE)), "value")
    assert "product" not in choices(card(DraftMapping("m1", "custom_event")), "price")


@pytest.mark.parametrize(
    ("event_type", "content", "name", "expected"),
    [
        ("custom_event", "", "price", "Not sent"),
        (COMMERCE, "", "price", "Standard value"),
        (COMMERCE, "product", "price", "Standard value"),
        (COMMERCE, "static", "price", "Not sent"),
        (COMMERCE, "static", "value", "Standard value"),
    ],
)
def test_an_unmapped_property_says_what_becomes_of_it(event_type: str, content: str, name: str, expected: str) -> None:
    """Commerce events fill it up from the event, unless the mapping makes one item of its own."""
    draft = DraftMapping("m1", event_type, properties={"content_name": DraftSource(content, "name")})
    row = next(row for row in card(draft).rows if row.name == name)
    assert row.kind_label == expected


def test_types_are_said_in_words() -> None:
    """Text unless it is a number."""
    assert [expected_type(name) for name in ("price", "quantity", "query")] == ["Number", "Whole number", "Text"]


def test_values_are_read_by_their_labels() -> None:
    """A member of a closed choice by its label, anything else as it is."""
    sources = {"price": DraftSource("product", "total_product_amount"), "value": DraftSource("attribute", "paid")}
    found = card(DraftMapping("m1", COMMERCE, properties=sources))
    labels = {row.name: row.value_label for row in found.rows if row.source.kind}
    assert labels == {"price": "Total product amount", "value": "paid"}
    assert next(each.label for each in members_of(COMMERCE, "product") or ()) == "ID"


def test_blanks_around_a_name_are_noticed() -> None:
    """They are kept, since they may be meant."""
    draft = DraftMapping(
        "m1",
        conditions=(DraftCondition(" list", "x"), DraftCondition("list", "x")),
        properties={"value": DraftSource("attribute", "paid "), "currency": DraftSource("attribute", "in")},
    )
    found = card(draft, "Subscribe")
    assert {row.name: row.is_padded for row in found.rows} == {"value": True, "currency": False, "description": False}
    assert [row.is_padded for row in found.conditions] == [True, False]


def test_the_first_of_several_mappings_for_one_event_is_named() -> None:
    """Without regard to case, as the mapping compares; unnamed ones do not count."""
    drafts = [DraftMapping(key, event_name=name) for key, name in (("m1", "Signup"), ("m2", ""), ("m3", "SIGNUP"))]
    drafts += [DraftMapping("m4", "screen_view", "Signup"), DraftMapping("m5")]
    assert [each.shadowed_by for each in cards_of(drafts, NOBODY, NO_PROBLEMS)] == [None, None, 1, None, None]


def test_problems_stand_at_their_rows() -> None:
    """And at the conditions."""
    document: MappingDocument = {
        "event": "Subscribe",
        "event_type": "custom_event",
        "event_name": "a",
        "conditions": [{"attribute": "b", "values": ["c"]}],
        "properties": {},
    }
    draft = without_unsupported_sources(draft_of(document, "m1"), "Subscribe")
    problems = Problems([], {"m1": {"value": ["v"], "conditions[0]": ["c"], "": ["m"]}})
    [found] = cards_of([draft], NOBODY, problems)
    assert [row.problems for row in found.rows] == [[], ["v"], []]
    assert [row.problems for row in found.conditions] == [["c"]]
    assert found.problems_at("") == ["m"]


# --- names seen ---


def test_names_seen_are_suggested_for_their_kind() -> None:
    """Attributes of the event of that name, of all of its kind while it is not known."""
    names = SeenNames(
        [seen("custom_event", "Signup", "list"), seen("custom_event", "Poll", "answer"), seen("screen_view", "")]
    )
    found = card(DraftMapping("m1", event_name="signup"), names=names).suggestions
    assert found["name"] == ["Signup", "Poll"]
    assert (found["attribute"], found["user_attribute"]) == (["list"], ["user_list"])
    assert "product_attribute" not in found
    unknown = card(DraftMapping("m1", event_name="else"), names=names).suggestions
    assert unknown["attribute"] == ["list", "answer"]
    assert unknown["type"][0] == "social"
    assert card(DraftMapping("m1", "screen_view"), names=names).suggestions["name"] == []


def test_product_actions_are_suggested_even_when_none_was_seen() -> None:
    """mParticle's own, after those that were seen."""
    found = card(DraftMapping("m1", COMMERCE), names=SeenNames([seen(COMMERCE, "gift", "size")])).suggestions
    assert found["name"] == ["gift", *PRODUCT_ACTIONS]
    assert found["product_attribute"] == ["product_size"]
