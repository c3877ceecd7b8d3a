"""A test purchase: at example.com, from an IP address reserved for documentation."""

import shlex
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tiktok_forwarder.mapping.connection import Connection

_URL: Final = "https://example.com/test-purchase"
_USER_AGENT: Final = "Mozilla/5.0 (test purchase by tiktok-forwarder)"
_USUAL_IDENTITIES: Final = ("email", "customer_id")


def sample_purchase(connection: Connection | None, event_id: str) -> dict[str, Any]:
    """Return a batch with one purchase by a customer with the connection's identity types, or else the usual ones."""
    email, external = _USUAL_IDENTITIES
    if connection is not None:
        email, external = connection.email_identity_type, connection.external_identity_type
    product = {"id": "test-product", "name": "Test product", "price": 10, "quantity": 1}
    action = {"action": "purchase", "transaction_id": event_id, "total_amount": 10, "products": [product]}
    event = {
        "source_message_id": event_id,
        "currency_code": (connection.default_currency if connection is not None else None) or "USD",
        "custom_flags": {"TikTok.URL": _URL},
        "product_action": action,
    }
    identities = {external: "test-customer", email: "test.customer@example.com"}
    return {
        "environment": "development",
        "events": [{"event_type": "commerce_event", "data": event}],
        "user_identities": identities,
        "ip": "203.0.113.7",
        "device_info": {"platform": "web", "http_header_user_agent": _USER_AGENT},
    }


def curl_command(base: str, key: str, secret: str, batch: Mapping[str, Any]) -> str:
    """Return a terminal command that sends the batch as a server would."""
    body = msgspec.json.encode(batch).decode()
    who, data = shlex.quote(f"{key}:{secret}"), shlex.quote(body)
    return f"curl --include --user {who} {shlex.quote(base + '/v2/events')} \\\n  --data {data}"
