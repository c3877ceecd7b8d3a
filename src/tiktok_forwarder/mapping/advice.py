"""Advice on drops, dead letters and warnings: what each means and what to change, one sentence each, for people."""

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
        "The event is not an object, or its type or data cannot be read.",
        "Have the sender's developer compare the batch with mParticle's Events API: every event needs event_type "
        "and data.",
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
        "The user has not consented to the purpose that the connection requires.",
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
    "missing_required_attribute": Advice(
        "A custom mapping matches, but a required property has no usable value.",
        "Have the site send the attribute, or make the property optional in the mapping.",
        "custom_mappings",
    ),
    "event_too_old": Advice(
        "The event is older than the connection allows.",
        "TikTok accepts events of the last 28 days. Raise the limit if it is lower, and check the sender's clock.",
        "max_event_age_days",
    ),
    "missing_page_url": Advice(
        "There is no page URL, which TikTok requires for events from websites.",
        "Have the site set the custom flag TikTok.URL to the page's URL, starting with https://.",
        "page_url_fallback",
    ),
    "invalid_page_url": Advice(
        "The page URL does not start with http:// or https://, or is not a URL.",
        "Have the site set the custom flag TikTok.URL to the page's complete URL, such as "
        "https://shop.example.com/cart.",
    ),
    "missing_ip": Advice(
        "The user's IP address is missing, and the connection requires it.",
        "Have the sender set ip in the batch, or stop requiring it. TikTok matches fewer users without it.",
        "require_ip_and_user_agent",
    ),
    "missing_user_agent": Advice(
        "The browser's user agent is missing, and the connection requires it.",
        "Have the sender set device_info.http_header_user_agent in the batch, or stop requiring it: TikTok then "
        "matches fewer users.",
        "require_ip_and_user_agent",
    ),
    "missing_identity": Advice(
        "The user has none of the three identities, so TikTok cannot match the event to a person.",
        "This is normal for visitors who never logged in. Forward them with the setting, or check which "
        "identities the site sends.",
        "anonymous_events",
    ),
    "connection_full": Advice(
        "Waiting events fill this connection's share of the store.",
        "Fix what prevents the connection from delivering. It accepts new events again as soon as there is space.",
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
        "The click ID is a placeholder that was not filled in, so it was omitted.",
        "Check the macro for the click ID in the ad's URL.",
    ),
    "ttclid_too_long": Advice(
        "The click ID is longer than 1,000 characters, so it was omitted.",
        "Check the value that the site sets in the custom flag TikTok.Callback.",
    ),
    "ttclid_unexpected_format": Advice(
        "The click ID does not look like one of TikTok's. It was sent unchanged.",
        "Check that the custom flag TikTok.Callback contains the ttclid of the landing page's URL.",
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
        "A price or value is negative or not a number, so it was omitted.",
        "Check the sender's total_amount and product prices.",
    ),
    "quantity_rounded": Advice(
        "A quantity was not a whole number from 1 up, so it was rounded.",
        "Check the sender's product quantities.",
    ),
    "mistyped_attribute": Advice(
        "An attribute does not have the type of the property it is mapped to, so it was ignored.",
        "Map a numeric attribute to a numeric property.",
        "custom_mappings",
    ),
    "invalid_email": Advice(
        "The email identity is not an email address, so it was omitted.",
        "Check which identity is sent as the email address.",
        "email_identity_type",
    ),
    "invalid_phone": Advice(
        "The phone identity is not a phone number, so it was omitted.",
        "Check which identity is sent as the phone number.",
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
        "The external ID is a placeholder, which would merge all such users into one, so it was omitted.",
        "Have the site omit the identity when it is unknown.",
        "external_identity_type",
    ),
    "email_redacted": Advice(
        "An email address in a page URL or text was redacted.",
        "Keep email addresses out of the site's page URLs and product texts.",
        "redact_emails",
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
