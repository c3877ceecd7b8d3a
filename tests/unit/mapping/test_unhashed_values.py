"""The values that are stored and sent unhashed are those that SECURITY.md lists, and no others."""

from typing import Any

from tests.unit.mapping.batches import batch_of, outcomes_of, purchase
from tiktok_forwarder.domain.outcome import Dropped, Mapped

SENT = {
    "ip": "203.0.113.77",
    "user_agent": "Mozilla/5.0 (Marked)",
    "url": "https://shop.example.com/marked-page",
    "referrer": "https://search.example.com/marked-referrer",
    "ttclid": "E.C.P.marked-click",
    "ttp": "marked-cookie",
    "event_id": "marked-event-id",
    "order_id": "marked-order",
    "content_name": "marked product",
    "description": "marked description",
}
PLACE = {"$city": "Markedcity", "$state": "Markedstate", "$country": "Markedcountry"}
NAME = {"$firstname": "Markedfirst", "$lastname": "Markedlast", "$zip": "94105-4242"}
IDENTITIES = {"email": "marked@example.com", "customer_id": "marked-customer", "mobile_number": "+14155550142"}
MPID = "7346244611012968789"
UNREAD = {"note": "marked attribute", "$address": "1 Marked Street"}


def mapped(**settings: Any) -> Mapped:
    event = purchase(
        source_message_id=SENT["event_id"],
        custom_flags={
            "TikTok.URL": SENT["url"],
            "TikTok.Referrer": SENT["referrer"],
            "TikTok.Callback": SENT["ttclid"],
        },
        custom_attributes={"description": SENT["description"], "note": UNREAD["note"]},
        product_action={
            "action": "purchase",
            "transaction_id": SENT["order_id"],
            "affiliation": UNREAD["note"],
            "products": [{"id": "1", "name": SENT["content_name"], "price": 5}],
        },
    )
    batch = batch_of(
        event,
        mpid=MPID,
        ip=SENT["ip"],
        device_info={"platform": "web", "http_header_user_agent": SENT["user_agent"]},
        user_identities=IDENTITIES,
        user_attributes={**PLACE, **NAME, **UNREAD},
        partner_identities={"tiktok_cookie_id": SENT["ttp"]},
    )
    (outcome,) = outcomes_of(batch, **settings)
    assert isinstance(outcome, Mapped)
    return outcome


def found(values: dict[str, str], payload: bytes) -> list[str]:
    """Return the names of the values that are in the payload as they came, in any case."""
    return [name for name, value in values.items() if value.lower() in payload.decode().lower()]


def test_payload_has_the_listed_values_unhashed_and_no_others() -> None:
    """Identities, mpid, name and zip code are never in it, nor is what no mapping sends."""
    payload = mapped().payload
    assert found(SENT, payload) == list(SENT)
    assert found({**PLACE, **NAME, **IDENTITIES, **UNREAD, "mpid": MPID}, payload) == []


def test_advanced_matching_adds_only_the_place_unhashed() -> None:
    """Name and zip code are added as digests, city, state and country as text."""
    payload = mapped(advanced_matching=True).payload
    assert found(PLACE, payload) == list(PLACE)
    assert found({**NAME, **IDENTITIES, **UNREAD, "mpid": MPID}, payload) == []


def test_omitted_fields_are_in_no_payload() -> None:
    """What a connection omits is not stored in another form either."""
    omit = ["ttp", "ttclid", "ip", "user_agent", "page_referrer", "description", "order_id", "content_name"]
    outcome = mapped(omit=omit, require_ip_and_user_agent=False)
    assert found(SENT, outcome.payload) == ["url", "event_id"]
    without = mapped(omit=["email", "phone", "external_id"], anonymous_events="forward")
    assert set(without.identifiers) == {MPID}


def test_event_id_with_an_email_address_is_sent_unchanged_with_a_warning() -> None:
    """It must equal the pixel's, so its sender is warned instead."""
    (outcome,) = outcomes_of(batch_of(purchase(source_message_id="order-ada@example.com")))
    assert isinstance(outcome, Mapped)
    assert (outcome.event_id, outcome.warnings) == ("order-ada@example.com", ("personal_data_in_event_id",))


def test_detail_of_a_drop_has_no_identity() -> None:
    """It is kept and shown with the reason."""
    event = {"event_type": "custom_event", "data": {"event_name": "Signed Up ada@example.com"}}
    (outcome,) = outcomes_of(batch_of(event, user_identities=IDENTITIES))
    assert isinstance(outcome, Dropped)
    assert [value for value in (*IDENTITIES.values(), "ada@example.com") if value in outcome.detail] == []
