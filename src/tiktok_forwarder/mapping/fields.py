"""The settings of a connection, declared once as data: validation, forms, command line and reference use it."""

from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.mapping.crawlers import list_version
from tiktok_forwarder.mparticle.identities import IDENTITY_TYPES
from tiktok_forwarder.tiktok.events import MATCHING_FIELDS
from tiktok_forwarder.tiktok.wire_forms import DEFAULT_WIRE_FORM, WIRE_FORMS

FieldKind = Literal[
    "text",
    "secret",
    "choice",
    "identity_type",
    "boolean",
    "integer",
    "number",
    "currency",
    "region",
    "names",
    "choices",
    "identity_types",
    "texts",
    "mappings",
    "rules",
    "sources",
]


RECORD: Final = "record"
"""The value of `delivery` of a connection that sends nothing."""

# The product actions that mParticle's TikTok output knows; the connection names the event of a purchase.
STANDARD_EVENTS: Final = {
    "add_to_cart": "AddToCart",
    "add_to_wishlist": "AddToWishlist",
    "purchase": "PlaceAnOrder",
    "checkout": "InitiateCheckout",
    "view_detail": "ViewContent",
}
OMITTED_IDENTITIES: Final = ("email", "phone", "external_id")
OMITTED_PROPERTIES: Final = (
    "description",
    "order_id",
    "search_string",
    "content_name",
    "content_category",
    "brand",
    "value",
)
OMITTABLE: Final = (
    *OMITTED_IDENTITIES,
    "ttp",
    "ttclid",
    "ip",
    "user_agent",
    "page_referrer",
    *MATCHING_FIELDS,
    *OMITTED_PROPERTIES,
)


class Choice(Struct, frozen=True):
    value: str
    label: str


