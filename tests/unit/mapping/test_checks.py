"""The checks in their order: the first that fails gives the reason."""

import json
from typing import Any

import pytest

from tests.golden.cases import connection_of
from tests.unit.mapping.batches import (
    RECEIVED_AT_MS,
    URL,
    Members,
    batch_of,
    one_mapped,
    order,
    outcomes_of,
    purchase,
    reason_of,
)
from tiktok_forwarder.domain.outcome import Dropped, Outcome
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    "event",
    [
        None,
        5,
        [],
        "x",
        {},
        {"event_type": "a"},
        {"data": {}},
        {"event_type": " ", "data": {}},
        {"event_type": 5, "data": {}},
        {"event_type": "a", "data": []},
        {"event_type": "a", "data": None},
    ],
)
def test_malformed_event(event: Any) -> None:
    """Only text names a type, and data must be an object; it is told before anything about the connection."""
    assert reason_of(batch_of(event), enabled=False) == "malformed_event"


def test_disabled_connection_drops_everything() -> None:
    """Also what another check would refuse."""
    assert reason_of(batch_of(purchase(), environment="development"), enabled=False) == "connection_disabled"


@pytest.mark.parametrize(
    ("environment", "setting", "reason"),
    [
        ("Development", "development", None),
        ("development", "production", "environment_mismatch"),
        (None, "production", None),
        (" ", "production", None),
        (5, "production", None),
        ("unknown", "production", "environment_mismatch"),
        ("unknown", "all", None),
    ],
)
def test_environment(environment: Any, setting: str, reason: str | None) -> None:
    """Absent, blank and no text are production."""
    assert reason_of(batch_of(purchase(), environment=environment), environment=setting) == reason


@pytest.mark.parametrize(
    ("platform", "setting", "reason"),
    [
        ("WEB", "web", None),
        ("MobileWeb", "web", None),
        (None, "web", None),
        ("iOS", "web", "unsupported_platform"),
        ("iOS", "any", None),
        (7, "web", "unsupported_platform"),
    ],
)
def test_platform(platform: Any, setting: str, reason: str | None) -> None:
    """A platform that is not given is taken for web."""
    device = {"http_header_user_agent": "Mozilla/5.0", "platform": platform}
    assert reason_of(batch_of(purchase(), device_info=device), platforms=setting) == reason


def test_sampling_takes_whole_users() -> None:
    """About the share of users passes, each with all events; no share passes nobody, the whole share everybody."""

    def reasons(mpid: int, percent: float) -> set[str | None]:
        outcomes = outcomes_of(batch_of(purchase(), purchase(), mpid=mpid), sample_percent=percent)
        return {getattr(outcome, "reason", None) for outcome in outcomes}

    drawn = [reasons(mpid, 30) for mpid in range(400)]
    assert all(len(each) == 1 for each in drawn)
    assert 80 < drawn.count({None}) < 160
    assert {frozenset(reasons(mpid, 0)) for mpid in range(20)} == {frozenset({"sampled_out"})}
    assert {frozenset(reasons(mpid, 100)) for mpid in range(20)} == {frozenset({None})}


def test_sampling_falls_back_to_external_id_then_event_id() -> None:
    """SHA-256("2") begins d4735e3a, so it lies at 83 %; the same key gives the same side wherever it comes from."""
    assert reason_of(batch_of(purchase(), mpid="2"), sample_percent=82) == "sampled_out"
    assert reason_of(batch_of(purchase(), mpid="2"), sample_percent=84) is None
    by_external_id = batch_of(purchase(), user_identities={"customer_id": 2})
    assert reason_of(by_external_id, sample_percent=82) == "sampled_out"
    nobody = batch_of(purchase(source_message_id="2"), user_identities={})
    assert reason_of(nobody, sample_percent=82, anonymous_events="forward") == "sampled_out"
    assert reason_of(nobody, sample_percent=84, anonymous_events="forward") is None


@pytest.mark.parametrize(
    ("gdpr", "reason"),
    [
        ({"Marketing": {"consented": True}}, None),
        ({"marketing": {"consented": True}, "MARKETING": {"consented": False}}, "consent_not_given"),
        ({"marketing": {"consented": "true"}}, "consent_not_given"),
        ({"marketing": True}, "consent_not_given"),
        ({"other": {"consented": True}}, "consent_not_given"),
        ({}, "consent_not_given"),
        (None, "consent_not_given"),
    ],
)
def test_consent(gdpr: Any, reason: str | None) -> None:
    """Only `true` is consent; of several spellings of the purpose all must be given."""
    assert reason_of(batch_of(purchase(), consent_state={"gdpr": gdpr}), consent_purpose="marketing") == reason


