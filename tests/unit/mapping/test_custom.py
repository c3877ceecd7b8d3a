"""Custom mappings: which events they match and what they send."""

import json
import math
from typing import Any

import pytest

from tests.golden.cases import connection_of
from tests.unit.mapping.batches import URL, Members, batch_of, one_mapped, order, outcomes_of, reason_of
from tiktok_forwarder.domain.outcome import Dropped, Mapped
from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.custom_properties import PropertyReader
from tiktok_forwarder.mapping.sources import Occurrence
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.tiktok.events import EVENTS


def _custom(attributes: Any = None, **data: Any) -> Members:
    members = {"event_name": "Site Search", "custom_event_type": "search", "custom_flags": {"TikTok.URL": URL}}
    return {"event_type": "custom_event", "data": {**members, "custom_attributes": attributes, **data}}


def _mapping(event: str = "Search", **members: Any) -> Members:
    return {"event": event, "event_type": "custom_event", "event_name": "site search", **members}


def _commerce(event: str, properties: Members, name: str = "purchase") -> Members:
    return _mapping(event, event_type="commerce_event", event_name=name, properties=properties)


def _properties(event: Members, mapping: Members, **settings: Any) -> tuple[Members, set[str]]:
    payload, warnings = one_mapped(batch_of(event), custom_mappings=[mapping], **settings)
    return payload.get("properties", {}), warnings


@pytest.mark.parametrize(
    ("members", "matches"),
    [
        ({}, True),
        ({"event_name": "SITE SEARCH "}, True),
        ({"event_name": "Search"}, False),
        ({"custom_event_type": "SEARCH"}, True),
        ({"custom_event_type": "other"}, False),
        ({"conditions": [{"attribute": "results", "values": ["2", "many"]}]}, True),
        ({"conditions": [{"attribute": "results", "values": [2]}]}, True),
        ({"conditions": [{"attribute": "results", "values": ["3"]}]}, False),
        ({"conditions": [{"attribute": "place", "values": ["TOP"]}, {"attribute": "results", "values": ["2"]}]}, True),
        ({"conditions": [{"attribute": "place", "values": ["top"]}, {"attribute": "none", "values": ["2"]}]}, False),
        ({"event_type": "screen_view"}, False),
    ],
)
def test_match(members: Members, matches: bool) -> None:
    """Type, name, custom type and all conditions; texts without regard to case."""
    reason = reason_of(batch_of(_custom({"results": 2, "place": "Top"})), custom_mappings=[_mapping(**members)])
    assert reason == (None if matches else "unsupported_event")


NO_ATTRIBUTES: list[Any] = [None, {}, [], ["results"], "results", 2]


@pytest.mark.parametrize("members", [{}, *({"custom_attributes": each} for each in NO_ATTRIBUTES)])
def test_condition_fails_when_the_event_has_no_attributes(members: Members) -> None:
    """What is not there equals no value, and the event's other mappings are tried all the same."""
    event = _custom()
    del event["data"]["custom_attributes"]
    event["data"] |= members
    conditional = _mapping(conditions=[{"attribute": "results", "values": ["2"]}])
    assert reason_of(batch_of(event), custom_mappings=[conditional]) == "unsupported_event"
    assert one_mapped(batch_of(event), custom_mappings=[conditional, _mapping("Contact")])[0]["event"] == "Contact"


@pytest.mark.parametrize("value", [None, "", " ", [], ["2"], {"2": "2"}])
def test_condition_fails_when_the_attribute_is_no_text(value: Any) -> None:
    """Blank values, lists and objects equal none of the condition's texts."""
    conditional = _mapping(conditions=[{"attribute": "results", "values": ["2"]}])
    assert reason_of(batch_of(_custom({"results": value})), custom_mappings=[conditional]) == "unsupported_event"


@pytest.mark.parametrize("source", ["attribute", "user_attribute"])
@pytest.mark.parametrize("holder", [None, {}, [], "term", 5])
def test_source_gives_nothing_when_what_holds_it_is_missing(source: str, holder: Any) -> None:
    """An event or a user without attributes is sent without the property, and without a warning."""
    batch = batch_of(_custom(holder), user_attributes=holder)
    payload, warnings = one_mapped(batch, custom_mappings=[_mapping(properties={"query": {source: "term"}})])
    assert ("properties" in payload, warnings) == (False, set())


def test_screen_views_match_by_screen_name() -> None:
    """A screen's name is its event's name."""
    event = {"event_type": "Screen_View", "data": {"screen_name": "Shoe", "page_url": URL}}
    mapping = _mapping("ViewContent", event_type="screen_view", event_name="shoe")
    mapping["properties"] = {"content_name": {"field": "name"}}
    assert _properties(event, mapping)[0]["contents"] == [{"content_name": "Shoe"}]


