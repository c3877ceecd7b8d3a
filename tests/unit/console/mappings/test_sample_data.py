"""Made-up samples: whatever a mapping reads is in its sample, so that the preview shows it at work."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given

from tests.unit.console.mappings.documents import Document, connection_of, documents
from tiktok_forwarder.console.mappings.sample_data import sample_batch
from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import ConditionDocument
from tiktok_forwarder.mapping.event import Mapper
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
    body = msgspec.json.encode(sample_batch(mapping, connection, NOW_MS))
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
    condition: ConditionDocument = {"attribute": "list", "values": ["weekly", "daily"]}
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
    assert sample_batch(CART, connection_of(CART, sample_percent=0), NOW_MS)["mpid"] == "1001"


def test_an_unfinished_mapping_has_a_sample_too() -> None:
    """Its preview shows what is missing."""
    draft: Document = {"event_type": "custom_event", "event_name": "", "properties": {"value": {"attribute": ""}}}
    draft["conditions"] = [{"attribute": "", "values": []}]
    batch = sample_batch(draft, connection_of(CART), NOW_MS)
    assert "custom_attributes" not in batch["events"][0]["data"]


def is_plain(mapping: Document) -> bool:
    """Whether conditions and numbers do not contradict each other, as one attribute with two values would."""
    conditions = mapping.get("conditions") or []
    attributes = [each["attribute"] for each in conditions]
    read = {source.get("attribute") for source in mapping["properties"].values()}
    return len(set(attributes)) == len(attributes) and not read & set(attributes)


def fate(outcome: Outcome) -> str:
    return outcome.event if isinstance(outcome, Mapped) else outcome.reason


@given(documents())
def test_the_sample_of_any_mapping_is_one_that_it_matches(mapping: Document) -> None:
    """It becomes the TikTok event, or lacks only what no value can give, such as a required text that is no number."""
    assume(is_plain(mapping))
    [outcome] = outcomes_of(mapping, connection_of(mapping))
    assert fate(outcome) in (mapping["event"], "missing_required_attribute")
