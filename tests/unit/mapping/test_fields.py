"""The fields that every outgoing event has."""

from hashlib import sha256
from typing import Any

import pytest

from tests.unit.mapping.batches import RECEIVED_AT_MS, URL, Members, batch_of, one_mapped, order, purchase


def test_event_id_prefers_the_senders() -> None:
    """Always text; mParticle's id stands in; blank ids do not count."""
    assert one_mapped(batch_of(purchase(source_message_id=7, event_id=-8)))[0]["event_id"] == "7"
    assert one_mapped(batch_of(purchase(source_message_id=" ", event_id=-8)))[0]["event_id"] == "-8"


def test_event_id_is_made_of_what_identifies_the_event() -> None:
    """The digest is over mpid, type, action, time and transaction id, one a line; the receipt time has no part."""
    event = order(transaction_id="o1")
    event["data"] |= {"source_message_id": None, "event_id": None}
    # printf '5\\ncommerce_event\\npurchase\\n1735689600123\\no1' | sha256sum
    assert one_mapped(batch_of(event, mpid=5))[0]["event_id"] == "tf-c1763808f61fa1ded47de65317de292c"
    del event["data"]["timestamp_unixtime_ms"]
    first = one_mapped(batch_of(event, mpid=5))[0]["event_id"]
    assert first == one_mapped(batch_of(event, mpid=5))[0]["event_id"] != "tf-c1763808f61fa1ded47de65317de292c"


def _nameless(event_type: str, **data: Any) -> Members:
    """An event without an id of its own, at the same millisecond as all others unless `data` says otherwise."""
    return {
        "event_type": event_type,
        "data": {"timestamp_unixtime_ms": 1_735_689_600_123, "custom_flags": {"TikTok.URL": URL}, **data},
    }


def _commerce(action: str, **members: Any) -> Members:
    return _nameless("commerce_event", product_action={"action": action, **members})


def _made_id(event: Members, mpid: Any = 5, **members: Any) -> str:
    """The id that is made for the event, which a custom mapping sends whatever its type and name are."""
    names = [("custom_event", "a"), ("custom_event", "b"), ("screen_view", "a"), ("screen_view", "b")]
    names += [("commerce_event", "purchase"), ("commerce_event", "add_to_cart")]
    mappings = [{"event": "Contact", "event_type": kind, "event_name": name} for kind, name in names]
    payload, _ = one_mapped(batch_of(event, mpid=mpid, **members), custom_mappings=mappings)
    event_id: str = payload["event_id"]
    return event_id


def test_made_event_ids_differ_when_the_events_do() -> None:
    """Two events of one id would be taken for a repeat, and one of them lost."""
    events = [
        _nameless("custom_event", event_name="a"),
        _nameless("custom_event", event_name="b"),
        _nameless("custom_event", event_name="a", timestamp_unixtime_ms=1_735_689_600_124),
        _nameless("custom_event", event_name="a", timestamp_unixtime_ms=None),
        _nameless("screen_view", screen_name="a"),
        _nameless("screen_view", screen_name="b"),
        _commerce("purchase"),
        _commerce("add_to_cart"),
        _commerce("purchase", transaction_id="o1"),
        _commerce("purchase", transaction_id="o2"),
        _commerce("add_to_cart", transaction_id="o1"),
    ]
    ids = [_made_id(event, mpid) for event in events for mpid in (5, 6, None)]
    assert len(set(ids)) == len(ids) == 33


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (_nameless("custom_event", event_name="a"), "5\ncustom_event\na\n1735689600123\n"),
        (_nameless("screen_view", screen_name="b"), "5\nscreen_view\nb\n1735689600123\n"),
        (_commerce("add_to_cart"), "5\ncommerce_event\nadd_to_cart\n1735689600123\n"),
        (_commerce("purchase", transaction_id=7), "5\ncommerce_event\npurchase\n1735689600123\n7"),
        (_nameless("custom_event", event_name="a", timestamp_unixtime_ms=None), "5\ncustom_event\na\n\n"),
    ],
)
def test_made_event_id_stays_the_same_between_versions(event: Members, text: str) -> None:
    """A sender may repeat an event after an upgrade: the same 32 digits of SHA-256 must come of the same members."""
    assert _made_id(event) == f"tf-{sha256(text.encode()).hexdigest()[:32]}"


def test_made_event_ids_are_equal_when_the_events_are() -> None:
    """A repeat gets its event's id however it is spelled, and whatever else its batch says."""
    event = _nameless("custom_event", event_name="a")
    spellings = [
        _made_id(_nameless("Custom_Event", event_name=" a ")),
        _made_id(_nameless("custom_event", event_name="a", timestamp_unixtime_ms="1735689600123")),
        _made_id(
            _nameless("custom_event", event_name="a", timestamp_unixtime_ms=None),
            timestamp_unixtime_ms=1_735_689_600_123,
        ),
        _made_id(_nameless("custom_event", event_name="a", source_message_id=" ", event_id="")),
        _made_id(event, "5"),
        _made_id(event, ip="203.0.113.9", user_identities={"customer_id": "cust-2"}),
    ]
    assert set(spellings) == {_made_id(event)}
    assert _made_id(_commerce("Purchase", transaction_id=" o1 ")) == _made_id(
        _commerce("purchase", transaction_id="o1")
    )