class Field(Struct, frozen=True):
    """One setting.

    `choices` lists the values of a choice, or of each item of a list; `minimum` and `maximum` bound a number, both
    included.
    """

    name: str
    kind: FieldKind
    label: str
    help: str
    default: str | bool | int | float | tuple[str, ...] | None = None
    required: bool = False
    choices: tuple[Choice, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


def _plain(*values: str) -> tuple[Choice, ...]:
    return tuple(Choice(value, value) for value in values)


def _extra(kind: str, label: str, *further: Choice) -> Field:
    return Field(
        f"extra_{kind}_identity_types",
        "identity_types",
        f"More {label}",
        f"Further mParticle identities to send as {label}, hashed: at most {MAX_EXTRA_IDENTITY_TYPES}, in this order.",
        default=(),
        choices=(*_IDENTITY_CHOICES, *further),
    )


MAX_EXTRA_IDENTITY_TYPES: Final = 5
_IDENTITY_CHOICES: Final = tuple(Choice(value, label) for value, label in IDENTITY_TYPES.items())

FIELDS: Final[tuple[Field, ...]] = (
    Field("name", "text", "Name", "Name of this connection. It must be unique.", required=True),
    Field(
        "pixel_id",
        "text",
        "Pixel ID",
        "In TikTok Events Manager: select your pixel. The ID is below its name.",
        required=True,
    ),
    Field(
        "access_token",
        "secret",
        "Access Token",
        "In TikTok Events Manager: your pixel, Settings, Events API, Generate Access Token. Stored encrypted. Required "
        "unless the connection only records.",
    ),
    Field(
        "email_identity_type",
        "identity_type",
        "Email Identity Type",
        "mParticle identity to send as the email address, hashed.",
        default="email",
        required=True,
        choices=_IDENTITY_CHOICES,
    ),
    Field(
        "external_identity_type",
        "identity_type",
        "External Identity Type",
        "mParticle identity to send as the external ID, hashed.",
        default="customer_id",
        required=True,
        choices=_IDENTITY_CHOICES,
    ),
    Field(
        "phone_identity_type",
        "identity_type",
        "Phone Identity Type",
        "mParticle identity to send as the phone number, hashed.",
        default="mobile_number",
        required=True,
        choices=_IDENTITY_CHOICES,
    ),
    Field(
        "content_type",
        "choice",
        "Content Type",
        "product if your product IDs are single items in TikTok's catalog; product_group if they are groups.",
        default="product",
        required=True,
        choices=_plain("product", "product_group"),
    ),
    Field(
        "events_api",
        "choice",
        "Events API version",
        "; ".join(f"{form.name} is {form.summary}" for form in WIRE_FORMS.values()) + ".",
        default=DEFAULT_WIRE_FORM.name,
        choices=_plain(*WIRE_FORMS),
    ),
    Field(
        "purchase_event",
        "choice",
        "Purchase event",
        "TikTok event to send for purchases. It must be the event that the site's pixel fires, or TikTok counts both. "
        "TikTok supports PlaceAnOrder until 2027.",
        default="PlaceAnOrder",
        choices=_plain("PlaceAnOrder", "CompletePayment", "Purchase"),
    ),
    Field(
        "standard_events",
        "choices",
        "Standard events",
        "Product actions to send without a custom mapping. Custom mappings work whether an action is listed or not.",
        default=tuple(STANDARD_EVENTS),
        choices=tuple(Choice(action, name) for action, name in STANDARD_EVENTS.items()),
    ),
    Field(
        "forwarding_rules",
        "rules",
        "Forwarding rules",
        "Which events to forward: Only Forward and Do Not Forward as at mParticle, or with limited data use.",
    ),
    Field(
        "omit",
        "choices",
        "Never send",
        "Fields that are never sent or stored, whatever the event has.",
        default=(),
        choices=_plain(*OMITTABLE),
    ),
    Field(
        "sources",
        "sources",
        "Sources",
        "Where the event ID, page URL, referrer, click ID, cookie, IP address and user agent are taken from, in order.",
    ),
    Field(
        "anonymous_events",
        "choice",
        "Events without an identity",
        "drop events that have no email, phone or external ID, or forward them without.",
        default="drop",
        choices=_plain("drop", "forward"),
    ),
    Field(
        "require_ip_and_user_agent",
        "boolean",
        "Require IP address and user agent",
        "Drop events that lack either: TikTok matches poorly without them.",
        default=True,
    ),
    Field(
        "page_url_fallback",
        "boolean",
        "Use the page's URL",
        "Use the URL that mParticle's Web SDK records when the custom flag TikTok.URL is absent.",
        default=True,
    ),
    Field(
        "default_currency",
        "currency",
        "Default currency",
        "Three letters (ISO 4217), sent with a value if the event has no currency.",
    ),
    Field(
        "default_phone_region",
        "region",
        "Default phone region",
        "Two letters (ISO 3166-1): country of phone numbers without a country code.",
    ),
    Field(
        "value_from_products",
        "boolean",
        "Value from products",
        "Send the sum of the products if the event has no total: mParticle's Web SDK sends none for carts and views.",
        default=True,
    ),
    Field(
        "zero_total_is_missing",
        "boolean",
        "Replace a total of 0",
        "Send the sum of the products if the total is 0 and they cost something: mParticle's Web SDK writes 0 where a "
        "page passes no revenue.",
        default=False,
    ),
    _extra("email", "email addresses"),
    _extra("phone", "phone numbers"),
    _extra("external", "external IDs", Choice("mpid", "mParticle ID")),
    Field(
        "advanced_matching",
        "boolean",
        "Advanced matching",
        "Send name and zip code, hashed, and city, state and country from mParticle's user attributes.",
        default=False,
    ),
    Field(
        "platforms",
        "choice",
        "Platforms",
        "web accepts events from websites only, any accepts events from apps too.",
        default="web",
        choices=_plain("web", "any"),
    ),
    Field(
        "environment",
        "choice",
        "Environment",
        "mParticle environments whose events this connection forwards.",
        default="all",
        choices=_plain("all", "production", "development"),
    ),
    Field(
        "consent_purpose",
        "texts",
        "GDPR consent purpose",
        "Forward only events of users who consented to this purpose in mParticle, or to all of several.",
        default=(),
    ),
    Field(
        "absent_consent",
        "choice",
        "Consent not mentioned",
        "What a purpose counts as that mParticle's batch does not mention. A refused one never counts as given.",
        default="not_given",
        choices=_plain("not_given", "given"),
    ),
    Field(
        "bots",
        "choice",
        "Known crawlers",
        "Effect of a known crawler's user agent: send the event with a warning, drop it, or none. The list of "
        f"crawlers is {list_version()}.",
        default="warn",
        choices=_plain("warn", "drop", "ignore"),
    ),
    Field(
        "ccpa_opt_out",
        "choice",
        "CCPA opt-out",
        "Effect of a user's opt-out of data sale: request limited data use from TikTok, drop the event, or none.",
        default="limited_data_use",
        choices=_plain("limited_data_use", "drop", "ignore"),
    ),
    Field(
        "max_event_age_days",
        "integer",
        "Oldest event",
        "Drop events that are older than this many days on receipt.",
        default=28,
        minimum=1,
        maximum=28,
    ),
    Field(
        "sample_percent",
        "number",
        "Sample of users",
        "Percentage of users to forward, each with all of their events.",
        default=100,
        minimum=0,
        maximum=100,
    ),
    Field(
        "redact_emails",
        "boolean",
        "Redact email addresses",
        "Replace email addresses in page URLs and product texts, and the user's identities in page URLs, with the word "
        "redacted.",
        default=True,
    ),
    Field(
        "test_event_code",
        "text",
        "Test event code",
        "From TikTok Events Manager, Test Events. While set, TikTok treats all events as tests; remove it to go live.",
    ),
    Field("custom_mappings", "mappings", "Custom mappings", "TikTok events to send for your own events."),
    Field(
        "inputs",
        "names",
        "Inputs",
        "Names of the inputs that feed this connection; all inputs if empty.",
        default=(),
    ),
    Field(
        "delivery",
        "choice",
        "Delivery",
        "send delivers events to TikTok; record maps and counts them, keeps them in the activity and never sends them.",
        default="send",
        choices=_plain("send", RECORD),
    ),
    Field(
        "enabled",
        "boolean",
        "Enabled",
        "A disabled connection drops new events; waiting events are kept.",
        default=True,
    ),
)

FIELD_BY_NAME: Final = {field.name: field for field in FIELDS}
