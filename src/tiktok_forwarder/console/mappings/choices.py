"""Choices in the form of a custom mapping, limited to combinations that the API accepts."""

from collections.abc import Sequence
from typing import Final

from tiktok_forwarder.console.conditions import field_label, names_of
from tiktok_forwarder.console.source_labels import SOURCE_LABELS
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.mapping.sources import COMMERCE_FIELDS, PRODUCT_SOURCES, PROPERTY_SOURCES
from tiktok_forwarder.tiktok.events import CONTENT_PROPERTIES, CUSTOMER_TYPES, INTEGER_PROPERTIES, NUMBER_PROPERTIES

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
    "brand": "Brand",
    "order_id": "Order ID",
    "shop_id": "Shop ID",
    "predicted_ltv": "Predicted lifetime value",
    "customer_type": "Customer type",
    "delivery_category": "Delivery category",
    "num_items": "Number of items",
    "content_ids": "Product IDs",
}


def is_number(name: str) -> bool:
    return name in NUMBER_PROPERTIES | INTEGER_PROPERTIES


def expected_type(name: str) -> str:
    """Return what a property takes, in words."""
    if name == "customer_type":
        return " or ".join(CUSTOMER_TYPES)
    if name == "content_ids":
        return "list, or text with commas"
    if name in NUMBER_PROPERTIES:
        return "number"
    return "whole number" if name in INTEGER_PROPERTIES else "text"


def takes(event_type: str, name: str, kind: str) -> bool:
    """Return whether a property can have this kind of source for this kind of event."""
    if kind in PRODUCT_SOURCES:
        return event_type == COMMERCE and name in CONTENT_PROPERTIES
    return kind in PROPERTY_SOURCES


def kinds_of(event_type: str, name: str) -> list[Choice]:
    """Return the sources that a property can have."""
    return [Choice(kind, SOURCE_LABELS[kind]) for kind in PROPERTY_SOURCES if takes(event_type, name, kind)]


def members_of(event_type: str, kind: str) -> Sequence[Choice] | None:
    """Return the values to choose from, or None if a name is typed."""
    if kind == "product":
        return names_of(kind)
    if kind != "field":
        return None
    own = Choice("name", EVENT_NAME_LABELS[event_type])
    return [own, *(Choice(name, field_label(name)) for name in COMMERCE_FIELDS)] if event_type == COMMERCE else [own]