@pytest.mark.parametrize(
    ("event_ms", "batch_ms", "seconds", "iso", "warnings"),
    [
        (1_735_689_600_999, None, 1_735_689_600, "2025-01-01T00:00:00.999Z", set()),
        (None, "1735689601005", 1_735_689_601, "2025-01-01T00:00:01.005Z", set()),
        (None, None, 1_735_689_660, "2025-01-01T00:01:00.123Z", set()),
        (RECEIVED_AT_MS + 3_600_000, None, 1_735_693_260, "2025-01-01T01:01:00.123Z", set()),
        (RECEIVED_AT_MS + 3_600_001, 5, 1_735_689_660, "2025-01-01T00:01:00.123Z", {"future_timestamp_replaced"}),
        (
            1e300,
            None,
            1_735_689_660,
            "2025-01-01T00:01:00.123Z",
            {"future_timestamp_replaced", "timestamp_unit_guessed"},
        ),
    ],
)
def test_time(event_ms: Any, batch_ms: Any, seconds: int, iso: str, warnings: set[str]) -> None:
    """The event's time, else the batch's, else receipt; a time more than an hour ahead is replaced."""
    batch = batch_of(purchase(timestamp_unixtime_ms=event_ms), timestamp_unixtime_ms=batch_ms)
    payload, given = one_mapped(batch)
    assert (payload["event_time"], given) == (seconds, warnings)
    assert one_mapped(batch, events_api="1.0")[0]["timestamp"] == iso


@pytest.mark.parametrize(
    ("callback", "url", "ttclid", "warnings"),
    [
        ("E.C.P.a", f"{URL}?ttclid=E.C.P.b", "E.C.P.a", {"ttclid_differs"}),
        ("E.C.P.a", f"{URL}?ttclid=E.C.P.a", "E.C.P.a", set()),
        ("E.C.P.a", f"{URL}?ttclid=null", "E.C.P.a", set()),
        (None, f"{URL}?a=1&ttclid=&ttclid=E.C.P%2Eb+c#ttclid=x", "E.C.P.b+c", set()),
        ("__CLICKID__", f"{URL}?ttclid=E.C.P.b", "E.C.P.b", {"ttclid_dummy_omitted"}),
        ("{{click}}", URL, None, {"ttclid_dummy_omitted"}),
        ("NULL", f"{URL}?ttclid=dummy", None, {"ttclid_dummy_omitted"}),
        ("x" * 1001, URL, None, {"ttclid_too_long"}),
        ("E.C.P." + "x" * 995, f"{URL}?ttclid=abc", "abc", {"ttclid_too_long", "ttclid_unexpected_format"}),
        ("E.C.P." + "x" * 994, URL, "E.C.P." + "x" * 994, set()),
        ("abc", URL, "abc", {"ttclid_unexpected_format"}),
        (5, URL, None, set()),
    ],
)
def test_click_id(callback: Any, url: str, ttclid: str | None, warnings: set[str]) -> None:
    """The first usable one of flag and address; what is passed over says why."""
    payload, given = one_mapped(batch_of(purchase(custom_flags={"TikTok.URL": url, "TikTok.Callback": callback})))
    assert (payload["user"].get("ttclid"), given) == (ttclid, warnings)


@pytest.mark.parametrize(
    ("identities", "ttp"),
    [
        ({"tiktok_cookie_id": " 2abc "}, "2abc"),
        ([{"identity_type": "tiktok_cookie_id", "identity": "2abc"}], "2abc"),
        ([{"identity_type": "tiktok_cookie_id", "identity": "2abc", "encoding": "md5"}], None),
        ({"other": "x"}, None),
        (5, None),
    ],
)
def test_ttp(identities: Any, ttp: str | None) -> None:
    """The cookie's value goes as it is, in both versions; a hash of it is of no use."""
    batch = batch_of(purchase(), partner_identities=identities)
    assert one_mapped(batch)[0]["user"].get("ttp") == ttp
    assert one_mapped(batch, events_api="1.0")[0]["context"]["user"].get("ttp") == ttp


def test_redaction_is_of_page_and_properties_and_can_be_off() -> None:
    """What follows from the contents follows from them as sent."""
    products = [{"id": "sku-jane@example.com", "name": "for bob@example.com"}, {"id": "x"}]
    event = order(total_amount=1, transaction_id="o-ann@example.com", products=products)
    event["data"]["custom_flags"] = {"TikTok.URL": "https://shop.example.com/?e=a@b.example", "TikTok.Referrer": URL}
    payload, warnings = one_mapped(batch_of(event))
    assert payload["page"] == {"url": "https://shop.example.com/?e=redacted", "referrer": URL}
    assert payload["properties"]["content_ids"] == ["redacted", "x"]
    assert payload["properties"]["order_id"] == "redacted"
    assert payload["properties"]["contents"][0]["content_name"] == "for redacted"
    assert warnings == {"email_redacted"}
    payload, warnings = one_mapped(batch_of(event), redact_emails=False)
    assert payload["properties"]["order_id"] == "o-ann@example.com"
    assert warnings == set()


def test_address_in_an_event_id_is_told_and_sent() -> None:
    """An event ID must equal the pixel's, so it stays as it is; a user agent with an at sign is no matter."""
    browser = {"http_header_user_agent": "Mozilla/5.0 (a@b.example)", "platform": "web"}
    payload, warnings = one_mapped(batch_of(purchase(source_message_id="id@example.com"), device_info=browser))
    assert (payload["event_id"], warnings) == ("id@example.com", {"personal_data_in_event_id"})
    assert payload["user"]["user_agent"] == "Mozilla/5.0 (a@b.example)"
