"""Advice on drops, dead letters and warnings: what each means and how to fix it, for people."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

AdviceKind = Literal["dropped", "dead_letter", "warning"]


class Advice(Struct, frozen=True):
    """Advice on one reason. `setting` names the connection's setting that decides it, if one does."""

    meaning: str
    remedy: str
    setting: str = ""


ADVICE_ON_DROPS: Final[Mapping[str, Advice]] = {
    "malformed_event": Advice(
        "The event cannot be read, or what was sent is not a batch of mParticle's.",
        "Have the sender's developer compare it with the mParticle Events API: a batch has a list of events, and "
        "every event needs event_type and data.",
    ),
    "connection_disabled": Advice(
        "The connection is disabled.", "Enable the connection to send its events.", "enabled"
    ),
    "environment_mismatch": Advice(
        "The connection accepts only mParticle's other environment.",
        "Set the environment to all to send both, or have the sender set the correct environment.",
        "environment",
    ),
    "unsupported_platform": Advice(
        "The event is from an app, and the connection accepts events from websites only.",
        "Set the platforms to any to send events from apps too.",
        "platforms",
    ),
    "sampled_out": Advice(
        "The connection forwards a sample of the users, and this user is not in it.",
        "Set the sample to 100% to send every user's events.",
        "sample_percent",
    ),
    "consent_not_given": Advice(
        "The user has not consented to a purpose that the connection requires.",
        "No action is needed if the user declined. Otherwise check that the site sends the consent to mParticle, "
        "under the same purpose.",
        "consent_purpose",
    ),
    "data_sale_opt_out": Advice(
        "The user opted out of the sale of data, and the connection drops such events.",
        "No action is needed. To send them with limited data use instead, change the setting.",
        "ccpa_opt_out",
    ),
    "unsupported_event": Advice(
        "No custom or standard mapping matches this event.",
        "Add a custom mapping to send it to TikTok.",
        "custom_mappings",
    ),
    "event_not_selected": Advice(
        "The connection does not send the standard event of this product action.",
        "Add the action to the standard events, or add a custom mapping for it.",
        "standard_events",
    ),
    "purchase_not_allowed": Advice(
        "The input that the event came through is not allowed to send purchases.",
        "If a page or server sends this purchase by mistake, send it through another input. To accept purchases from "
        "this input, allow them on the input's page.",
    ),
    "missing_required_attribute": Advice(
        "A custom mapping matches, but a required property has no usable value.",
        "Have the site send the attribute, or make the property optional in the mapping. If the connection omits the "
        "property, remove it from the setting omit, or from the mapping.",
        "custom_mappings",
    ),
    "bot": Advice(
        "The user agent is that of a known crawler, and the connection drops such events.",
        "No action is needed: no person made the visit. To send such events with a warning instead, change the "
        "setting.",
        "bots",
    ),
    "filtered_by_rule": Advice(
        "A forwarding rule of the connection excludes the event.",
        "No action is needed if the rule is right. Otherwise correct its conditions, or remove the rule.",
        "forwarding_rules",
    ),
    "event_too_old": Advice(
        "The event is older than the connection allows.",
        "TikTok accepts events of the last 28 days. Raise the limit if it is lower, and check the time that the "
        "sender sets.",
        "max_event_age_days",
    ),
    "missing_page_url": Advice(
        "No source of the page URL has a value, and TikTok requires one for events from websites.",
        "Have the site set the custom flag TikTok.URL to the page's URL, starting with https://.",
        "page_url_fallback",
    ),
    "invalid_page_url": Advice(
        "The page URL does not start with http:// or https://, is not a URL, or has more than 4,096 characters.",
        "Have the site set the custom flag TikTok.URL to the page's complete URL, such as "
        "https://shop.example.com/cart.",
    ),
    "missing_ip": Advice(
        "The user's IP address is missing or is not an IP address, and the connection requires one.",
        "Have the sender set ip in the batch to the visitor's address, or stop requiring it: TikTok then matches "
        "fewer users.",
        "require_ip_and_user_agent",
    ),
    "missing_user_agent": Advice(
        "The browser's user agent is missing, a placeholder or too long, and the connection requires one.",
        "Have the sender set device_info.http_header_user_agent in the batch, or stop requiring it: TikTok then "
        "matches fewer users.",
        "require_ip_and_user_agent",
    ),
    "missing_identity": Advice(
        "None of the user's identities is usable, so TikTok cannot match the event to a person.",
        "This is normal for visitors who never logged in. Forward them with the setting, or check which identities "
        "the site sends.",
        "anonymous_events",
    ),
    "connection_full": Advice(
        "The connection's storage quota is used up by waiting events and dead letters, while another connection "
        "accepted the request.",
        "Fix what prevents the connection from delivering, replay or discard its dead letters, or raise "
        "max_store_bytes. It accepts new events again as soon as there is space.",
    ),
    "recorded": Advice(
        "The connection only records: the event was mapped and counted, and is not sent, also not later.",
        "Compare it with what you send otherwise. To send new events, set the delivery to send.",
        "delivery",
    ),
}