@pytest.mark.parametrize(("version", "name"), [("1.0", "query"), ("2.0", "search_string")])
def test_query_is_named_by_version(version: str, name: str) -> None:
    """Numbers and booleans become text."""
    mapping = _mapping(properties={"query": {"attribute": "term"}, "description": {"user_attribute": "vip"}})
    batch = batch_of(_custom({"term": 7}), user_attributes={"vip": True})
    payload, _ = one_mapped(batch, custom_mappings=[mapping], events_api=version)
    assert payload["properties"] == {"description": "true", name: "7"}


@pytest.mark.parametrize(
    ("value", "warnings"),
    [(None, set()), (" ", set()), ([1], {"mistyped_attribute"}), ({"a": 1}, {"mistyped_attribute"})],
)
def test_text_that_does_not_convert_is_absent(value: Any, warnings: set[str]) -> None:
    """Only a value of the wrong kind is worth a warning."""
    mapping = _mapping(properties={"query": {"attribute": "term"}})
    assert _properties(_custom({"term": value}), mapping) == ({}, warnings)


@pytest.mark.parametrize(
    ("value", "sent", "warnings"),
    [
        ("12.50", 12.5, {"missing_currency"}),
        ("cheap", None, {"mistyped_attribute"}),
        (True, None, {"mistyped_attribute"}),
        (-1, None, {"invalid_value"}),
        ("nan", None, {"mistyped_attribute"}),
        (math.nan, None, {"invalid_value"}),
        ("", None, set()),
    ],
)
def test_mapped_value_obeys_the_rules_of_values(value: Any, sent: float | None, warnings: set[str]) -> None:
    """And a value without a currency is told."""
    mapping = _mapping("Subscribe", properties={"value": {"attribute": "worth"}})
    properties, given = _properties(_custom({"worth": value}), mapping)
    assert (properties.get("value"), given) == (sent, warnings)


@pytest.mark.parametrize(
    ("price", "sent", "warnings"),
    [
        ("9.50", 9.5, set()),
        (0, 0, set()),
        (-1.5, None, {"invalid_value"}),
        ("-1.5", None, {"invalid_value"}),
        (math.inf, None, {"invalid_value"}),
        ("cheap", None, {"mistyped_attribute"}),
        (" ", None, set()),
    ],
)
def test_mapped_price_obeys_the_rules_of_prices(price: Any, sent: float | None, warnings: set[str]) -> None:
    """A price from an attribute is left out for the same reasons as a product's."""
    mapping = _mapping("AddToCart", properties={"content_id": {"static": "a"}, "price": {"attribute": "price"}})
    properties, given = _properties(_custom({"price": price}), mapping)
    assert (properties["contents"][0].get("price"), given) == (sent, warnings)


@pytest.mark.parametrize(
    ("quantity", "sent", "warnings"),
    [
        (4, 4, set()),
        ("4", 4, set()),
        (2.0, 2, set()),
        (2.5, 3, {"quantity_rounded"}),
        ("2.4", 2, {"quantity_rounded"}),
        (0, 1, {"quantity_rounded"}),
        (-3, 1, {"quantity_rounded"}),
        ("NaN", None, {"mistyped_attribute"}),
        (math.inf, None, {"invalid_value"}),
        ("many", None, {"mistyped_attribute"}),
        (True, None, {"mistyped_attribute"}),
        ([], None, {"mistyped_attribute"}),
        ("", None, set()),
    ],
)
def test_mapped_quantity_is_sent_whole(quantity: Any, sent: int | None, warnings: set[str]) -> None:
    """TikTok takes integers only, wherever a quantity comes from, and `num_items` is their sum."""
    mapping = _mapping("AddToCart", properties={"content_id": {"static": "a"}, "quantity": {"attribute": "count"}})
    properties, given = _properties(_custom({"count": quantity}), mapping)
    found = (properties["contents"][0].get("quantity"), properties.get("num_items"))
    assert (found, given) == ((sent, sent), warnings)
    assert {type(each) for each in found} == {type(sent)}


def test_mapped_quantities_of_products_are_rounded_one_by_one() -> None:
    """The number of items is the sum of the quantities as they are sent, so that TikTok can check it."""
    products = [{"id": "a", "custom_attributes": {"packs": 1.5}}, {"id": "b", "custom_attributes": {"packs": "2.5"}}]
    mapping = _commerce("CompletePayment", {"quantity": {"product_attribute": "packs"}})
    properties, warnings = _properties(order(total_amount=1, products=products), mapping)
    assert [content["quantity"] for content in properties["contents"]] == [2, 3]
    assert (properties["num_items"], warnings) == (5, {"quantity_rounded"})


