"""Where values come from: the sources that settings may name, and how each is read from an event with its batch.

A field with several sources tries them in order. `places.py` has the path of each source, for people.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.places import ACTION_CURRENCY, ACTION_CURRENCY_CODE
from tiktok_forwarder.mparticle.batch import Batch, Event, EventData, Product, ProductAction
from tiktok_forwarder.mparticle.values import text_of

PropertySourceKind = Literal[
    "attribute",
    "user_attribute",
    "field",
    "product",
    "product_attribute",
    "flag",
    "static",
]
CommonSourceKind = Literal["field", "flag", "attribute", "user_attribute", "partner_identity", "url_parameter"]
"""The kinds of source of what every outgoing event has."""
SourceKind = PropertySourceKind | CommonSourceKind
PROPERTY_SOURCES: Final[tuple[PropertySourceKind, ...]] = get_args(PropertySourceKind)
COMMON_SOURCES: Final[tuple[CommonSourceKind, ...]] = get_args(CommonSourceKind)
PRODUCT_SOURCES: Final = frozenset({"product", "product_attribute"})
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
NAME: Final = "name"
EVENT_FIELDS: Final = (NAME, *COMMERCE_FIELDS)
COMMON_FIELDS: Final = (*EVENT_FIELDS, "source_message_id", "event_id", "page_url", "ip", "user_agent")

CommonField = Literal["event_id", "page_url", "page_referrer", "ttclid", "ttp", "ip", "user_agent"]


class Source(Struct, frozen=True):
    """One place that a value may come from. `value` is a name, or the value itself if the kind is static."""

    kind: SourceKind
    value: str | int | float | bool

    @property
    def is_of_product(self) -> bool:
        return self.kind in PRODUCT_SOURCES

    @property
    def is_of_batch(self) -> bool:
        """Whether all events of a batch share the value."""
        return self.kind in ("user_attribute", "partner_identity") or (
            self.kind == "field" and self.value in ("ip", "user_agent")
        )


CLICK_ID_PARAMETER: Final = "ttclid"
TTP_IDENTITY: Final = "tiktok_cookie_id"
SENDERS_ID: Final = Source("field", "source_message_id")
DEFAULT_SOURCES: Final[Mapping[CommonField, tuple[Source, ...]]] = {
    "event_id": (SENDERS_ID, Source("field", "event_id")),
    "page_url": (Source("flag", "TikTok.URL"), Source("field", "page_url")),
    "page_referrer": (Source("flag", "TikTok.Referrer"),),
    "ttclid": (
        Source("flag", "TikTok.Callback"),
        Source("url_parameter", CLICK_ID_PARAMETER),
        Source("attribute", CLICK_ID_PARAMETER),
        Source("user_attribute", CLICK_ID_PARAMETER),
    ),
    "ttp": (Source("partner_identity", TTP_IDENTITY),),
    "ip": (Source("field", "ip"),),
    "user_agent": (Source("field", "user_agent"),),
}
"""The order in which a field's sources are tried unless the connection names its own."""


class Occurrence(Struct, gc=False):
    """An event with its surroundings: all that a source may read.

    `page_url` is the one that is sent, once found, and `page_url_path` its path.
    """

    batch: Batch
    event: Event
    data: EventData
    event_type: str
    page_url: str | None = None
    page_url_path: str = ""

    @property
    def product_action(self) -> ProductAction | None:
        return self.data.product_action if self.event_type == "commerce_event" else None

    @property
    def name(self) -> str | None:
        return name_of(self.event_type, self.data)


def name_of(event_type: str, data: EventData) -> str | None:
    """Return the name that a mapping matches: the event's, the screen's, or the product action."""
    if event_type == "commerce_event":
        action = data.product_action
        return text_of(action.action) if action is not None else None
    return text_of(data.screen_name if event_type == "screen_view" else data.event_name)


def value_of(source: Source, occurrence: Occurrence, product: Product | None, sources: FieldSources) -> object:
    """Return the raw value a source names, or None if there is none. Product sources need a product.

    `candidates.py` reads URL parameters and partner identities, which have several places.
    """
    name = str(source.value)
    holder: Mapping[str, object] | None
    match source.kind:
        case "static":
            return source.value
        case "field":
            return _field(name, occurrence, sources)
        case "product":
            return getattr(product, name) if product is not None else None
        case "attribute":
            holder = occurrence.data.custom_attributes
        case "user_attribute":
            holder = occurrence.batch.user_attributes
        case "flag":
            holder = occurrence.data.custom_flags
        case "product_attribute":
            holder = product.custom_attributes if product is not None else None
        case "partner_identity" | "url_parameter":
            raise ValueError(source.kind)
    return holder.get(name) if holder is not None else None


def _field(name: str, occurrence: Occurrence, sources: FieldSources) -> object:
    if name == NAME:
        return occurrence.name
    if name in ("source_message_id", "event_id", "page_url"):
        return getattr(occurrence.data, name)
    if name == "ip":
        return occurrence.batch.ip
    if name == "user_agent":
        device = occurrence.batch.device_info
        return device.http_header_user_agent if device is not None else None
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
