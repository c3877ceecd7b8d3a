"""The places that fields may come from, for fields with several places, in the order in which the mapping tries them.

The rules note which of them they chose (`domain/sources.py`); `explain.py` has the transformation of each. `event_type`
and paths that begin with `data.` are in the event, those with `connection.` in the settings, all others in the batch.
Words describe several paths, or none.
"""

from collections.abc import Mapping
from typing import Final, Literal

ACTION: Final = "data.product_action"
ACTION_NAME: Final = f"{ACTION}.action"
TRANSACTION_ID: Final = f"{ACTION}.transaction_id"
EVENT_NAME: Final = "data.event_name"
SCREEN_NAME: Final = "data.screen_name"
NAMES: Final[Mapping[str, str]] = {
    "commerce_event": ACTION_NAME,
    "screen_view": SCREEN_NAME,
    "custom_event": EVENT_NAME,
}
"""The place of an event's name, by its type."""

MADE_ID: Final = "an ID derived from what identifies the event"

EVENT_TIME: Final = "data.timestamp_unixtime_ms"
BATCH_TIME: Final = "timestamp_unixtime_ms"
RECEIPT: Final = "time of receipt"
EVENT_TIMES: Final = (EVENT_TIME, BATCH_TIME, RECEIPT)
# Never searched: the replacement for a time in the future.
RECEIPT_FOR_FUTURE: Final = "time of receipt, instead of a time in the future"

MPARTICLES_URL: Final = "data.page_url"
_FIELDS: Final[Mapping[str, str]] = {
    "source_message_id": "data.source_message_id",
    "event_id": "data.event_id",
    "page_url": MPARTICLES_URL,
    "ip": "ip",
    "user_agent": "device_info.http_header_user_agent",
    "currency_code": "data.currency_code",
}
"""The paths of the fields that are no members of the product action."""

REQUESTS: Final[Mapping[Literal["ip", "user_agent"], str]] = {
    "ip": "IP address of the request",
    "user_agent": "header User-Agent of the request",
}
"""Sources that replace members of the batch if a browser sent the request."""

ANY: Final = "[…]"
PRODUCTS: Final = f"{ACTION}.products"
FLAGS: Final = "data.custom_flags"
_HOLDERS: Final[Mapping[str, str]] = {
    "attribute": "data.custom_attributes",
    "user_attribute": "user_attributes",
    "flag": FLAGS,
    "partner_identity": "partner_identities",
    "product": f"{PRODUCTS}{ANY}",
    "product_attribute": f"{PRODUCTS}{ANY}.custom_attributes",
}
"""The object that contains a source, by its kind."""


ANY_TYPE: Final = "custom_event"
"""For the path of a source of an event whose type is unknown."""


def path_of(kind: str, name: str, event_type: str) -> str:
    """Return the path of a source. URL parameters have none of their own; see `parameter_path`."""
    if kind == "field":
        return NAMES[event_type] if name == "name" else _FIELDS.get(name, f"{ACTION}.{name}")
    return f"{_HOLDERS[kind]}.{name}"


def rule_path(number: int) -> str:
    return f"connection.forwarding_rules[{number}]"


def parameter_path(url_path: str, name: str) -> str:
    return f"{url_path}?{name}"


CURRENCY: Final = "data.currency_code"
ACTION_CURRENCY: Final = f"{ACTION}.currency"
ACTION_CURRENCY_CODE: Final = f"{ACTION}.currency_code"
GIVEN_CURRENCIES: Final = (CURRENCY, ACTION_CURRENCY, ACTION_CURRENCY_CODE)
DEFAULT_CURRENCY: Final = "connection.default_currency"

TOTAL: Final = f"{ACTION}.total_amount"
SUM: Final = "the sum of the products"
# Noted where a total of 0 was replaced.
SUM_FOR_ZERO: Final = "the sum of the products, instead of 0"
AMOUNTS: Final[Mapping[str, tuple[str, ...]]] = {
    "t": ("total_product_amount",),
    "p": ("price",),
    "q": ("price", "quantity"),
    "-": (),
}
"""How a product counts in that sum: the members that its amount is worked out from."""