@pytest.mark.parametrize(
    ("consented", "opted_out"),
    [(True, True), ("true", True), (1, True), ("1", True), (False, False), ("no", False), (None, False), (2, False)],
)
def test_data_sale_opt_out(consented: Any, opted_out: bool) -> None:
    """It drops, limits the data use, or does nothing, as the connection says."""
    batch = batch_of(purchase(), consent_state={"ccpa": {"data_sale_opt_out": {"consented": consented}}})
    assert reason_of(batch, ccpa_opt_out="drop") == ("data_sale_opt_out" if opted_out else None)
    assert one_mapped(batch)[0].get("limited_data_use") == (True if opted_out else None)
    assert "limited_data_use" not in one_mapped(batch, ccpa_opt_out="ignore")[0]


@pytest.mark.parametrize(
    ("event_type", "action", "name"),
    [
        ("commerce_event", "refund", "refund"),
        ("commerce_event", "remove_from_cart", "remove_from_cart"),
        ("commerce_event", None, "no product action"),
        ("custom_event", "purchase", "custom_event"),
        ("screen_view", None, "screen_view"),
        ("session_start", None, "session_start"),
    ],
)
def test_unsupported_event_names_its_type_or_action(event_type: str, action: str | None, name: str) -> None:
    """So that a person knows what to map."""
    event = purchase(product_action={"action": action} if action else None)
    (outcome,) = outcomes_of(batch_of({**event, "event_type": event_type}))
    assert isinstance(outcome, Dropped)
    assert (outcome.reason, name in outcome.detail) == ("unsupported_event", True)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("r" * 60, "r" * 60),
        ("r" * 61, "r" * 60),
        ("x" * 55 + " jane@example.com", "x" * 55 + " reda"),
        ("to jane@example.com", "to redacted"),
    ],
)
def test_unsupported_event_shows_60_characters_of_its_name(name: str, shown: str) -> None:
    """Senders choose the name, so it may be very long or contain an email address."""
    (outcome,) = outcomes_of(batch_of(purchase(product_action={"action": name})))
    assert isinstance(outcome, Dropped)
    assert outcome.detail == f"The product action {shown} has no TikTok event, and no custom mapping matches it."


@pytest.mark.parametrize(("age_ms", "reason"), [(28 * DAY_MS, None), (28 * DAY_MS + 1, "event_too_old")])
def test_event_of_28_days_is_the_oldest_when_nothing_else_is_set(age_ms: int, reason: str | None) -> None:
    """The default is the greatest age that the settings allow."""
    assert reason_of(batch_of(purchase(timestamp_unixtime_ms=RECEIVED_AT_MS - age_ms))) == reason


@pytest.mark.parametrize(("age_ms", "reason"), [(7 * DAY_MS, None), (7 * DAY_MS + 1, "event_too_old")])
def test_age(age_ms: int, reason: str | None) -> None:
    """The bound itself is young enough."""
    event = purchase(timestamp_unixtime_ms=RECEIVED_AT_MS - age_ms)
    assert reason_of(batch_of(event), max_event_age_days=7) == reason


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "HTTP://SHOP.example.com:8443/a?b#c",
        "https://user@shop.example.com/",
        "https://[2001:db8::1]/x",
        "https://münchen.example/straße",
        "http://localhost",
        " https://shop.example.com/ ",
    ],
)
def test_good_page_urls(url: str) -> None:
    """With http or https and a host, and stripped of white space around."""
    assert reason_of(batch_of(purchase(custom_flags={"TikTok.URL": url}))) is None


@pytest.mark.parametrize(
    "url",
    [
        "shop.example.com/x",
        "ftp://shop.example.com/",
        "https:///path",
        "https://",
        "https://?x",
        "https://@/",
        "https://:80/",
        "https://[::1/",
        "https://shop.example.com:port/",
        "https://shop.example.com/a b",
        "https://shop.example.com/a\tb",
        "https://shop.example.com/a\x7fb",
        "https://shop.example.com/a\u3000b",
        "javascript:alert(1)",
    ],
)
def test_bad_page_urls(url: str) -> None:
    """No other scheme, no missing host, nothing unparsable, no white space or control character within."""
    assert reason_of(batch_of(purchase(custom_flags={"TikTok.URL": url}))) == "invalid_page_url"


def test_page_url_falls_back_to_the_web_sdks_record() -> None:
    """Only where the connection allows it, and only text."""
    event = purchase(custom_flags={"TikTok.URL": 5}, page_url="https://shop.example.com/p")
    assert one_mapped(batch_of(event))[0]["page"]["url"] == "https://shop.example.com/p"
    assert reason_of(batch_of(event), page_url_fallback=False) == "missing_page_url"
    assert reason_of(batch_of(purchase(custom_flags=None, page_url=5))) == "missing_page_url"


