"""Made-up samples: whatever a mapping reads is in its sample, so that the preview shows it at work."""

from typing import Any

import msgspec
import pytest
from hypothesis import given

from tests.unit.console.mappings.documents import Document, connection_of, documents
from tiktok_forwarder.console.mappings.sample_data import generated_sample
from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.fields import STANDARD_EVENTS
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

NOW_MS = 1_735_689_660_123
CART: Document = {
    "event": "AddToCart",
    "event_type": "commerce_event",
    "event_name": "checkout_option",
    "properties": {
        "price": {"product": "total_product_amount", "required": True},
        "content_id": {"product_attribute": "number", "required": True},
        "value": {"field": "tax_amount", "required": True},
        "currency": {"user_attribute": "pays in", "required": True},
        "description": {"field": "coupon_code", "required": True},
    },
}


def outcomes_of(mapping: Document, connection: Connection) -> list[Outcome]:
    body = msgspec.json.encode(generated_sample(mapping, connection, NOW_MS).batch)
    (batch,) = parse_body(body, Bounds())
    return Mapper(connection).map_batch(batch, NOW_MS)


def payload_of(mapping: Document, **settings: Any) -> Any:
    [outcome] = outcomes_of(mapping, connection_of(mapping, **settings))
    assert isinstance(outcome, Mapped), outcome
    return msgspec.json.decode(outcome.payload)


def test_every_kind_of_source_has_a_value() -> None:
    """Required ones, so that the mapping would give nothing if one of them were lacking."""
    properties = payload_of(CART)["properties"]
    assert properties["contents"][0]["content_id"] == "SKU-3310"
    assert (properties["value"], properties["currency"], properties["description"]) == (24.6, "USD", "SUMMER")


def test_attributes_have_the_type_of_what_they_become() -> None:
    """An attribute that is read as text and as a number is a number."""
    mapping: Document = {
        "event": "AddToCart",
        "event_type": "custom_event",
        "event_name": "Basket",
        "properties": {
            name: {"attribute": "one", "required": True}
            for name in ("description", "quantity", "content_name", "price")
        },
    }
    assert payload_of(mapping)["properties"]["contents"][0] == {"price": 149, "quantity": 149, "content_name": "149"}


def test_conditions_hold() -> None:
    """The attribute has the first of the values, also where a property reads it."""
    condition = {"attribute": "list", "values": ["weekly", "daily"]}
    mapping: Document = {
        "event": "Subscribe",
        "event_type": "custom_event",
        "event_name": "Signup",
        "custom_event_type": "social",
        "conditions": [condition],
        "properties": {"description": {"attribute": "list", "required": True}},
    }
    assert payload_of(mapping)["properties"]["description"] == "weekly"


@pytest.mark.parametrize(
    "settings",
    [
        {"environment": "production"},
        {"environment": "development"},
        {"consent_purpose": "Advertising"},
        {"sample_percent": 1},
        {
            "email_identity_type": "other",
            "phone_identity_type": "phone_number_2",
            "external_identity_type": "other_id_5",
        },
        {"page_url_fallback": False, "max_event_age_days": 1},
        {"events_api": "1.0"},
        {"ccpa_opt_out": "drop", "anonymous_events": "drop"},
    ],
)
def test_the_sample_user_is_one_whom_the_connection_accepts(settings: dict[str, Any]) -> None:
    """Consent, environment, sample of users, identities: none of it drops the sample."""
    assert payload_of(CART, **settings)["event"] == "AddToCart"


def test_a_connection_that_takes_nobody_gets_a_sample_all_the_same() -> None:
    """The preview then says why it would be dropped."""
    assert generated_sample(CART, connection_of(CART, sample_percent=0), NOW_MS).batch["mpid"] == "1001"


def test_an_unfinished_mapping_has_a_sample_too() -> None:
    """Its preview shows what is missing."""
    draft: Document = {"event_type": "custom_event", "event_name": "", "properties": {"value": {"attribute": ""}}}
    draft["conditions"] = [{"attribute": "", "values": []}]
    batch = generated_sample(draft, connection_of(CART), NOW_MS).batch
    assert "custom_attributes" not in batch["events"][0]["data"]


def sample_of(*conditions: dict[str, Any], **settings: Any) -> tuple[Outcome, list[str]]:
    """What becomes of a sample for these conditions, and those that it does not meet."""
    mapping: Any = {**CART, "conditions": list(conditions)}
    connection = connection_of(mapping, **settings)
    [outcome] = outcomes_of(mapping, connection)
    return outcome, generated_sample(mapping, connection, NOW_MS).unmet


