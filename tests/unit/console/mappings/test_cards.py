"""Cards of the form: what may be chosen, what is suggested, and which mapping goes first."""

import msgspec
import pytest

from tests.unit.console.mappings.documents import connection_of, settings_of, target_of
from tiktok_forwarder.activity.seen_names import SeenEvent
from tiktok_forwarder.console.mappings.cards import Card, cards_of
from tiktok_forwarder.console.mappings.choices import (
    COMMERCE,
    EVENT_NAME_LABELS,
    EVENT_TYPE_LABELS,
    PRODUCT_ACTIONS,
    PROPERTY_LABELS,
    expected_type,
    kinds_of,
    members_of,
)
from tiktok_forwarder.console.mappings.draft import (
    DraftMapping,
    DraftProperty,
    DraftSource,
    draft_of,
    without_unsupported_sources,
)
from tiktok_forwarder.console.mappings.labels import EVENT_WORDS, event_words
from tiktok_forwarder.console.mappings.places import NO_PROBLEMS, Problems
from tiktok_forwarder.console.mappings.sample_data import generated_sample
from tiktok_forwarder.console.mappings.seen import SeenNames
from tiktok_forwarder.console.mappings.standard_values import is_filled
from tiktok_forwarder.domain.outcome import Mapped
from tiktok_forwarder.mapping.custom import EVENT_TYPES, MappingDocument
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.tiktok.events import ALL_PROPERTIES, EVENTS

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
    target = target_of(event)
    [found] = cards_of([without_unsupported_sources(draft, target)], target, names, NO_PROBLEMS)
    return found


def choices(found: Card, name: str) -> list[str]:
    return next([kind.value for kind in row.sources[0].kinds] for row in found.rows if row.name == name)


def test_every_event_and_property_has_words() -> None:
    """A new event or property of TikTok's needs them."""
    assert set(EVENT_WORDS) == set(EVENTS)
    assert set(PROPERTY_LABELS) == {*ALL_PROPERTIES, "description"}
    assert set(EVENT_TYPE_LABELS) == set(EVENT_NAME_LABELS) == set(EVENT_TYPES)


def test_an_event_with_a_name_of_ones_own_has_words_too() -> None:
    """Its title is its name."""
    assert event_words("Quiz_Done").title == "Quiz_Done"
    assert event_words("Quiz_Done").meaning
    assert event_words("Lead") == EVENT_WORDS["Lead"]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
@pytest.mark.parametrize("event", ["Purchase", "Contact", "Quiz_Done"])
def test_whatever_can_be_chosen_is_what_the_api_takes(event_type: str, event: str) -> None:
    """Every source of every property, with every member of a closed choice."""
    for name in target_of(event).properties:
        for kind in kinds_of(event_type, name):
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
    ("event", "event_type", "content", "name", "expected"),
    [
        ("AddToCart", "custom_event", "", "price", "Not sent"),
        ("AddToCart", COMMERCE, "", "price", "Standard value"),
        ("AddToCart", COMMERCE, "product", "price", "Standard value"),
        ("AddToCart", COMMERCE, "static", "price", "Not sent"),
        ("AddToCart", COMMERCE, "static", "value", "Standard value"),
        ("AddToCart", COMMERCE, "", "query", "Not sent"),
        ("AddToCart", COMMERCE, "", "description", "Standard value"),
        ("AddToCart", COMMERCE, "", "brand", "Standard value"),
        ("AddToCart", COMMERCE, "", "order_id", "Standard value"),
        ("AddToCart", COMMERCE, "", "shop_id", "Not sent"),
        ("AddToCart", COMMERCE, "", "num_items", "Standard value"),
        ("AddToCart", "custom_event", "", "content_ids", "Not sent"),
        ("AddToCart", "custom_event", "static", "content_ids", "Standard value"),
        ("Lead", COMMERCE, "", "value", "Not sent"),
        ("Lead", COMMERCE, "product", "price", "Not sent"),
        ("Lead", COMMERCE, "", "num_items", "Not sent"),
        ("Lead", COMMERCE, "product", "num_items", "Standard value"),
        ("Lead", COMMERCE, "", "currency", "Standard value"),
        ("Lead", COMMERCE, "", "order_id", "Not sent"),
        ("Quiz_Done", COMMERCE, "", "price", "Standard value"),
    ],
)
def test_an_unmapped_property_says_what_becomes_of_it(
    event: str, event_type: str, content: str, name: str, expected: str
) -> None:
    """Commerce events fill it in, if TikTok's table gives it to the event and the mapping makes no item of its own."""
    properties = {name: DraftProperty()}
    if content:
        properties["content_name"] = one_source(content, "name")
    if event == "Lead" and name == "currency":
        properties["value"] = one_source("field", "total_amount")
    found = card(DraftMapping("m1", event_type, "purchase", properties=properties), event)
    assert next(row.sources[0].kind_label for row in found.rows if row.name == name) == expected


def test_what_is_said_of_unmapped_properties_is_what_the_mapping_does() -> None:
    """The payload of a purchase mapped to an event has those properties that the form calls standard values."""
    for event in ("CompletePayment", "Lead", "Search", "Subscribe", "Quiz_Done"):
        document: MappingDocument = {
            "event": event,
            "event_type": COMMERCE,
            "event_name": "purchase",
            "properties": {},
        }
        target = target_of(event)
        draft = DraftMapping("m1", COMMERCE, "purchase")
        said = {name for name in target.properties if is_filled(draft, name, target)}
        assert sent_properties(document) == said


