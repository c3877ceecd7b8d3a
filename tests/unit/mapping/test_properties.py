"""What holds for any batch whatever: the mapping is total, repeatable, strict JSON, and keeps identities to itself."""

import json
from typing import Any, get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.cases import connection_of
from tests.unit.mapping.batches import RECEIVED_AT_MS, URL
from tiktok_forwarder.domain.outcome import Dropped, DropReason, Mapped, MappingWarning, Outcome
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.explanation.explain import explain
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

REASONS = frozenset(get_args(DropReason))
WARNINGS = frozenset(get_args(MappingWarning))

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["", " ", "12.5", "NaN", "-1", "USD", "web", "purchase", "a@b.example", "https://h/", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def _members(**known: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with any of these members, each as it should be or anything else."""
    return st.fixed_dictionaries({}, optional={name: good | _JSON for name, good in known.items()})


_PRODUCT = _members(
    **{name: st.text(max_size=6) for name in ("id", "name", "brand", "category")},
    price=st.floats(0, 100),
    quantity=st.integers(0, 5),
    total_product_amount=st.floats(0, 100),
    custom_attributes=st.dictionaries(st.just("size"), _JSON),
)
_ACTION = _members(
    action=st.sampled_from(["purchase", "add_to_cart", "View_Detail", "refund"]),
    total_amount=st.floats(0, 1000),
    transaction_id=st.text(max_size=6),
    products=st.lists(_PRODUCT | _JSON, max_size=3),
)
_FLAGS = _members(
    **{"TikTok.URL": st.just(URL), "TikTok.Referrer": st.just(URL), "TikTok.Callback": st.just("E.C.P.a")}
)
_DATA = _members(
    timestamp_unixtime_ms=st.just(RECEIVED_AT_MS - 1),
    source_message_id=st.just("m1"),
    event_name=st.just("Site Search"),
    custom_attributes=st.dictionaries(st.sampled_from(["term", "worth", "description"]), _JSON),
    custom_flags=_FLAGS,
    product_action=_ACTION,
    currency_code=st.just("USD"),
)
_EVENT = _members(event_type=st.sampled_from(["commerce_event", "custom_event", "screen_view"]), data=_DATA)
_IDENTITY = st.text(min_size=8, max_size=30) | st.sampled_from(["+12133734253", "jane.doe@shop.example", "cust-829311"])
_BATCH = _members(
    events=st.lists(_EVENT | _JSON, max_size=3),
    ip=st.just("203.0.113.42"),
    device_info=st.just({"http_header_user_agent": "Mozilla/5.0", "platform": "web"}),
    user_identities=st.dictionaries(st.sampled_from(["email", "customerid", "mobile_number"]), _IDENTITY),
    mpid=st.integers(),
    environment=st.just("production"),
    consent_state=_JSON,
    partner_identities=_JSON,
    user_attributes=_JSON,
)
_CUSTOM = {
    "properties": {
        "content_name": {"product_attribute": "size"},
        "value": {"attribute": "worth"},
        "description": {"user_attribute": "tier"},
    }
}
_SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "events_api": st.sampled_from(["1.0", "2.0"]),
        "anonymous_events": st.sampled_from(["drop", "forward"]),
        "require_ip_and_user_agent": st.booleans(),
        "redact_emails": st.booleans(),
        "sample_percent": st.floats(0, 100),
        "default_phone_region": st.just("US"),
        "consent_purpose": st.just("marketing"),
        "custom_mappings": st.just(
            [
                {"event": "CompletePayment", "event_type": "commerce_event", "event_name": "purchase", **_CUSTOM},
                {
                    "event": "Search",
                    "event_type": "custom_event",
                    "event_name": "site search",
                    "properties": {"query": {"attribute": "term", "required": True}},
                },
            ]
        ),
    },
)


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is not strict JSON")


def _assert_tidy(value: Any) -> None:
    assert value not in (None, "", {}, []), "an absent value was sent"
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for member in members:
        _assert_tidy(member)


def _outcomes(body: bytes, connection: Any) -> list[list[Outcome]]:
    return [Mapper(connection).map_batch(batch, RECEIVED_AT_MS) for batch in parse_body(body, Bounds())]


@settings(max_examples=250, deadline=None)
@given(batch=_BATCH, connection=_SETTINGS)
def test_any_batch_maps_or_drops_with_a_known_reason(batch: dict[str, Any], connection: dict[str, Any]) -> None:
    """Never an exception; the same bytes twice; strict JSON without absent values; every field explained."""
    read = connection_of(connection)
    body = json.dumps(batch).encode()
    outcomes = _outcomes(body, read)
    assert outcomes == _outcomes(body, read)
    for outcome in outcomes[0]:
        if isinstance(outcome, Dropped):
            assert outcome.reason in REASONS
            assert outcome.detail
            continue
        assert set(outcome.warnings) <= WARNINGS
        payload = json.loads(outcome.payload.decode("utf-8"), parse_constant=_refuse_constant)
        _assert_tidy(payload)
        assert payload["event_id"] == outcome.event_id
        for sources in (outcome.sources, None):
            assert all(each.sources and each.transformation for each in explain(outcome.payload, read, sources))


@settings(max_examples=150, deadline=None)
@given(
    identities=st.dictionaries(
        st.sampled_from(["email", "Customer ID", "mobile_number", "other2", "google"]), _IDENTITY, min_size=1
    ),
    connection=_SETTINGS,
)
def test_no_identity_comes_out_raw(identities: dict[str, str], connection: dict[str, Any]) -> None:
    """A value that stands in the identity fields alone is in no outcome, warning or detail."""
    event = {
        "event_type": "commerce_event",
        "data": {
            "source_message_id": "m1",
            "custom_flags": {"TikTok.URL": URL},
            "product_action": {"action": "purchase", "total_amount": 1},
        },
    }
    batch = {"events": [event], "ip": "203.0.113.42", "user_identities": identities}
    (outcomes,) = _outcomes(json.dumps(batch).encode(), connection_of(connection))
    said = b"\n".join(msgspec.json.encode(outcome) for outcome in outcomes).decode()
    payloads = "\n".join(outcome.payload.decode() for outcome in outcomes if isinstance(outcome, Mapped))
    elsewhere = json.dumps({**batch, "user_identities": {}}) + "".join(sorted(WARNINGS | REASONS))
    elsewhere += " ".join((*Mapped.__struct_fields__, *Dropped.__struct_fields__))
    for identity in identities.values():
        text = identity.strip()
        if len(text) >= 8 and text not in elsewhere:
            assert text not in said + payloads
