"""The mapping: an event becomes TikTok events, or is dropped with the reason of the first check that it fails."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from tiktok_forwarder.domain.outcome import Dropped, Mapped, Outcome
from tiktok_forwarder.domain.sources import FieldSources
from tiktok_forwarder.mapping.commerce import add_content_summary, checked_currency, order_value, product_contents
from tiktok_forwarder.mapping.conditions import Outgoing, meets
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.custom import CustomMapping, matches
from tiktok_forwarder.mapping.custom_properties import MissingAttribute, PropertyReader
from tiktok_forwarder.mapping.event_id import event_id_of, timestamp_ms_of
from tiktok_forwarder.mapping.fields import STANDARD_EVENTS
from tiktok_forwarder.mapping.ordinary import OrdinaryReader, Texts
from tiktok_forwarder.mapping.page import PageReader
from tiktok_forwarder.mapping.places import RECEIPT_FOR_FUTURE, rule_path
from tiktok_forwarder.mapping.redaction.decoding import may_be_encoded_in
from tiktok_forwarder.mapping.redaction.emails import EMAIL_REDACTED, redacted
from tiktok_forwarder.mapping.redaction.identities import IdentityValues
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.mapping.shared import BatchReader, Refusal, Shared, Visit, sampling_refusal
from tiktok_forwarder.mapping.sources import Occurrence, given_currency
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT, cut_text
from tiktok_forwarder.mparticle.batch import Batch, Event, EventData, NotABatch, ProductAction
from tiktok_forwarder.mparticle.values import flag_text, text_of
from tiktok_forwarder.tiktok.events import CURRENCIES, PURCHASE_EVENTS
from tiktok_forwarder.tiktok.payload import Content, Properties, encode
from tiktok_forwarder.tiktok.wire_form import Visitor

FUTURE_TOLERANCE_MS: Final = 3_600_000
_DAY_MS: Final = 86_400_000
_MAX_SHOWN_NAME_LENGTH: Final = 60
_COMMERCE_EVENT: Final = "commerce_event"

Draft = tuple[str, Properties, list[str], FieldSources]
"""An outgoing event before the checks that concern it alone: TikTok's name, properties, warnings, sources."""


def standard_events(connection: Connection) -> dict[str, str]:
    """Return the connection's standard mappings: TikTok's event by product action."""
    return {**STANDARD_EVENTS, "purchase": connection.purchase_event}


