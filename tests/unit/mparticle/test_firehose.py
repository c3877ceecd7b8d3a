"""Firehose requests (form F) give the same batch as the Events API's form A, member by member."""

import json
from typing import Any

import pytest

from tiktok_forwarder.mparticle.batch import Batch, EventData
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

ACTION = {
    "action": "purchase",
    "transaction_id": "o1",
    "affiliation": "web shop",
    "coupon_code": "SALE",
    "total_amount": 12.5,
    "shipping_amount": 2,
    "tax_amount": 0.5,
    "checkout_options": "card",
    "checkout_step": 3,
    "product_list_source": "search",
    "product_action_list": "results",
}
PRODUCT = {
    "id": "p1",
    "name": "Shoe",
    "category": "shoes",
    "brand": "Northbank",
    "variant": "blue",
    "price": 5,
    "quantity": 2,
    "position": 1,
    "coupon_code": "TWO",
}
FLAGS = {
    "TikTok.URL": "https://shop.example.com/",
    "TikTok.Referrer": "https://a.example/",
    "TikTok.Callback": "E.C.P.a",
}
GDPR = {"marketing": {"consented": True}}
CCPA = {"data_sale_opt_out": {"consented": False}}

REQUEST: dict[str, Any] = {
    "type": "event_processing_request",
    "mpid": "7346244611012968789",
    "timestamp_ms": 1735689610999,
    "runtime_environment": {
        "type": "mobileweb",
        "is_debug": False,
        "client_ip_address": "203.0.113.42",
        "http_header_user_agent": "Mozilla/5.0",
    },
    "user_identities": [
        {"type": "email", "value": "a" * 64, "encoding": "sha256"},
        {"type": "customer", "value": "c-1"},
    ],
    "partner_identities": [{"type": "tiktok_cookie_id", "value": "2abc", "encoding": "raw"}],
    "user_attributes": {"$Country": "US"},
    "consent_state": {"gdpr_consent_state": GDPR, "ccpa_consent_state": CCPA},
    "events": [
        {
            "type": "product_action",
            "timestamp_ms": 1735689600123,
            "source_id": "s1",
            "id": "e1",
            "currency_code": "USD",
            "custom_flags": FLAGS,
            "attributes": {"store": "web"},
            "products": [{**PRODUCT, "total_amount": 10, "attributes": {"size": "L"}}],
            **ACTION,
        },
        {"type": "custom_event", "name": "Site Search", "custom_event_type": "search", "attributes": {"term": "shoe"}},
        {"type": "screen_view", "screen_name": "Order complete"},
    ],
}
BATCH: dict[str, Any] = {
    "mpid": "7346244611012968789",
    "timestamp_unixtime_ms": 1735689610999,
    "environment": "production",
    "ip": "203.0.113.42",
    "device_info": {"platform": "mobileweb", "http_header_user_agent": "Mozilla/5.0"},
    "user_identities": [
        {"identity_type": "email", "identity": "a" * 64, "encoding": "sha256"},
        {"identity_type": "customer", "identity": "c-1", "encoding": None},
    ],
    "partner_identities": [{"identity_type": "tiktok_cookie_id", "identity": "2abc", "encoding": "raw"}],
    "user_attributes": {"$Country": "US"},
    "consent_state": {"gdpr": GDPR, "ccpa": CCPA},
    "events": [
        {
            "event_type": "commerce_event",
            "data": {
                "timestamp_unixtime_ms": 1735689600123,
                "source_message_id": "s1",
                "event_id": "e1",
                "currency_code": "USD",
                "custom_flags": FLAGS,
                "custom_attributes": {"store": "web"},
                "product_action": {
                    **ACTION,
                    "products": [{**PRODUCT, "total_product_amount": 10, "custom_attributes": {"size": "L"}}],
                },
            },
        },
        {
            "event_type": "custom_event",
            "data": {
                "event_name": "Site Search",
                "custom_event_type": "search",
                "custom_attributes": {"term": "shoe"},
            },
        },
        {"event_type": "screen_view", "data": {"screen_name": "Order complete"}},
    ],
}


def _parsed(body: dict[str, Any]) -> Batch:
    (batch,) = parse_body(json.dumps(body).encode(), Bounds())
    return batch


