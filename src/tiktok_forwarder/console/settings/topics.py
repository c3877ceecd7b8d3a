"""The settings by topic, in the order of the form."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.mapping.connection import TOKEN

RULES: Final = "forwarding_rules"
SOURCES: Final = "sources"
ACCOUNT: Final = ("name", "pixel_id", TOKEN)
DECISIONS: Final = ("purchase_event", "consent_purpose")
"""What a new connection asks for: no default suits everyone."""


class Topic(Struct, frozen=True):
    """Settings that are folded away together."""

    key: str
    title: str
    about: str
    fields: tuple[str, ...]


TOPICS: Final = (
    Topic(
        "events",
        "Which events are forwarded",
        "Every event must pass all of these.",
        (
            "standard_events",
            RULES,
            "absent_consent",
            "ccpa_opt_out",
            "bots",
            "anonymous_events",
            "require_ip_and_user_agent",
            "max_event_age_days",
            "sample_percent",
            "platforms",
            "environment",
        ),
    ),
    Topic(
        "users",
        "Who it is about",
        "TikTok matches events to people by email address, phone number and external ID. They are hashed before "
        "anything is stored: TikTok gets SHA-256 hashes, never the values themselves.",
        (
            "email_identity_type",
            "external_identity_type",
            "phone_identity_type",
            "extra_email_identity_types",
            "extra_external_identity_types",
            "extra_phone_identity_types",
            "default_phone_region",
            "advanced_matching",
            "redact_emails",
            "omit",
        ),
    ),
    Topic(
        "sources",
        "Where fields come from",
        "The sources of a field are tried in order; the first usable value is sent.",
        (SOURCES, "page_url_fallback"),
    ),
    Topic(
        "values",
        "Products, values and currency",
        "What accompanies purchases, carts and product views.",
        ("content_type", "default_currency", "value_from_products", "zero_total_is_missing"),
    ),
    Topic(
        "delivery",
        "Delivery",
        "Where events come from, and how they are sent.",
        ("test_event_code", "events_api", "inputs", "delivery", "enabled"),
    ),
)
TOPIC_OF: Final = {name: topic.key for topic in TOPICS for name in topic.fields}
FORM_FIELDS: Final = (*ACCOUNT, *DECISIONS, *TOPIC_OF)
