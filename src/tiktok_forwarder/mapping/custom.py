"""Custom mappings: when this mParticle event arrives, send that TikTok event with these properties."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

from msgspec import Struct

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.places import ACTION_CURRENCY, ACTION_CURRENCY_CODE
from tiktok_forwarder.mparticle.batch import Batch, Event, EventData, Product, ProductAction
from tiktok_forwarder.mparticle.values import text_of

SourceKind = Literal["attribute", "user_attribute", "field", "product", "product_attribute", "static"]
SOURCE_KINDS: Final[tuple[SourceKind, ...]] = (
    "attribute",
    "user_attribute",
    "field",
    "product",
    "product_attribute",
    "static",
)
PRODUCT_SOURCES: Final = frozenset({"product", "product_attribute"})
EVENT_TYPES: Final = ("custom_event", "screen_view", "commerce_event")
COMMERCE_FIELDS: Final = (
    "transaction_id",
    "affiliation",
    "coupon_code",
    "total_amount",
    "shipping_amount",
    "tax_amount",
    "currency_code",
    "checkout_options",
    "checkout_step",
    "product_list_source",
    "product_action_list",
)
PRODUCT_FIELDS: Final = (
    "id",
    "name",
    "brand",
    "category",
    "variant",
    "price",
    "quantity",
    "position",
    "coupon_code",
    "total_product_amount",
)


class PropertySource(Struct, frozen=True):
    """The source of a property's value. `value` is a name, or the value itself if the kind is static."""

    kind: SourceKind
    value: str | int | float | bool
    required: bool = False

    @property
    def is_of_product(self) -> bool:
        return self.kind in PRODUCT_SOURCES


class Condition(Struct, frozen=True):
    """A condition, met if the attribute's text is one of `values`, compared without regard to case."""

    attribute: str
    values: tuple[str, ...]


class CustomMapping(Struct, frozen=True):
    """`event_name` is an event's or screen's name or a product action; names are compared without regard to case."""

    event: str
    event_type: str
    event_name: str
    custom_event_type: str | None = None
    conditions: tuple[Condition, ...] = ()
    properties: Mapping[str, PropertySource] = {}


class ConditionDocument(TypedDict):
    """A condition as plain keys and values."""

    attribute: str
    values: list[str]


class MappingDocument(TypedDict, total=False):
    """A custom mapping as plain keys and values, as connections' settings have it; one being written may lack some."""

    event: str
    event_type: str
    event_name: str
    custom_event_type: str
    conditions: list[ConditionDocument]
    properties: Mapping[str, Mapping[str, Any]]


class Occurrence(Struct, frozen=True, gc=False):
    """An event with its surroundings: all that a custom mapping's sources may read."""

    batch: Batch
    event: Event
    data: EventData
    event_type: str

    @property
    def product_action(self) -> ProductAction | None:
        return self.data.product_action if self.event_type == "commerce_event" else None

    @property
    def name(self) -> str | None:
        """Return the name that a mapping matches: the event's, the screen's, or the product action."""
        if self.event_type == "commerce_event":
            action = self.data.product_action
            return text_of(action.action) if action is not None else None
        return text_of(self.data.screen_name if self.event_type == "screen_view" else self.data.event_name)


def matches(mapping: CustomMapping, occurrence: Occurrence) -> bool:
    """Return whether the mapping's conditions are met by an event that has its type and name."""
    if mapping.custom_event_type is not None:
        custom_event_type = text_of(occurrence.data.custom_event_type)
        if custom_event_type is None or custom_event_type.lower() != mapping.custom_event_type.lower():
            return False
    attributes = occurrence.data.custom_attributes or {}
    return all(_holds(condition, attributes) for condition in mapping.conditions)


def _holds(condition: Condition, attributes: Mapping[str, object]) -> bool:
    text = text_of(attributes.get(condition.attribute))
    return text is not None and text.lower() in [value.lower() for value in condition.values]


def source_value(
    source: PropertySource, occurrence: Occurrence, product: Product | None, sources: FieldSources
) -> object:
    """Return the raw value a source names, or None if there is none. Product sources need a product."""
    match source.kind:
        case "static":
            return source.value
        case "attribute":
            return (occurrence.data.custom_attributes or {}).get(str(source.value))
        case "user_attribute":
            return (occurrence.batch.user_attributes or {}).get(str(source.value))
        case "field":
            return _field(str(source.value), occurrence, sources)
        case "product":
            return getattr(product, str(source.value)) if product is not None else None
        case "product_attribute":
            return ((product.custom_attributes if product is not None else None) or {}).get(str(source.value))


def _field(name: str, occurrence: Occurrence, sources: FieldSources) -> object:
    if name == "name":
        return occurrence.name
    action = occurrence.product_action
    if name == "currency_code":
        return given_currency(occurrence.data, action, sources)
    return getattr(action, name) if action is not None else None


def given_currency(data: EventData, action: ProductAction | None, sources: FieldSources) -> object:
    """Return the first of `GIVEN_CURRENCIES` that is present: mParticle's place first, then that of some senders."""
    if text_of(data.currency_code) is not None or action is None:
        return data.currency_code
    if text_of(action.currency) is not None:
        sources["given_currency"] = ACTION_CURRENCY
        return action.currency
    if text_of(action.currency_code) is not None:
        sources["given_currency"] = ACTION_CURRENCY_CODE
    return action.currency_code
