"""What a drop, a dead letter or a warning means, and what to change: one sentence each, for people."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

AdviceKind = Literal["dropped", "dead_letter", "warning"]


class Advice(Struct, frozen=True):
    """`setting` names the connection's setting that decides it, if one does."""

    meaning: str
    remedy: str
    setting: str = ""


ADVICE_ON_DROPS: Final[Mapping[str, Advice]] = {
    "malformed_event": Advice(
        "The event is no object, or its type or data cannot be read.",
        "Have the sender's developer compare the batch with mParticle's Events API: every event needs event_type "
        "and data.",
    ),
    "connection_disabled": Advice(
        "The connection is switched off.", "Switch it on if its events should be sent.", "enabled"
    ),
    "environment_mismatch": Advice(
        "The connection takes only the other one of mParticle's environments.",
        "Choose the environment all if both should be sent, or have the sender say the right one.",
        "environment",
    ),
    "unsupported_platform": Advice(
        "The event is from an app, and the connection takes events of web sites only.",
        "Choose the platforms any to send the events of apps too.",
        "platforms",
    ),
    "sampled_out": Advice(
        "The connection takes a share of the users, and this user is not in it.",
        "Raise the share to 100 percent to send every user's events.",
        "sample_percent",
    ),
    "consent_not_given": Advice(
        "The user has not consented to the purpose that the connection asks for.",
        "Nothing is wrong if the user declined; else check that the site tells mParticle of the consent, under the "
        "same purpose.",
        "consent_purpose",
    ),
    "data_sale_opt_out": Advice(
        "The user opted out of the sale of data, and the connection drops such events.",
        "Nothing is wrong; the setting can have them sent with limited data use instead.",
        "ccpa_opt_out",
    ),
    "unsupported_event": Advice(
        "Neither a custom mapping nor a standard one is for this event.",
        "Make a custom mapping if TikTok should get it.",
        "custom_mappings",
    ),
    "missing_required_attribute": Advice(
        "A custom mapping matches, but a property that it requires has no usable value.",
        "Have the site send the attribute, or make the property optional in the mapping.",
        "custom_mappings",
    ),
    "event_too_old": Advice(
        "The event happened longer ago than the connection allows.",
        "TikTok takes events of the last 28 days; raise the limit if it is lower, and check the sender's clock.",
        "max_event_age_days",
    ),
    "missing_page_url": Advice(
        "There is no page address, which TikTok requires for events of web sites.",
        "Have the site set the custom flag TikTok.URL to the address of the page, with https:// before it.",
        "page_url_fallback",
    ),
    "invalid_page_url": Advice(
        "The page address does not start with http:// or https://, or is no address.",
        "Have the site set the custom flag TikTok.URL to the whole address of the page, such as "
        "https://shop.example.com/cart.",
    ),
    "missing_ip": Advice(
        "There is no IP address of the user, and the connection requires one.",
        "Have the sender set ip in the batch, or stop requiring it; TikTok then matches fewer users.",
        "require_ip_and_user_agent",
    ),
    "missing_user_agent": Advice(
        "The browser's user agent is missing, and the connection requires it.",
        "Have the sender set device_info.http_header_user_agent in the batch, or stop requiring it; TikTok then "
        "matches fewer users.",
        "require_ip_and_user_agent",
    ),
    "missing_identity": Advice(
        "The user has none of the three identities, so TikTok could match the event with nobody.",
        "Nothing is wrong for visitors who never logged in; forward them with the setting, or check which "
        "identities the site sends.",
        "anonymous_events",
    ),
    "connection_full": Advice(
        "The events that wait for this connection fill its share of the store.",
        "Mend what keeps the connection from delivering; new events are taken again as soon as there is room.",
    ),
}