def test_static_quantity_is_sent_whole() -> None:
    """A fraction in the settings is rounded as one in an event is."""
    mapping = _mapping("AddToCart", properties={"quantity": {"static": 2.5}})
    properties, warnings = _properties(_custom(), mapping)
    assert (properties["contents"], properties["num_items"], warnings) == ([{"quantity": 3}], 3, {"quantity_rounded"})


def test_default_currency_accompanies_a_mapped_value() -> None:
    """As it does with a standard event."""
    mapping = _mapping("Subscribe", properties={"value": {"static": 5}})
    assert _properties(_custom(), mapping, default_currency="EUR") == ({"currency": "EUR", "value": 5}, set())


@pytest.mark.parametrize("value", [None, "", [], -1, "x"])
def test_mapping_without_its_required_property_yields_nothing(value: Any) -> None:
    """What the rules would leave out counts as lacking."""
    mapping = _mapping("Subscribe", properties={"value": {"attribute": "worth", "required": True}})
    assert reason_of(batch_of(_custom({"worth": value})), custom_mappings=[mapping]) == "missing_required_attribute"


def test_required_property_that_the_connection_omits_is_named() -> None:
    """The site sent it: the drop says that the setting is the cause, and says so only then."""
    required = _mapping("Search", properties={"query": {"attribute": "term", "required": True}})
    batch = batch_of(_custom({"term": "shoes"}))
    (dropped,) = outcomes_of(batch, custom_mappings=[required], omit=["search_string"])
    assert isinstance(dropped, Dropped) and dropped.reason == "missing_required_attribute"
    assert "requires query, which the connection omits (setting omit)" in dropped.detail
    (lacking,) = outcomes_of(batch_of(_custom()), custom_mappings=[required], omit=["description"])
    assert isinstance(lacking, Dropped) and "no usable value" in lacking.detail


def test_required_currency_must_be_given() -> None:
    """The connection's default does not stand in for what the mapping demands."""
    mapping = _mapping("Subscribe", properties={"currency": {"attribute": "money", "required": True}})
    assert reason_of(batch_of(_custom()), custom_mappings=[mapping], default_currency="EUR") is not None
    assert reason_of(batch_of(_custom({"money": "usd"})), custom_mappings=[mapping]) is None


def test_every_matching_mapping_yields_one_event_in_order() -> None:
    """Of several to the same TikTok event the first that has what it requires."""
    mappings = [
        _mapping("Contact", properties={"description": {"attribute": "none", "required": True}}),
        _mapping("Search"),
        _mapping("Contact", properties={"description": {"static": "second"}}),
        _mapping("Contact", properties={"description": {"static": "third"}}),
    ]
    outcomes = outcomes_of(batch_of(_custom()), custom_mappings=mappings)
    names = [outcome.event for outcome in outcomes if isinstance(outcome, Mapped)]
    assert names == ["Search", "Contact"]
    assert b"second" in [outcome.payload for outcome in outcomes if isinstance(outcome, Mapped)][1]


def test_standard_mapping_runs_only_if_no_custom_one_yields() -> None:
    """It is the fallback of a mapping that lacks what it requires."""
    event = order(total_amount=1)
    required = {"description": {"attribute": "none", "required": True}}
    assert one_mapped(batch_of(event), custom_mappings=[_commerce("Contact", required)])[0]["event"] == "PlaceAnOrder"
    assert one_mapped(batch_of(event), custom_mappings=[_commerce("Contact", {})])[0]["event"] == "Contact"


PRODUCTS = [
    {"id": "a", "name": "A", "brand": "B", "price": 2, "quantity": 2, "custom_attributes": {"size": "L"}},
    {"id": "b", "category": "c", "price": 3, "quantity": 1},
]


def test_product_sources_make_an_item_per_product_filled_up_from_it() -> None:
    """What the mapping does not name comes from the product."""
    mapping = _commerce("CompletePayment", {"content_name": {"product_attribute": "size"}})
    properties, _ = _properties(order(products=PRODUCTS, transaction_id="o1"), mapping)
    assert properties["contents"] == [
        {"price": 2, "quantity": 2, "content_id": "a", "content_name": "L", "brand": "B"},
        {"price": 3, "quantity": 1, "content_id": "b", "content_category": "c"},
    ]
    assert properties["content_ids"] == ["a", "b"]
    assert (properties["num_items"], properties["value"], properties["order_id"]) == (3, 7, "o1")


