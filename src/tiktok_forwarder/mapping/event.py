"""The mapping: an event becomes TikTok events, or is dropped with the reason of the first check that it fails."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Dropped, Mapped, Outcome
from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.commerce import (
    add_content_summary,
    checked_currency,
    content_ids,
    order_value,
    product_contents,
)
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import CustomMapping, Occurrence, given_currency, matches
from tiktok_forwarder.mapping.custom_properties import MissingAttribute, PropertyReader
from tiktok_forwarder.mapping.page import is_page_url, usable_click_id
from tiktok_forwarder.mapping.places import (
    ACTION_NAME,
    BATCH_TIME,
    EVENT_NAME,
    EVENT_TIME,
    MADE_ID,
    MPARTICLES_ID,
    PAGE_URL,
    RECEIPT,
    RECEIPT_FOR_FUTURE,
    SCREEN_NAME,
    TRANSACTION_ID,
)
from tiktok_forwarder.mapping.redaction import may_hold_address, redacted
from tiktok_forwarder.mapping.shared import Refusal, Shared, sampling_refusal, shared_of
from tiktok_forwarder.mparticle.batch import Batch, CustomFlags, Event, EventData, ProductAction
from tiktok_forwarder.mparticle.values import flag_text, milliseconds_of, text_of
from tiktok_forwarder.tiktok.payload import Page, Properties, encode

# The product actions that mParticle's TikTok output knows; the connection names the event of a purchase.
STANDARD_EVENTS: Final = {
    "add_to_cart": "AddToCart",
    "add_to_wishlist": "AddToWishlist",
    "purchase": "PlaceAnOrder",
    "checkout": "InitiateCheckout",
    "view_detail": "ViewContent",
}
FUTURE_TOLERANCE_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_MAX_SHOWN_NAME_LENGTH: Final = 60

Draft = tuple[str, Properties, list[str], FieldSources]
"""An outgoing event before the checks that concern it alone: TikTok's name, properties, warnings, sources."""


def standard_events(connection: Connection) -> dict[str, str]:
    """Return the connection's standard mappings: TikTok's event by product action."""
    return {**STANDARD_EVENTS, "purchase": connection.purchase_event}