class Mapper:
    """Maps batches for one connection. Between batches it keeps only user agents that are no crawlers'."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._standard = standard_events(connection)
        self._selected = {name: self._standard[name] for name in connection.standard_events}
        # Each mapping with its number.
        self._custom: dict[tuple[str, str], list[tuple[int, CustomMapping]]] = {}
        for number, mapping in enumerate(connection.custom_mappings, 1):
            self._custom.setdefault((mapping.event_type, mapping.event_name.lower()), []).append((number, mapping))
        # Of other types, nothing is sent.
        self._mapped_types = {_COMMERCE_EVENT, *(event_type for event_type, _ in self._custom)}
        self._form = form = connection.wire_form
        self._build_event = form.build_event
        self._content_type = connection.content_type
        self._item_content_type = connection.content_type if form.has_content_type_in_items else None
        self._max_age_ms = connection.max_event_age_days * _DAY_MS
        self._redacts = connection.redact_emails
        self._batches = BatchReader(connection)
        self._pages = PageReader(connection)
        self._omitted = omitted = frozenset("query" if name == "search_string" else name for name in connection.omit)
        self._order_id_event = connection.purchase_event if form.has_order_id and "order_id" not in omitted else ""
        self._ordinary = OrdinaryReader(connection)
        self._event_ids = connection.sources_of("event_id")
        self._takes_event_ids_elsewhere = "event_id" in connection.sources
        self._rules = connection.forwarding_rules
        self._drops_bots = connection.bots == "drop"

    def map_batch(self, batch: Batch, received_at_ms: int, *, allows_purchases: bool = True) -> list[Outcome]:
        """Return the outcomes of the batch's events in order; several for an event with several custom mappings.

        `allows_purchases`: whether the input that the batch came through may send purchases.
        """
        if not batch.events:
            return []
        shared = self._batches.shared(batch, received_at_ms, allows_purchases=allows_purchases)
        outcomes: list[Outcome] = []
        for index, event in enumerate(batch.events):
            self._map_event(shared, index, event, outcomes)
        return outcomes

    def _map_event(self, shared: Shared, index: int, event: Event | None, outcomes: list[Outcome]) -> None:
        event_type = event.event_type if event is not None else None
        if event_type != _COMMERCE_EVENT:
            event_type = (flag_text(event_type) or "").lower()
        if event is None or not event_type or event.data is None:
            outcomes.append(Dropped(index, "malformed_event", _malformation(shared.batch), shared.identifiers))
            return
        occurrence = Occurrence(shared.batch, event, event.data, event_type)
        sources: FieldSources = shared.sources.copy()
        warnings: list[str] = []
        texts = self._ordinary.texts(occurrence, shared.identities.values)
        if texts is None and (event_type in self._mapped_types or self._takes_event_ids_elsewhere):
            self._pages.find_url(occurrence, warnings, sources)
        refusal = shared.refusal
        if shared.samples_events:
            event_id = event_id_of(self._event_ids, occurrence, shared.mpid, [], {})
            refusal = sampling_refusal(event_id, self.connection.sample_percent) or refusal
        drafts = self._drafts(shared, occurrence, warnings, sources) if refusal is None else refusal
        if type(drafts) is Refusal:
            outcomes.append(self._dropped(shared, index, occurrence, drafts))
            return
        visit = shared.visit or self._batches.visit(shared, occurrence)
        for draft in drafts:
            outcomes.append(self._outgoing(shared, visit, index, occurrence, draft, texts))

    # --- which TikTok events ---

    def _drafts(
        self, shared: Shared, occurrence: Occurrence, warnings: list[str], sources: FieldSources
    ) -> Sequence[Draft] | Refusal:
        """Return the outgoing events. `warnings` and `sources` are those of the event so far, and then the draft's."""
        mappings: Sequence[tuple[int, CustomMapping]] = ()
        if self._custom:
            mappings = self._matching(occurrence, shared, warnings)
            drafts = self._custom_drafts(mappings, occurrence, warnings, sources)
            if drafts:
                return drafts
        action = occurrence.data.product_action if occurrence.event_type == _COMMERCE_EVENT else None
        given = action.action if action is not None else None
        # Text as nearly every sender writes it needs no reading.
        tiktok_event = self._selected.get(given) if type(given) is str else None
        if action is None or tiktok_event is None:
            name = text_of(given)
            lowered = (name or "").lower()
            tiktok_event = self._selected.get(lowered)
            if action is None or tiktok_event is None:
                return self._refusal(shared, occurrence, name, lowered, mappings)
        return [self._standard_draft(occurrence.data, action, tiktok_event, warnings, sources)]

    def _refusal(
        self,
        shared: Shared,
        occurrence: Occurrence,
        action: str | None,
        lowered: str,
        mappings: Sequence[tuple[int, CustomMapping]],
    ) -> Refusal:
        """Return why there is no draft, though these custom mappings match the event."""
        if mappings:
            return Refusal("missing_required_attribute", self._lack(mappings))
        if lowered in self._standard:
            return Refusal("event_not_selected", _NOT_SELECTED.format(lowered))
        return Refusal("unsupported_event", _unsupported(occurrence, action, shared.identities.values))

    def _lack(self, mappings: Sequence[tuple[int, CustomMapping]]) -> str:
        """Return in a sentence why these mappings yield nothing: by the connection's own setting, or by the event."""
        for _, mapping in mappings:
            for name in sorted(self._omitted.intersection(mapping.properties)):
                if mapping.properties[name].required:
                    return f"A custom mapping matches, but requires {name}, which the connection omits (setting omit)."
        return "A custom mapping matches, but a required property has no usable value."

    def _matching(self, occurrence: Occurrence, shared: Shared, warnings: list[str]) -> list[tuple[int, CustomMapping]]:
        name = occurrence.name
        candidates = self._custom.get((occurrence.event_type, name.lower()), ()) if name is not None else ()
        return [
            (number, mapping)
            for number, mapping in candidates
            if matches(mapping, Outgoing(occurrence, mapping.event, shared.identity_kinds, warnings))
        ]

    def _custom_drafts(
        self,
        mappings: Sequence[tuple[int, CustomMapping]],
        occurrence: Occurrence,
        warnings: Sequence[str],
        sources: FieldSources,
    ) -> list[Draft]:
        drafts: dict[str, Draft] = {}
        for number, mapping in mappings:
            event = self._form.event_named(mapping.event)
            # A second event of the same name would share its event ID, and TikTok would drop it.
            if mapping.event in drafts or event is None:
                continue
            noted = list(warnings)
            chosen = sources.copy()
            chosen["custom_mapping"] = number
            reader = PropertyReader(self.connection, mapping, event, occurrence, self._omitted, noted, chosen)
            try:
                properties = reader.properties()
            except MissingAttribute:
                continue
            drafts[mapping.event] = (mapping.event, properties, noted, chosen)
        return list(drafts.values())

    def _standard_draft(
        self, data: EventData, action: ProductAction, tiktok_event: str, warnings: list[str], sources: FieldSources
    ) -> Draft:
        omitted = self._omitted
        contents = product_contents(action.products, self._item_content_type, omitted, warnings, sources)
        value = order_value(action, self.connection, warnings, sources) if "value" not in omitted else None
        currency = data.currency_code
        # A code as TikTok lists it needs no check.
        if type(currency) is not str or currency not in CURRENCIES:
            currency = checked_currency(
                given_currency(data, action, sources),
                self.connection.default_currency,
                has_value=value is not None,
                warnings=warnings,
                sources=sources,
            )
        attributes = data.custom_attributes
        description = None
        if attributes and "description" in attributes and "description" not in omitted:
            description = text_of(attributes["description"])
        properties = Properties(contents, currency, value, description)
        if contents is not None:
            add_content_summary(properties, contents, self._content_type, self._form)
        if tiktok_event == self._order_id_event:
            properties.order_id = text_of(action.transaction_id)
        return tiktok_event, properties, warnings, sources

    # --- one outgoing event ---

    def _outgoing(
        self,
        shared: Shared,
        visit: Visit,
        index: int,
        occurrence: Occurrence,
        draft: Draft,
        texts: Texts | None,
    ) -> Outcome:
        name, properties, warnings, sources = draft
        if not shared.allows_purchases and name in PURCHASE_EVENTS:
            return self._dropped(shared, index, occurrence, Refusal("purchase_not_allowed", _NOT_ALLOWED.format(name)))
        visitor = visit.visitor
        if self._rules or visit.is_bot:
            refusal = self._refused_as_bot(visit) or self._refused_by_rule(
                Outgoing(occurrence, name, shared.identity_kinds, warnings)
            )
            if refusal is not None:
                return self._dropped(shared, index, occurrence, refusal)
            visitor = self._limited(visit.visitor, Outgoing(occurrence, name, shared.identity_kinds, warnings), sources)
        received_at_ms = shared.received_at_ms
        timestamp_ms = timestamp_ms_of(occurrence, warnings, sources)
        if timestamp_ms is None:
            timestamp_ms = received_at_ms
        if visit.refusal is not None or occurrence.page_url is None or received_at_ms - timestamp_ms > self._max_age_ms:
            refusal = self._late_refusal(visit, occurrence, received_at_ms - timestamp_ms)
            return self._dropped(shared, index, occurrence, refusal)
        if timestamp_ms > received_at_ms + FUTURE_TOLERANCE_MS:
            timestamp_ms = received_at_ms
            warnings.append("future_timestamp_replaced")
            sources["event_time"] = RECEIPT_FOR_FUTURE
        event_id, ttclid, page = texts or self._texts(shared, occurrence, warnings, sources)
        if visit.warnings:
            warnings += visit.warnings
        if visit.sources:
            sources.update(visit.sources)
        sent = properties if properties != _NO_PROPERTIES else None
        payload = encode(self._build_event(name, timestamp_ms, event_id, visitor, ttclid, page, sent))
        may_need_change = len(payload) > MAX_CHARACTERS or (self._redacts and may_be_encoded_in(payload))
        if may_need_change and self._needs_change(payload):
            change_texts(properties, warnings, redacts=self._redacts)
            sent = properties if properties != _NO_PROPERTIES else None
            payload = encode(self._build_event(name, timestamp_ms, event_id, visitor, ttclid, page, sent))
        noted = tuple(dict.fromkeys(warnings)) if warnings else ()
        value, currency = properties.value, properties.currency
        return Mapped(index, name, event_id, payload, noted, shared.identifiers, sources, value, currency)

    def _texts(self, shared: Shared, occurrence: Occurrence, warnings: list[str], sources: FieldSources) -> Texts:
        event_id = event_id_of(self._event_ids, occurrence, shared.mpid, warnings, sources)
        ttclid = self._pages.click_id(occurrence, warnings, sources)
        page = self._pages.page(occurrence, shared.identities.values, warnings, sources)
        return event_id, ttclid, page

    def _dropped(self, shared: Shared, index: int, occurrence: Occurrence, refusal: Refusal) -> Dropped:
        event_id = ""
        if self._takes_event_ids_elsewhere:
            event_id = event_id_of(self._event_ids, occurrence, shared.mpid, [], {})
        return Dropped(index, refusal.reason, refusal.detail, shared.identifiers, event_id)

    def _late_refusal(self, visit: Visit, occurrence: Occurrence, age_ms: int) -> Refusal:
        """Return the first of the last checks that failed."""
        if age_ms > self._max_age_ms:
            return Refusal("event_too_old", f"The event is older than {self.connection.max_event_age_days} days.")
        if occurrence.page_url is None or visit.refusal is None:
            return _INVALID_URL if self._pages.has_url(occurrence) else _NO_URL
        return visit.refusal

    def _needs_change(self, payload: bytes) -> bool:
        """Return whether a text of the properties may be too long, or hold an email address."""
        # In a text, the quotes would be escaped.
        start = payload.find(_PROPERTIES)
        if start < 0:
            return False
        return len(payload) - start > MAX_CHARACTERS or (self._redacts and may_be_encoded_in(payload[start:]))

    # --- rules ---

    def _refused_as_bot(self, visit: Visit) -> Refusal | None:
        return _BOT if visit.is_bot and self._drops_bots else None

    def _refused_by_rule(self, outgoing: Outgoing) -> Refusal | None:
        only = [rule for rule in self._rules if rule.action == "only_forward"]
        for rule in self._rules:
            if rule.action == "do_not_forward" and meets(rule, outgoing):
                return Refusal("filtered_by_rule", f"The rule {rule.name} says Do Not Forward.")
        if only and not any(meets(rule, outgoing) for rule in only):
            names = ", ".join(rule.name for rule in only)
            return Refusal("filtered_by_rule", f"No Only Forward rule holds: {names}.")
        return None

    def _limited(self, visitor: Visitor, outgoing: Outgoing, sources: FieldSources) -> Visitor:
        """Return the visitor with limited data use if a rule says so."""
        if visitor.limited_data_use:
            return visitor
        for number, rule in enumerate(self._rules):
            if rule.action == "limit_data_use" and meets(rule, outgoing):
                sources["limited_data_use"] = rule_path(number)
                return replace(visitor, limited_data_use=True)
        return visitor


