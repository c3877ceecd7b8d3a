"""A generated batch that a custom mapping matches, as mParticle would send it. It contains no real data."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import MappingDocument
from tiktok_forwarder.mapping.shared import sampling_refusal
from tiktok_forwarder.mapping.sources import COMMERCE_FIELDS

_USER_AGENT: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
_PAGE: Final = "https://shop.example.com/sample"
_VALUES: Final[Mapping[str, str | float]] = {
    "description": "a sample text",
    "query": "rain jacket",
    "content_id": "SKU-3310",
    "content_name": "Rain Jacket",
    "content_category": "apparel",
    "currency": "USD",
    "quantity": 2,
    "price": 149,
    "value": 298,
}
_FIELDS: Final[Mapping[str, str | float]] = {
    "transaction_id": "order-1001",
    "affiliation": "Web shop",
    "coupon_code": "SUMMER",
    "total_amount": 298,
    "shipping_amount": 4.9,
    "tax_amount": 24.6,
    "currency_code": "USD",
    "checkout_options": "express",
    "checkout_step": 1,
    "product_list_source": "sample list",
    "product_action_list": "sample list",
}
_PRODUCT: Final[Mapping[str, str | float]] = {
    "id": "SKU-3310",
    "name": "Rain Jacket",
    "brand": "Fjellkind",
    "category": "apparel",
    "variant": "blue, M",
    "price": 149,
    "quantity": 2,
    "position": 1,
    "coupon_code": "JACKET10",
    "total_product_amount": 298,
}
_MAX_USERS_TRIED: Final = 1000


def sample_batch(mapping: MappingDocument, connection: Connection, now_ms: int) -> dict[str, Any]:
    """Return a batch of one event that the mapping matches, of a user that the connection accepts."""
    batch: dict[str, Any] = {
        "environment": "production" if connection.environment == "production" else "development",
        "mpid": _mpid(connection.sample_percent),
        "ip": "203.0.113.7",
        "device_info": {"platform": "web", "http_header_user_agent": _USER_AGENT},
        "user_identities": _identities(connection),
    }
    if connection.consent_purpose:
        batch["consent_state"] = {"gdpr": {connection.consent_purpose: {"consented": True}}}
    user_attributes = _values_of(mapping, "user_attribute")
    if user_attributes:
        batch["user_attributes"] = user_attributes
    return {**batch, "events": [{"event_type": mapping["event_type"], "data": _event_data(mapping, now_ms)}]}


def _mpid(sample_percent: float) -> str:
    """Return a user ID within the connection's sample, if one is found."""
    users = (str(number) for number in range(1001, 1001 + _MAX_USERS_TRIED))
    return next((mpid for mpid in users if sampling_refusal(mpid, sample_percent) is None), "1001")


def _identities(connection: Connection) -> dict[str, str]:
    return {
        connection.phone_identity_type: "+1 415 555 0101",
        connection.external_identity_type: "customer-1001",
        connection.email_identity_type: "visitor@example.com",
    }


def _event_data(mapping: MappingDocument, now_ms: int) -> dict[str, Any]:
    data: dict[str, Any] = {
        **_named(mapping),
        "timestamp_unixtime_ms": now_ms,
        "source_message_id": "sample-event",
        "custom_flags": {"TikTok.URL": _PAGE},
    }
    conditions = mapping.get("conditions") or ()
    held = {each["attribute"]: each["values"][0] for each in conditions if each["values"]}
    attributes = {**_values_of(mapping, "attribute"), **held}
    return {**data, "custom_attributes": attributes} if attributes else data


def _named(mapping: MappingDocument) -> dict[str, Any]:
    name = mapping["event_name"]
    if mapping["event_type"] == "commerce_event":
        action = {"action": name, **_action_fields(mapping), "products": [_product(mapping)]}
        return {"product_action": action, "currency_code": _FIELDS["currency_code"]}
    if mapping["event_type"] == "screen_view":
        return {"screen_name": name}
    return {"event_name": name, "custom_event_type": mapping.get("custom_event_type") or "other"}


def _action_fields(mapping: MappingDocument) -> dict[str, Any]:
    """Return the usual fields of a product action and those that the mapping reads."""
    read = [value for _, kind, value in _sources(mapping) if kind == "field"]
    names = [name for name in COMMERCE_FIELDS if name in ("transaction_id", "total_amount", *read)]
    return {name: _FIELDS[name] for name in names if name != "currency_code"}


def _product(mapping: MappingDocument) -> dict[str, Any]:
    attributes = _values_of(mapping, "product_attribute")
    return {**_PRODUCT, "custom_attributes": attributes} if attributes else dict(_PRODUCT)


def _values_of(mapping: MappingDocument, kind: str) -> dict[str, Any]:
    """Return a value for each name that sources of this kind read, a number if any reads it as one."""
    read = {name: value for name, each, value in _sources(mapping) if each == kind and value}
    return {read[name]: value for name, value in _VALUES.items() if name in read}


def _sources(mapping: MappingDocument) -> Iterator[tuple[str, str, Any]]:
    """Yield property, kind and value of each source."""
    for name, source in mapping["properties"].items():
        for kind, value in source.items():
            if kind != "required":
                yield name, kind, value
