"""Choices in the form of a custom mapping, limited to combinations that the API accepts."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.mapping.sources import COMMERCE_FIELDS, PRODUCT_FIELDS, PRODUCT_SOURCES, PROPERTY_SOURCES
from tiktok_forwarder.tiktok.events import (
    CONTENT_PROPERTIES,
    INTEGER_PROPERTIES,
    NUMBER_PROPERTIES,
    TikTokEvent,
)
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

COMMERCE: Final = "commerce_event"
PRODUCT_ACTIONS: Final = (
    "add_to_cart",
    "remove_from_cart",
    "checkout",
    "checkout_option",
    "click",
    "view_detail",
    "purchase",
    "refund",
    "add_to_wishlist",
    "remove_from_wish_list",
)
CUSTOM_EVENT_TYPES: Final = (
    "navigation",
    "location",
    "search",
    "transaction",
    "user_content",
    "user_preference",
    "social",
    "media",
    "attribution",
    "other",
)
EVENT_TYPE_LABELS: Final = {
    "custom_event": "Custom event",
    "screen_view": "Screen view",
    COMMERCE: "Commerce event",
}
EVENT_NAME_LABELS: Final = {"custom_event": "Event name", "screen_view": "Screen name", COMMERCE: "Product action"}
_KIND_LABELS: Final = {
    "attribute": "Event attribute",
    "user_attribute": "User attribute",
    "field": "Event field",
    "product": "Product field",
    "product_attribute": "Product attribute",
    "flag": "Custom flag",
    "static": "Static value",
}
PROPERTY_LABELS: Final = {
    "price": "Price of one item",
    "quantity": "Quantity",
    "content_id": "Product ID",
    "content_name": "Product name",
    "content_category": "Product category",
    "currency": "Currency",
    "value": "Total value",
    "query": "Search term",
    "description": "Description",
}


class Choice(Struct, frozen=True):
    value: str
    label: str


def events_of(events_api: str) -> list[TikTokEvent]:
    """Return the events of this version of the TikTok Events API."""
    return WIRE_FORMS[events_api].known_events()


def expected_type(name: str) -> str:
    """Return the label of a property's type."""
    if name in NUMBER_PROPERTIES:
        return "Number"
    return "Whole number" if name in INTEGER_PROPERTIES else "Text"


def takes(event_type: str, name: str, kind: str) -> bool:
    """Return whether a property can have this kind of source for this kind of event."""
    if kind in PRODUCT_SOURCES:
        return event_type == COMMERCE and name in CONTENT_PROPERTIES
    return kind in PROPERTY_SOURCES


def kinds_of(event_type: str, name: str, *, is_filled: bool) -> list[Choice]:
    """Return the sources that a property can have, first none. `is_filled`: the event supplies unmapped values."""
    given = [Choice(kind, _KIND_LABELS[kind]) for kind in PROPERTY_SOURCES if takes(event_type, name, kind)]
    return [Choice("", "Standard value" if is_filled else "Not sent"), *given]


def members_of(event_type: str, kind: str) -> Sequence[Choice] | None:
    """Return the values to choose from, or None if a name is typed."""
    if kind == "product":
        return [Choice(name, _titled(name)) for name in PRODUCT_FIELDS]
    if kind != "field":
        return None
    own = Choice("name", EVENT_NAME_LABELS[event_type])
    return [own, *(Choice(name, _titled(name)) for name in COMMERCE_FIELDS)] if event_type == COMMERCE else [own]


def _titled(name: str) -> str:
    return name.replace("_", " ").capitalize().replace("Id", "ID").replace(" id", " ID")
