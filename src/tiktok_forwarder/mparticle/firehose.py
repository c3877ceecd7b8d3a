"""Firehose's `event_processing_request` (form F), renamed member by member into the shape of every other batch."""

from typing import Final

# Firehose's event type -> the Events API's `event_type`. Types not named here keep their own name: none of them maps.
_EVENT_TYPES: Final = dict.fromkeys(("product_action", "promotion_action", "impression"), "commerce_event")

_ACTION_MEMBERS: Final = (
    "action",
    "transaction_id",
    "affiliation",
    "coupon_code",
    "total_amount",
    "shipping_amount",
    "tax_amount",
    "checkout_options",
    "checkout_step",
    "product_list_source",
    "product_action_list",
)

REQUEST_TYPE: Final = "event_processing_request"


def batch_members(request: dict[str, object]) -> dict[str, object]:
    """Return a Firehose request as the untyped members of a batch.

    Values of the wrong shape are passed on unchanged.
    """
    environment = _object(request.get("runtime_environment"))
    consent = _object(request.get("consent_state"))
    events = request.get("events")
    return {
        "events": [_event(event) for event in events] if isinstance(events, list) else events,
        "environment": "development" if environment.get("is_debug") is True else "production",
        "mpid": request.get("mpid"),
        "ip": environment.get("client_ip_address"),
        "timestamp_unixtime_ms": request.get("timestamp_ms"),
        "device_info": {
            "platform": environment.get("type"),
            "http_header_user_agent": environment.get("http_header_user_agent"),
        },
        "user_identities": _identities(request.get("user_identities")),
        "user_attributes": request.get("user_attributes"),
        "partner_identities": _identities(request.get("partner_identities")),
        "consent_state": {
            "gdpr": consent.get("gdpr_consent_state"),
            "ccpa": consent.get("ccpa_consent_state"),
        },
    }


def _object(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _identities(entries: object) -> object:
    if not isinstance(entries, list):
        return entries
    return [
        {"identity_type": entry.get("type"), "identity": entry.get("value"), "encoding": entry.get("encoding")}
        for entry in entries
        if isinstance(entry, dict)
    ]


def _event(event: object) -> object:
    if not isinstance(event, dict):
        return event
    kind = event.get("type")
    return {
        "event_type": _EVENT_TYPES.get(kind.strip().lower(), kind) if isinstance(kind, str) else kind,
        "data": {
            "timestamp_unixtime_ms": event.get("timestamp_ms"),
            "source_message_id": event.get("source_id"),
            "event_id": event.get("id"),
            "event_name": event.get("name"),
            "screen_name": event.get("screen_name"),
            "custom_event_type": event.get("custom_event_type"),
            "currency_code": event.get("currency_code"),
            "custom_flags": event.get("custom_flags"),
            "custom_attributes": event.get("attributes"),
            "product_action": _product_action(event) if kind == "product_action" else None,
        },
    }


def _product_action(event: dict[str, object]) -> dict[str, object]:
    products = event.get("products")
    members: dict[str, object] = {name: event.get(name) for name in _ACTION_MEMBERS}
    members["products"] = [_product(product) for product in products] if isinstance(products, list) else products
    return members


def _product(product: object) -> object:
    if not isinstance(product, dict):
        return product
    return {
        **product,
        "total_product_amount": product.get("total_amount", product.get("total_product_amount")),
        "custom_attributes": product.get("attributes", product.get("custom_attributes")),
    }