def _data(**members: Any) -> EventData:
    """The data of a request's only event, of a product action unless `members` say otherwise."""
    (event,) = _parsed({**REQUEST, "events": [{"type": "product_action", **members}]}).events or [None]
    assert event is not None and event.data is not None
    return event.data


def test_firehose_request_reads_as_the_same_batch() -> None:
    """Every member of form F lands where form A has it, so that both map to the same TikTok events."""
    assert _parsed(REQUEST) == _parsed(BATCH)


def test_firehose_requests_are_read_in_a_list() -> None:
    """A request among batches is known by its own type."""
    batches = parse_body(json.dumps([BATCH, REQUEST, {"mpid": 2}]).encode(), Bounds())
    assert batches == [_parsed(BATCH), _parsed(BATCH), Batch(mpid=2)]


@pytest.mark.parametrize(
    ("kind", "event_type"),
    [
        ("product_action", "commerce_event"),
        ("promotion_action", "commerce_event"),
        ("impression", "commerce_event"),
        (" Impression ", "commerce_event"),
        ("custom_event", "custom_event"),
        ("screen_view", "screen_view"),
        ("push_message_receipt", "push_message_receipt"),
        (5, 5),
        (None, None),
    ],
)
def test_firehose_event_types_are_translated(kind: Any, event_type: Any) -> None:
    """Only a product action has an action, and what no other form knows keeps its name for the reason of its drop."""
    (event,) = _parsed({**REQUEST, "events": [{"type": kind, "action": "purchase"}]}).events or [None]
    assert event is not None and event.data is not None
    assert event.event_type == event_type
    assert (event.data.product_action is not None) == (kind == "product_action")


@pytest.mark.parametrize(
    ("is_debug", "environment"),
    [(True, "development"), (False, "production"), (None, "production"), ("true", "production"), (1, "production")],
)
def test_firehose_debug_mark_names_the_environment(is_debug: Any, environment: str) -> None:
    """Only true is development, as mParticle writes it."""
    runtime = {**REQUEST["runtime_environment"], "is_debug": is_debug}
    assert _parsed({**REQUEST, "runtime_environment": runtime}).environment == environment


@pytest.mark.parametrize("wrong", [None, 5, "x", [], [1]])
def test_firehose_members_of_the_wrong_shape_cost_themselves(wrong: Any) -> None:
    """A member that cannot be read counts as absent, and the rest of the request is read."""
    batch = _parsed({**REQUEST, "runtime_environment": wrong, "consent_state": wrong})
    assert (batch.ip, batch.environment, batch.consent_state) == (
        None,
        "production",
        _parsed({"consent_state": {}}).consent_state,
    )
    assert batch.device_info is not None and batch.device_info.platform is None
    assert batch.events == _parsed(BATCH).events
    assert not _parsed({**REQUEST, "user_identities": wrong}).user_identities
    assert not _parsed({**REQUEST, "partner_identities": wrong}).partner_identities


def test_firehose_events_that_are_no_objects_are_malformed() -> None:
    """Broken events are counted one by one, and a value that is no list as one."""
    events = REQUEST["events"]
    found = _parsed({**REQUEST, "events": [5, events[2], None, "x"]}).events or []
    assert [event is not None for event in found] == [False, True, False, False]
    assert _parsed({**REQUEST, "events": {"a": 1}}).events == [None]
    assert _parsed({**REQUEST, "events": None}).events is None


def test_firehose_identities_that_are_no_objects_are_skipped() -> None:
    """An entry that is no object costs the user none of the other identities."""
    entries = ["x", None, *REQUEST["user_identities"]]
    assert _parsed({**REQUEST, "user_identities": entries}) == _parsed(BATCH)


def test_firehose_products_take_either_spelling() -> None:
    """Firehose's own names count first, and the Events API's are used where those are absent."""
    both = {"total_amount": 1, "total_product_amount": 2, "attributes": {"a": 1}, "custom_attributes": {"b": 2}}
    other = {"total_product_amount": 2, "custom_attributes": {"b": 2}}
    action = _data(products=[both, other, 5]).product_action
    assert action is not None
    found = [(product.total_product_amount, product.custom_attributes) for product in action.products or ()]
    assert found == [(1, {"a": 1}), (2, {"b": 2})]
    for wrong in (None, 5, {"id": "p1"}):
        action = _data(products=wrong).product_action
        assert action is not None and action.products is None