class Mapper:
    """Maps batches for one connection. Keeps nothing between batches."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._standard = standard_events(connection)
        # Each mapping with its number.
        self._custom: dict[tuple[str, str], list[tuple[int, CustomMapping]]] = {}
        for number, mapping in enumerate(connection.custom_mappings, 1):
            self._custom.setdefault((mapping.event_type, mapping.event_name.lower()), []).append((number, mapping))
        self._form = form = connection.wire_form
        self._build_event = form.build_event
        self._item_content_type = connection.content_type if form.has_content_type_in_items else None
        self._max_age_ms = connection.max_event_age_days * _DAY_MS
        self._page_url_fallback = connection.page_url_fallback
        self._redacts = connection.redact_emails

    def map_batch(self, batch: Batch, received_at_ms: int) -> list[Outcome]:
        """Return the outcomes of the batch's events in order; several for an event with several custom mappings."""
        if not batch.events:
            return []
        shared = shared_of(batch, self.connection, received_at_ms)
        outcomes: list[Outcome] = []
        for index, event in enumerate(batch.events):
            self._map_event(shared, index, event, outcomes)
        return outcomes

    def _map_event(self, shared: Shared, index: int, event: Event | None, outcomes: list[Outcome]) -> None:
        event_type = flag_text(event.event_type) if event is not None else None
        if event is None or event_type is None or event.data is None:
            detail = "The event is not an object, or has no event_type or data."
            outcomes.append(Dropped(index, "malformed_event", detail, shared.subjects))
            return
        event_type = event_type.lower()
        refusal = shared.refusal
        if shared.samples_events:
            event_id = event_id_of(event.data, event_type, shared, {})
            refusal = sampling_refusal(event_id, self.connection.sample_percent) or refusal
        drafts = self._drafts(shared, event, event.data, event_type) if refusal is None else refusal
        if isinstance(drafts, Refusal):
            outcomes.append(Dropped(index, drafts.reason, drafts.detail, shared.subjects))
            return
        for draft in drafts:
            outcomes.append(self._outgoing(shared, index, event.data, event_type, draft))

    # --- which TikTok events ---

    def _drafts(self, shared: Shared, event: Event, data: EventData, event_type: str) -> Sequence[Draft] | Refusal:
        matched = False
        if self._custom:
            occurrence = Occurrence(shared.batch, event, data, event_type)
            mappings = self._matching(occurrence)
            drafts = self._custom_drafts(mappings, occurrence, shared)
            if drafts:
                return drafts
            matched = bool(mappings)
        action = data.product_action if event_type == "commerce_event" else None
        name = text_of(action.action) if action is not None else None
        tiktok_event = self._standard.get(name.lower()) if name is not None else None
        if action is not None and name is not None and tiktok_event is not None:
            return [self._standard_draft(shared, data, action, tiktok_event)]
        if matched:
            detail = "A custom mapping matches, but a required property has no usable value."
            return Refusal("missing_required_attribute", detail)
        return Refusal("unsupported_event", _unsupported(data, event_type, name))

    def _matching(self, occurrence: Occurrence) -> list[tuple[int, CustomMapping]]:
        name = occurrence.name
        candidates = self._custom.get((occurrence.event_type, name.lower()), ()) if name is not None else ()
        return [candidate for candidate in candidates if matches(candidate[1], occurrence)]

    def _custom_drafts(
        self, mappings: Sequence[tuple[int, CustomMapping]], occurrence: Occurrence, shared: Shared
    ) -> list[Draft]:
        drafts: dict[str, Draft] = {}
        for number, mapping in mappings:
            # A second event of the same name would share its event ID, and TikTok would drop it.
            if mapping.event in drafts:
                continue
            warnings = list(shared.digests.warnings)
            sources = shared.sources.copy()
            sources["custom_mapping"] = number
            try:
                properties = PropertyReader(self.connection, mapping, occurrence, warnings, sources).properties()
            except MissingAttribute:
                continue
            drafts[mapping.event] = (mapping.event, properties, warnings, sources)
        return list(drafts.values())

    def _standard_draft(self, shared: Shared, data: EventData, action: ProductAction, tiktok_event: str) -> Draft:
        connection = self.connection
        warnings = list(shared.digests.warnings)
        sources = shared.sources.copy()
        contents = product_contents(action.products, self._item_content_type, warnings, sources)
        value = order_value(action, from_products=connection.value_from_products, warnings=warnings, sources=sources)
        currency = checked_currency(
            given_currency(data, action, sources),
            connection.default_currency,
            has_value=value is not None,
            warnings=warnings,
            sources=sources,
        )
        attributes = data.custom_attributes
        description = text_of(attributes.get("description")) if attributes else None
        properties = Properties(contents, currency, value, description)
        add_content_summary(properties, connection.content_type, self._form)
        if self._form.has_order_id and tiktok_event == self._standard["purchase"]:
            properties.order_id = text_of(action.transaction_id)
        return tiktok_event, properties, warnings, sources

    # --- one outgoing event ---

    def _outgoing(self, shared: Shared, index: int, data: EventData, event_type: str, draft: Draft) -> Outcome:
        name, properties, warnings, sources = draft
        received_at_ms = shared.received_at_ms
        timestamp_ms = event_timestamp_ms(data, shared, sources)
        if timestamp_ms is None:
            timestamp_ms = received_at_ms
        flags = data.custom_flags or _NO_FLAGS
        url = flag_text(flags.url)
        if url is None and self._page_url_fallback:
            url = flag_text(data.page_url)
            sources["url"] = PAGE_URL
        if received_at_ms - timestamp_ms > self._max_age_ms:
            detail = f"The event is older than {self.connection.max_event_age_days} days."
            return Dropped(index, "event_too_old", detail, shared.subjects)
        if url is None:
            return Dropped(index, "missing_page_url", _NO_URL, shared.subjects)
        if not is_page_url(url):
            return Dropped(index, "invalid_page_url", _INVALID_URL, shared.subjects)
        if shared.late_refusal is not None:
            return Dropped(index, shared.late_refusal.reason, shared.late_refusal.detail, shared.subjects)
        if timestamp_ms > received_at_ms + FUTURE_TOLERANCE_MS:
            timestamp_ms = received_at_ms
            warnings.append("future_timestamp_replaced")
            sources["event_time"] = RECEIPT_FOR_FUTURE
        page = Page(url, flag_text(flags.referrer))
        event_id = event_id_of(data, event_type, shared, sources)
        ttclid = usable_click_id(flag_text(flags.callback), url, warnings, sources)
        sent_properties = properties if properties != _NO_PROPERTIES else None
        event = self._build_event(name, timestamp_ms, event_id, shared.visitor, ttclid, page, sent_properties)
        payload = encode(event)
        if self._redacts and (b"@" in payload or (b"%" in payload and b"%40" in payload)):
            payload = _redacted(event, page, properties, payload, warnings)
        noted = tuple(dict.fromkeys(warnings)) if warnings else ()
        return Mapped(index, name, event_id, payload, noted, shared.subjects, sources)