@pytest.mark.parametrize(
    "conditions",
    [
        [{"user_attribute": "pays in", "is": ["EUR"]}, {"user_attribute": "role", "exists": True}],
        [{"flag": "Shop.Points", "at_least": 5}, {"flag": "Shop.Points", "at_most": 5.5}],
        [{"flag": "Hide", "exists": False}, {"attribute": "list", "is_not": ["sample"]}],
        [{"field": "tax_amount", "at_least": 1000}, {"field": "transaction_id", "starts_with": ["A-"]}],
        [{"field": "checkout_step", "exists": True}, {"field": "affiliation", "is_not": ["Web shop"]}],
        [{"field": "currency_code", "is": ["SEK"]}, {"field": "name", "contains": ["option"]}],
        [{"product": "quantity", "at_least": 3}, {"product": "quantity", "is_not": ["3", "4"]}],
        [{"product": "category", "exists": False}, {"product": "brand", "contains": ["Acme"]}],
        [{"event_type": True, "is": ["commerce_event"]}, {"event_name": True, "starts_with": ["checkout"]}],
        [{"tiktok_event": True, "is_not": ["Purchase"]}, {"tiktok_event": True, "contains": ["cart"]}],
        [{"page_host": True, "is": ["WWW.example.com"]}, {"page_path": True, "contains": ["thanks"]}],
        [{"page_path": True, "starts_with": ["/se/", "/se/shop/"]}, {"page_path": True, "is_not": ["/se/", "/se/1"]}],
        [{"identity": "email", "exists": True}, {"identity": "phone", "exists": False}],
        [{"attribute": "a", "starts_with": ["x", "xyz"]}, {"attribute": "a", "contains": ["b", "c"]}],
        [{"attribute": "a", "at_least": 1}, {"attribute": "a", "at_most": 2}, {"attribute": "a", "is_not": ["1", "2"]}],
        [{"attribute": "a", "at_most": -5}],
    ],
)
def test_every_kind_of_condition_is_met(conditions: list[dict[str, Any]]) -> None:
    """Alone and with others on the same value."""
    outcome, unmet = sample_of(*conditions)
    assert (fate(outcome), unmet) == ("AddToCart", [])


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ({"event_name": True, "is": ["purchase"]}, "the event name is purchase"),
        ({"page_host": True, "is": ["no host"]}, "the page host is no host"),
        ({"page_host": True, "exists": False}, "the page host does not exist"),
        ({"tiktok_event": True, "starts_with": ["View"]}, "the TikTok event starts with View"),
        ({"identity": "phone", "exists": True}, "there is a phone number"),
        ({"product": "price", "at_least": 1e308}, None),
    ],
)
def test_a_condition_that_no_sample_meets_is_named(condition: dict[str, Any], sentence: str | None) -> None:
    """The reader then knows why the preview does not show the mapping's event."""
    outcome, unmet = sample_of(condition, omit=["phone"])
    assert unmet == ([sentence] if sentence else [])
    assert isinstance(outcome, Mapped) == (sentence is None)


def test_conditions_that_contradict_each_other_are_named() -> None:
    """All on the same value, since each of them may be the wrong one."""
    _, unmet = sample_of({"attribute": "n", "at_least": 5}, {"attribute": "n", "at_most": 4})
    assert unmet == ["the event attribute n is at least 5", "the event attribute n is at most 4"]


def test_each_of_several_sources_has_a_value() -> None:
    """Also flags, and products where the sources are theirs."""
    mapping: Document = {
        "event": "Quiz_Done",
        "event_type": "commerce_event",
        "event_name": "purchase",
        "properties": {
            "value": {"first": [{"flag": "Shop.Value"}, {"attribute": "net"}], "required": True},
            "content_id": {"first": [{"product_attribute": "gtin"}, {"product": "id"}], "required": True},
            "customer_type": {"flag": "Shop.Customer", "required": True},
            "content_ids": {"attribute": "plans", "required": True},
            "shop_id": {"user_attribute": "shop", "required": True},
            "predicted_ltv": {"attribute": "ltv", "required": True},
        },
    }
    batch = generated_sample(mapping, connection_of(mapping), NOW_MS).batch
    data = batch["events"][0]["data"]
    assert data["custom_flags"]["Shop.Value"] == "298" and data["custom_attributes"]["net"] == 298
    assert data["product_action"]["products"][0]["custom_attributes"] == {"gtin": "SKU-3310"}
    properties = payload_of(mapping)["properties"]
    assert (properties["value"], properties["customer_type"], properties["shop_id"]) == (298, "returning", "shop-7")
    assert properties["content_ids"] == ["SKU-3310", "SKU-3311"]


@pytest.mark.parametrize(
    "sources",
    [
        {"page_url": [{"attribute": "href"}]},
        {"page_url": [{"field": "page_url"}], "ip": [{"flag": "Shop.Ip"}]},
        {"user_agent": [{"user_attribute": "agent"}, {"field": "user_agent"}]},
    ],
)
def test_what_every_event_has_stands_where_the_connection_takes_it_from(sources: dict[str, Any]) -> None:
    """Without a page URL or an IP address the sample would be dropped."""
    assert payload_of(CART, sources=sources)["page"]["url"] == "https://shop.example.com/sample"


def fate(outcome: Outcome) -> str:
    return outcome.event if isinstance(outcome, Mapped) else outcome.reason


@given(documents())
def test_the_sample_of_any_mapping_is_one_that_it_matches(mapping: Document) -> None:
    """Or it names conditions that it does not meet, or lacks what no value can give, such as a text as a number."""
    connection = connection_of(mapping)
    [outcome] = outcomes_of(mapping, connection)
    unmet = generated_sample(mapping, connection, NOW_MS).unmet
    if unmet:
        assert fate(outcome) in ("unsupported_event", "missing_identity", *STANDARD_EVENTS.values())
    else:
        assert fate(outcome) in (mapping["event"], "missing_required_attribute", "missing_identity")