_NO_URL: Final = Refusal("missing_page_url", "There is no page URL: set the custom flag TikTok.URL.")
_INVALID_URL: Final = Refusal(
    "invalid_page_url",
    f"The page URL must start with http:// or https://, name a host, contain no white space and have at most "
    f"{MAX_CHARACTERS:,} characters.",
)
_BOT: Final = Refusal("bot", "The user agent is a known crawler's.")
_NOT_ALLOWED: Final = "The event would be {}, and its input is not allowed to send purchases."
_NOT_SELECTED: Final = "The connection does not send the standard event of the product action {}."


def _malformation(batch: Batch) -> str:
    if isinstance(batch, NotABatch):
        return batch.problem
    return "The event is not an object, or has no event_type or data."


def _unsupported(occurrence: Occurrence, action: str | None, identities: IdentityValues) -> str:
    if occurrence.event_type != _COMMERCE_EVENT:
        kind = _shown(occurrence.event_type, identities)
        return f"No custom mapping matches this {kind}, and only commerce events map without one."
    if action is None:
        return "The commerce event has no product action (an impression or a promotion), and no mapping matches it."
    shown = _shown(action, identities)
    return f"The product action {shown} has no TikTok event, and no custom mapping matches it."


def _shown(name: str, identities: IdentityValues) -> str:
    """Return a name of the event for people, unless it contains one of the user's identities."""
    return kept_text(name, _MAX_SHOWN_NAME_LENGTH, identities)


_PROPERTIES: Final = b',"properties":{'
_NO_PROPERTIES: Final = Properties()


def change_texts(properties: Properties, warnings: list[str], *, redacts: bool) -> None:
    """Cut long texts, and redact email addresses; texts of which nothing is left go."""
    for change, warning in ((cut_text, TEXT_CUT), (redacted, EMAIL_REDACTED)) if redacts else ((cut_text, TEXT_CUT),):
        before = encode(properties)
        for holder in (properties, *(properties.contents or ())):
            for name in holder.__struct_fields__:
                text = getattr(holder, name)
                if isinstance(text, str):
                    setattr(holder, name, change(text) or None)
        if properties.content_ids is not None:
            changed = [change(text) for text in properties.content_ids]
            properties.content_ids = list(dict.fromkeys([text for text in changed if text])) or None
        if properties.contents is not None:
            properties.contents = [content for content in properties.contents if content != Content()] or None
        if encode(properties) != before:
            warnings.append(warning)