_NO_PROPERTIES: Final = Properties()
_NO_FLAGS: Final = CustomFlags()
_NO_URL: Final = "There is no page URL: set the custom flag TikTok.URL."
_INVALID_URL: Final = "The page URL must start with http:// or https://, name a host and contain no white space."


def event_timestamp_ms(data: EventData, shared: Shared, sources: FieldSources) -> int | None:
    """Return the first of `EVENT_TIMES` that is present; None if that is the time of receipt."""
    if data.timestamp_unixtime_ms is not None:
        given = milliseconds_of(data.timestamp_unixtime_ms)
        if given is not None:
            return given
    given = milliseconds_of(shared.batch.timestamp_unixtime_ms)
    sources["event_time"] = BATCH_TIME if given is not None else RECEIPT
    return given


def event_id_of(data: EventData, event_type: str, shared: Shared, sources: FieldSources) -> str:
    """Return the first of `EVENT_IDS` that is present: the last one is generated, so that a repeat gets it too."""
    event_id = text_of(data.source_message_id)
    if event_id is not None:
        return event_id
    event_id = text_of(data.event_id)
    if event_id is not None:
        sources["event_id"] = MPARTICLES_ID
        return event_id
    sources["event_id"] = MADE_ID
    return _made_event_id(data, event_type, shared, sources)


def _made_event_id(data: EventData, event_type: str, shared: Shared, sources: FieldSources) -> str:
    action = data.product_action if event_type == "commerce_event" else None
    names = (
        (ACTION_NAME, (text_of(action.action) or "").lower() if action is not None else None),
        (EVENT_NAME, text_of(data.event_name)),
        (SCREEN_NAME, text_of(data.screen_name)),
    )
    time: FieldSources = {}
    timestamp_ms = event_timestamp_ms(data, shared, time)
    parts = (
        ("mpid", shared.mpid),
        ("event_type", event_type),
        next((name for name in names if name[1]), names[0]),
        (time.get("event_time", EVENT_TIME), str(timestamp_ms) if timestamp_ms is not None else None),
        (TRANSACTION_ID, text_of(action.transaction_id) if action is not None else None),
    )
    sources["made_from"] = [path for path, part in parts if part]
    text = "\n".join(part or "" for _, part in parts)
    return f"tf-{sha256(text.encode()).hexdigest()[:32]}"


def _unsupported(data: EventData, event_type: str, action: str | None) -> str:
    if event_type != "commerce_event":
        return f"No custom mapping matches this {_shown(event_type)}, and only commerce events map without one."
    if action is None:
        return "The commerce event has no product action (an impression or a promotion), and no mapping matches it."
    return f"The product action {_shown(action)} has no TikTok event, and no custom mapping matches it."


def _shown(name: str) -> str:
    return redacted(name)[:_MAX_SHOWN_NAME_LENGTH]


def _redacted(event: Struct, page: Page, properties: Properties, payload: bytes, warnings: list[str]) -> bytes:
    """Return the payload without the email addresses in its page and properties, either of which may be missing."""
    for holder in (page, properties, *(properties.contents or ())):
        for name in holder.__struct_fields__:
            text = getattr(holder, name)
            if isinstance(text, str) and may_hold_address(text):
                setattr(holder, name, redacted(text) or None)
    if properties.content_ids is not None:
        properties.content_ids = content_ids(properties.contents or ())
    clean = encode(event)
    if clean != payload:
        warnings.append("email_redacted")
    return clean