@pytest.mark.parametrize("holder", [None, {}, [], "size"])
def test_product_without_attributes_keeps_its_own_values(holder: Any) -> None:
    """A mapped property that a product lacks is left out, and the product's other values are sent."""
    mapping = _commerce("CompletePayment", {"content_name": {"product_attribute": "size"}})
    products = [{"id": "a"}, {"id": "b", "custom_attributes": holder}]
    properties, warnings = _properties(order(total_amount=1, products=products), mapping)
    assert (properties["contents"], warnings) == ([{"content_id": "a"}, {"content_id": "b"}], set())


@pytest.mark.parametrize(
    ("mapping", "items"),
    [
        (_commerce("CompletePayment", {}), None),
        (_commerce("CompletePayment", {"content_name": {"product_attribute": "size", "required": True}}), "i-"),
    ],
)
def test_mapping_notes_which_products_became_items(mapping: Members, items: str | None) -> None:
    """An explanation of the event names the products that its items are made of; nothing is noted if all became one."""
    connection = connection_of({"custom_mappings": [mapping]})
    (batch,) = parse_body(json.dumps(batch_of(order(products=PRODUCTS))).encode(), Bounds())
    (event,) = batch.events or [None]
    assert event is not None and event.data is not None
    occurrence = Occurrence(batch, event, event.data, "commerce_event")
    sources: FieldSources = {}
    (read,) = connection.custom_mappings
    reader = PropertyReader(connection, read, EVENTS[read.event], occurrence, frozenset(), [], sources)
    contents = reader.properties().contents
    assert sources.get("items") == items
    assert len(contents or ()) == (items or "ii").count("i")


def test_product_that_lacks_a_required_property_is_skipped() -> None:
    """With none left the mapping yields nothing, and the standard one runs."""
    required = {"content_name": {"product_attribute": "size", "required": True}, "price": {"product": "price"}}
    properties, _ = _properties(order(products=PRODUCTS), _commerce("CompletePayment", required))
    assert properties["content_ids"] == ["a"]
    batch = batch_of(order(products=PRODUCTS[1:]))
    assert one_mapped(batch, custom_mappings=[_commerce("CompletePayment", required)])[0]["event"] == "PlaceAnOrder"


def test_other_sources_make_one_item_and_add_nothing_of_the_products() -> None:
    """Value and currency are filled up all the same."""
    mapping = _commerce("CompletePayment", {"content_id": {"field": "coupon_code"}, "price": {"static": 9}})
    properties, _ = _properties(order(products=PRODUCTS, coupon_code="SALE"), mapping)
    assert properties["contents"] == [{"price": 9, "content_id": "SALE"}]
    assert (properties["value"], properties["currency"], "num_items" in properties) == (7, "USD", False)


def test_event_without_contents_gets_only_what_it_supports() -> None:
    """Subscribe takes value and currency, Contact neither; both a description."""
    event = order(total_amount=5, transaction_id="o1", products=PRODUCTS)
    event["data"]["custom_attributes"] = {"description": "d"}
    assert _properties(event, _commerce("Subscribe", {}))[0] == {"currency": "USD", "value": 5, "description": "d"}
    assert _properties(event, _commerce("Contact", {}))[0] == {"description": "d"}


def test_1_0_items_name_their_content_type() -> None:
    """As standard ones do."""
    mapping = _commerce("CompletePayment", {"content_name": {"static": "n"}})
    properties, _ = _properties(order(total_amount=1), mapping, events_api="1.0")
    assert properties["contents"] == [{"content_name": "n", "content_type": "product"}]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("transaction_id", "o9"),
        ("affiliation", "aff"),
        ("tax_amount", "1.5"),
        ("checkout_step", "2"),
        ("currency_code", "USD"),
        ("name", "Purchase"),
    ],
)
def test_fields_of_the_commerce_event(field: str, value: str) -> None:
    """The name is the product action that the mapping matched."""
    event = order(action="Purchase", transaction_id="o9", affiliation="aff", tax_amount=1.5, checkout_step=2)
    assert _properties(event, _commerce("Contact", {"description": {"field": field}}))[0] == {"description": value}


def test_mistyped_values_of_skipped_products_are_no_warning() -> None:
    """Warnings concern what is sent."""
    products = [{"id": "a", "price": -1}, {"id": "b", "custom_attributes": {"size": "L"}}]
    required = {"content_name": {"product_attribute": "size", "required": True}}
    _, warnings = _properties(order(total_amount=1, products=products), _commerce("CompletePayment", required))
    assert warnings == set()