def sent_properties(mapping: MappingDocument) -> set[str]:
    """The names of the mapped properties that a purchase with all of them gives, its items' included."""
    batch = generated_sample(mapping, connection_of(mapping), 1).batch
    batch["events"][0]["data"]["custom_attributes"] = {"description": "x"}
    (parsed,) = parse_body(msgspec.json.encode(batch), Bounds())
    [outcome] = Mapper(connection_of(mapping)).map_batch(parsed, 1)
    assert isinstance(outcome, Mapped)
    properties = msgspec.json.decode(outcome.payload).get("properties", {})
    [item] = properties.pop("contents", [{}])
    return {*properties, *item} - {"content_type"}


def one_source(kind: str, value: str) -> DraftProperty:
    return DraftProperty((DraftSource(kind, value),))


def test_types_are_said_in_words() -> None:
    """Text unless it is something else."""
    names = ("price", "quantity", "query", "customer_type", "content_ids")
    types = ["number", "whole number", "text", "new or returning", "list, or text with commas"]
    assert [expected_type(name) for name in names] == types


def test_values_are_read_by_their_labels() -> None:
    """A member of a closed choice by its label, anything else as it is."""
    sources = {"price": one_source("product", "total_product_amount"), "value": one_source("attribute", "paid")}
    found = card(DraftMapping("m1", COMMERCE, properties=sources))
    labels = {row.name: row.sources[0].value_label for row in found.rows if row.draft.sources}
    assert labels == {"price": "Total product amount", "value": "paid"}
    assert next(each.label for each in members_of(COMMERCE, "product") or ()) == "ID"


def test_blanks_around_a_name_are_noticed() -> None:
    """They are kept, since they may be meant."""
    draft = DraftMapping(
        "m1", properties={"value": one_source("attribute", "paid "), "currency": one_source("attribute", "in")}
    )
    padded = {row.name: row.sources[0].is_padded for row in card(draft, "Subscribe").rows}
    assert padded == {"value": True, "currency": False, "description": False}


def test_several_sources_have_kinds_of_one_sort() -> None:
    """All of the event or all of the product, and another one until there are five."""
    several = DraftProperty((DraftSource("attribute", "a"), DraftSource("static", "1")))
    of_product = DraftProperty((DraftSource("product", "price"), DraftSource("product_attribute", "p")))
    found = card(DraftMapping("m1", COMMERCE, properties={"price": several, "quantity": of_product}))
    assert choices(found, "price") == ["attribute", "user_attribute", "field", "flag", "static"]
    assert choices(found, "quantity") == ["product", "product_attribute"]
    assert choices(found, "content_id")[0] == ""
    can_add = {row.name: row.can_add_source for row in found.rows}
    assert (can_add["price"], can_add["content_id"]) == (True, False)
    five = DraftProperty((DraftSource("attribute", "a"),) * 5)
    assert not card(DraftMapping("m1", properties={"price": five})).rows[0].can_add_source


def test_properties_that_are_not_shown_can_be_added() -> None:
    """Those that the version of the Events API takes."""
    draft = DraftMapping("m1", properties={"brand": DraftProperty()})
    further = [each.value for each in card(draft, "Subscribe").further]
    assert further[:2] == ["price", "quantity"] and "content_ids" in further
    assert not {"brand", "value", "description"} & set(further)
    target = target_of("Subscribe", "1.0")
    [found] = cards_of([without_unsupported_sources(draft, target)], target, NOBODY, NO_PROBLEMS)
    assert found.further == []


def test_the_first_of_several_mappings_for_one_event_is_named() -> None:
    """Without regard to case, as the mapping compares; unnamed ones do not count."""
    drafts = [DraftMapping(key, event_name=name) for key, name in (("m1", "Signup"), ("m2", ""), ("m3", "SIGNUP"))]
    drafts += [DraftMapping("m4", "screen_view", "Signup"), DraftMapping("m5")]
    assert [each.shadowed_by for each in cards_of(drafts, target_of("Contact"), NOBODY, NO_PROBLEMS)] == [
        None,
        None,
        1,
        None,
        None,
    ]


def test_problems_stand_at_their_rows() -> None:
    """And at the conditions."""
    document: MappingDocument = {
        "event": "Subscribe",
        "event_type": "custom_event",
        "event_name": "a",
        "conditions": [{"attribute": "b", "values": ["c"]}],
        "properties": {},
    }
    target = target_of("Subscribe")
    draft = without_unsupported_sources(draft_of(document, "m1"), target)
    problems = Problems([], {"m1": {"value": ["v"], "conditions[0]": ["c"], "": ["m"]}})
    [found] = cards_of([draft], target, NOBODY, problems)
    assert [row.problems for row in found.rows] == [[], ["v"], []]
    assert [row.problems for row in found.conditions] == [["c"]]
    assert found.problems_at("") == ["m"]
    assert [row.sentence for row in found.conditions] == ["the event attribute b is c"]


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