ADVICE_ON_DEAD_LETTERS: Final[Mapping[str, Advice]] = {
    "refused": Advice(
        "TikTok refused this event.",
        "Read TikTok's answer, fix the mapping or the sender, then discard the event: a replay sends the same bytes.",
    ),
    "retries_exhausted": Advice(
        "Every attempt failed until the end of the retry window.",
        "Replay it when TikTok can be reached again.",
    ),
    "unconfirmed": Advice(
        "TikTok may have received it without answering, and after 48 hours TikTok would count a repeat again.",
        "Look it up in Events Manager, and replay it only if TikTok does not have it.",
    ),
    "connection_deleted": Advice(
        "The connection was deleted while the event was waiting.",
        "You can view and discard it. To deliver such events, add a connection and have the sender send them again.",
    ),
    "unreadable": Advice(
        "The stored event can no longer be sent.",
        "You can view and discard it. The service log shows the cause.",
    ),
}

ADVICE_ON_WARNINGS: Final[Mapping[str, Advice]] = {
    "future_timestamp_replaced": Advice(
        "The event's time was more than an hour in the future, so the time of receipt was sent.",
        "Check the sender's clock.",
    ),
    "ttclid_dummy_omitted": Advice(
        "The click ID is a placeholder, such as a macro that was not filled in, so it was omitted.",
        "Check the macro for the click ID in the ad's URL, and what the site sets when there is no click ID.",
    ),
    "ttclid_too_long": Advice(
        "The click ID is longer than 1,000 characters, so it was omitted.",
        "Check the value that the site sets in the custom flag TikTok.Callback.",
    ),
    "ttclid_unexpected_format": Advice(
        "The click ID does not start with E.C.P as TikTok's do. It was sent unchanged.",
        "Check that the custom flag TikTok.Callback, or the connection's own source, has the ttclid of the landing "
        "page's URL.",
    ),
    "invalid_currency": Advice(
        "The currency is not three letters, so it was omitted.",
        "Have the sender use a currency code such as USD.",
        "default_currency",
    ),
    "currency_not_listed": Advice(
        "TikTok does not list this currency. It was sent unchanged.", "Send values in a currency that TikTok lists."
    ),
    "missing_currency": Advice(
        "A value was sent without a currency, so TikTok cannot add it up.",
        "Have the sender set currency_code, or set a default currency.",
        "default_currency",
    ),
    "invalid_value": Advice(
        "A price, value, quantity or customer type is not one that TikTok accepts, so it was omitted.",
        "Check the sender's total_amount, product prices and quantities. A number in text has digits and a decimal "
        "point only: 1299.00, not 1,299.00.",
    ),
    "quantity_rounded": Advice(
        "A quantity was not a whole number from 1 up, so it was rounded.",
        "Check the sender's product quantities.",
    ),
    "mistyped_attribute": Advice(
        "A source does not have the type of the property it is mapped to, so it was ignored.",
        "Map a number to a numeric property, and a text to any other.",
        "custom_mappings",
    ),
    "invalid_email": Advice(
        "The email identity is not an email address, so it was omitted.",
        "Check which identity is sent as the email address, and what the site writes into it.",
        "email_identity_type",
    ),
    "invalid_phone": Advice(
        "The phone identity is not a possible phone number, so it was omitted.",
        "Check which identity is sent as the phone number, and whether the number has its country code once.",
        "phone_identity_type",
    ),
    "phone_without_country_code": Advice(
        "The phone number has no country code, so it was omitted.",
        "Set the default phone region for such numbers.",
        "default_phone_region",
    ),
    "unusable_hash": Advice(
        "The identity is hashed in a way that TikTok does not accept, so it was omitted.",
        "Have the sender hash it with SHA-256, or send it unhashed: this service hashes it.",
    ),
    "dummy_identity": Advice(
        "The external ID is a placeholder, such as guest or 0, which would make all such users one person, so it was "
        "omitted.",
        "Have the site omit the identity when it is unknown.",
        "external_identity_type",
    ),
    "email_redacted": Advice(
        "An email address or user information in a page URL, or an email address in a text, was redacted.",
        "Keep email addresses out of the site's page URLs and product texts.",
        "redact_emails",
    ),
    "identity_redacted": Advice(
        "One of the user's identities in a page URL was redacted.",
        "Have the site send its forms by POST: a form sent by GET puts what users enter into the page URL.",
        "redact_emails",
    ),
    "dummy_event_id": Advice(
        "An event ID is a placeholder, such as undefined, that many events would share, so it was ignored.",
        "Have the site set an event ID of its own for each event, or take it from another source such as the order "
        "number.",
        "sources",
    ),
    "personal_data_in_event_id": Advice(
        "The event ID contains an email address. It was sent and stored unchanged, since it must equal the pixel's.",
        "Have the site and its pixel use an ID without personal data, such as the order number.",
        "sources",
    ),
    "invalid_ip": Advice(
        "A source of the IP address has no IP address in it, so it was ignored.",
        "Have the sender set ip in the batch to the visitor's IP address.",
        "sources",
    ),
    "private_ip": Advice(
        "The IP address is of a private network, so TikTok cannot match it. It was sent unchanged.",
        "Have the sender set ip to the visitor's address, not to that of its own proxy or server.",
        "sources",
    ),
    "bot_user_agent": Advice(
        "The user agent is that of a known crawler.",
        "Drop such events with the setting if they should not count.",
        "bots",
    ),
    "page_url_replaced": Advice(
        "A source of the page URL was not a usable URL, so a later source was used.",
        "Check what the site sets in the custom flag TikTok.URL.",
        "sources",
    ),
    "ttclid_differs": Advice(
        "The custom flag and the page URL have different click IDs. The one that is first in the order of sources was "
        "sent.",
        "Check whether the site keeps the click ID of an earlier visit in the custom flag TikTok.Callback.",
        "sources",
    ),
    "timestamp_unit_guessed": Advice(
        "A time was not in milliseconds, so its unit was guessed from its size.",
        "Have the sender set timestamp_unixtime_ms in milliseconds since 1970.",
    ),
    "invalid_timestamp": Advice(
        "A time could not be read, so the next one was used: the batch's, or the time of receipt.",
        "Have the sender set timestamp_unixtime_ms in milliseconds since 1970.",
    ),
    "zero_total_with_priced_products": Advice(
        "The total is 0 although the products cost something. It was sent as 0.",
        "Have the site pass the revenue, or send the sum of the products instead with the setting.",
        "zero_total_is_missing",
    ),
    "zero_total_replaced": Advice(
        "The total was 0 although the products cost something, so their sum was sent.",
        "Have the site pass the revenue. If orders can be free, change the setting.",
        "zero_total_is_missing",
    ),
    "text_cut": Advice(
        "A text was longer than 4,096 characters, so it was cut or omitted.",
        "Have the sender shorten it. An identity, IP address, event ID, user agent or "
        "cookie of that length is omitted; other texts are cut.",
    ),
}

_BY_KIND: Final[Mapping[AdviceKind, Mapping[str, Advice]]] = {
    "dropped": ADVICE_ON_DROPS,
    "dead_letter": ADVICE_ON_DEAD_LETTERS,
    "warning": ADVICE_ON_WARNINGS,
}


def advice_on(kind: AdviceKind, reason: str) -> Advice | None:
    """Return the advice for a reason, or None if this version does not know the reason."""
    return _BY_KIND[kind].get(reason)


def all_advice() -> Mapping[AdviceKind, Mapping[str, Advice]]:
    return _BY_KIND