ADVICE_ON_DEAD_LETTERS: Final[Mapping[str, Advice]] = {
    "refused": Advice(
        "TikTok refused this very event.",
        "Read TikTok's answer, mend the mapping or the sender, then discard it; a replay sends the same bytes.",
    ),
    "retries_exhausted": Advice(
        "Every attempt failed for the whole time in which it is tried.",
        "Once TikTok can be reached again, replay it.",
    ),
    "unconfirmed": Advice(
        "An attempt may have arrived without an answer, and after 48 hours TikTok would count a second one twice.",
        "Look it up in Events Manager; replay it only if TikTok does not have it.",
    ),
    "connection_deleted": Advice(
        "Its connection was deleted while it waited.",
        "It can be looked at and discarded; to send such events, make a connection and have them sent again.",
    ),
    "unreadable": Advice(
        "The stored event cannot be sent any more.",
        "It can be looked at and discarded; the log says what happened to it.",
    ),
}

ADVICE_ON_WARNINGS: Final[Mapping[str, Advice]] = {
    "future_timestamp_replaced": Advice(
        "The event's time was over an hour ahead, so the time of receipt was sent.", "Check the sender's clock."
    ),
    "ttclid_dummy_omitted": Advice(
        "The click id is a placeholder that nobody filled in, so it was left out.",
        "Check the macro for the click id in the ad's address.",
    ),
    "ttclid_too_long": Advice(
        "The click id is over 1,000 characters and was left out.",
        "Check what the site puts into the custom flag TikTok.Callback.",
    ),
    "ttclid_unexpected_format": Advice(
        "The click id does not look like TikTok's; it was sent as it is.",
        "Check that the custom flag TikTok.Callback holds the ttclid of the landing page's address.",
    ),
    "invalid_currency": Advice(
        "The currency is not three letters and was left out.",
        "Have the sender use a code such as USD.",
        "default_currency",
    ),
    "currency_not_listed": Advice(
        "TikTok does not list the currency; it was sent as it is.", "Send values in a currency that TikTok lists."
    ),
    "missing_currency": Advice(
        "A value was sent without a currency, so TikTok cannot add it up.",
        "Have the sender set currency_code, or name a default currency.",
        "default_currency",
    ),
    "invalid_value": Advice(
        "A price or value is negative or no number, and was left out.",
        "Check total_amount and the products' prices at the sender.",
    ),
    "quantity_rounded": Advice(
        "A quantity was no whole number from 1 up, and was rounded.",
        "Check the products' quantities at the sender.",
    ),
    "mistyped_attribute": Advice(
        "An attribute does not fit the property it is mapped to, and counts as absent.",
        "Map an attribute that holds a number to a property that is one.",
        "custom_mappings",
    ),
    "invalid_email": Advice(
        "The e-mail identity is no address, so it was left out.",
        "Check which identity is sent as the e-mail address.",
        "email_identity_type",
    ),
    "invalid_phone": Advice(
        "The phone identity is no number, so it was left out.",
        "Check which identity is sent as the phone number.",
        "phone_identity_type",
    ),
    "phone_without_country_code": Advice(
        "The phone number has no country code, so it was left out.",
        "Name the country of such numbers.",
        "default_phone_region",
    ),
    "unusable_hash": Advice(
        "The identity is hashed in a way that TikTok does not take, so it was left out.",
        "Have the sender hash with SHA-256, or send it in the clear: it is hashed here.",
    ),
    "dummy_identity": Advice(
        "The external id is a placeholder, which would join all such users into one, so it was left out.",
        "Have the site send no identity where it knows none.",
        "external_identity_type",
    ),
    "email_redacted": Advice(
        "An e-mail address was taken out of a page address or a text.",
        "Keep e-mail addresses out of the site's page addresses and product texts.",
        "redact_emails",
    ),
}

_BY_KIND: Final[Mapping[AdviceKind, Mapping[str, Advice]]] = {
    "dropped": ADVICE_ON_DROPS,
    "dead_letter": ADVICE_ON_DEAD_LETTERS,
    "warning": ADVICE_ON_WARNINGS,
}


def advice_on(kind: AdviceKind, reason: str) -> Advice | None:
    """None for a reason that this program does not know (any more)."""
    return _BY_KIND[kind].get(reason)


def all_advice() -> Mapping[AdviceKind, Mapping[str, Advice]]:
    return _BY_KIND