def test_ip_user_agent_and_identity_in_this_order() -> None:
    """Each is needed unless the connection says otherwise."""
    bare = batch_of(purchase(), ip="", device_info=None, user_identities=None)
    assert reason_of(bare) == "missing_ip"
    assert reason_of({**bare, "ip": "203.0.113.42"}) == "missing_user_agent"
    assert reason_of(bare, require_ip_and_user_agent=False) == "missing_identity"
    payload, _ = one_mapped(bare, require_ip_and_user_agent=False, anonymous_events="forward")
    assert "user" not in payload


def test_late_checks_count_for_each_outgoing_event() -> None:
    """Two mappings that match are two outcomes, also when they are dropped."""
    mappings = [
        {"event": event, "event_type": "commerce_event", "event_name": "purchase"} for event in ("Contact", "Download")
    ]
    outcomes = outcomes_of(batch_of(purchase(), ip=None), custom_mappings=mappings)
    assert [getattr(outcome, "reason", None) for outcome in outcomes] == ["missing_ip", "missing_ip"]


@pytest.mark.parametrize("name", ["refund cust-829311", "Refund CUST-829311", "tel +14155550142", "tel 1-415-555-0142"])
def test_detail_of_a_drop_shows_no_identity(name: str) -> None:
    """A page may make an event's name of who the user is; the sentence on the drop must not repeat it."""
    identities = {"customer_id": "cust-829311", "mobile_number": "+14155550142"}
    event = order(transaction_id="o1")
    event["data"]["product_action"]["action"] = name
    for made in (event, {"event_type": name, "data": {}}):
        (outcome,) = outcomes_of(batch_of(made, user_identities=identities))
        assert isinstance(outcome, Dropped)
        assert outcome.reason == "unsupported_event"
        assert "redacted" in outcome.detail
        assert name[-6:] not in outcome.detail


PURCHASE_MAPPINGS = [
    {"event": event, "event_type": "custom_event", "event_name": "paid"}
    for event in ("Subscribe", "Purchase", "CompletePayment", "PlaceAnOrder", "MyPurchase")
]


def outcomes_without_purchases(batch: Members, **settings: Any) -> list[Outcome]:
    """The outcomes of a batch that came through an input that is not allowed to send purchases."""
    (parsed,) = parse_body(json.dumps(batch).encode(), Bounds())
    return Mapper(connection_of(settings)).map_batch(parsed, RECEIVED_AT_MS, allows_purchases=False)


def test_input_without_purchases_sends_no_event_that_tiktok_counts_as_one() -> None:
    """The TikTok event decides, whatever mParticle calls it; each outgoing event is judged alone."""
    paid = {"event_type": "custom_event", "data": {"event_name": "paid", "custom_flags": {"TikTok.URL": URL}}}
    batch = batch_of(paid, purchase(), purchase(product_action={"action": "add_to_cart"}))
    outcomes = outcomes_without_purchases(batch, custom_mappings=PURCHASE_MAPPINGS)
    assert [(each.event_index, getattr(each, "event", None) or getattr(each, "reason", None)) for each in outcomes] == [
        (0, "Subscribe"),
        *[(0, "purchase_not_allowed")] * 3,
        (0, "MyPurchase"),
        (1, "purchase_not_allowed"),
        (2, "AddToCart"),
    ]
    dropped = outcomes[5]
    assert isinstance(dropped, Dropped)
    assert dropped.detail == "The event would be PlaceAnOrder, and its input is not allowed to send purchases."


@pytest.mark.parametrize("purchase_event", ["PlaceAnOrder", "CompletePayment", "Purchase"])
def test_purchase_is_refused_before_the_checks_of_what_is_sent(purchase_event: str) -> None:
    """A false purchase is counted as one, even if a crawler makes it or its page URL is missing."""
    batch = batch_of(purchase(custom_flags=None), device_info={"http_header_user_agent": "Googlebot/2.1"})
    settings: Members = {"bots": "drop", "purchase_event": purchase_event}
    (outcome,) = outcomes_without_purchases(batch, **settings)
    assert isinstance(outcome, Dropped) and outcome.reason == "purchase_not_allowed"
    assert reason_of(batch, **settings) == "bot"
    (outcome,) = outcomes_without_purchases(batch, **settings, standard_events=[])
    assert isinstance(outcome, Dropped) and outcome.reason == "event_not_selected"
