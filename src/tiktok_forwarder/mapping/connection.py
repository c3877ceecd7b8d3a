"""A connection: one TikTok pixel with its settings, as the mapping and the deliverer use it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, structs

from tiktok_forwarder.domain.errors import ConfigurationError, suggestion
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.mapping.condition_reading import read_rules
from tiktok_forwarder.mapping.conditions import Condition, Rule
from tiktok_forwarder.mapping.custom import CustomMapping, MappingDocument, PropertySource
from tiktok_forwarder.mapping.custom_reading import read_custom_mappings
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME, FIELDS, RECORD
from tiktok_forwarder.mapping.placeholders import refuse_placeholders
from tiktok_forwarder.mapping.reading import Problems, read_field
from tiktok_forwarder.mapping.source_reading import FIRST, read_sources
from tiktok_forwarder.mapping.sources import DEFAULT_SOURCES, CommonField, Source
from tiktok_forwarder.tiktok.events import EVENTS
from tiktok_forwarder.tiktok.wire_form import WireForm
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

TOKEN: Final = "access_token"  # noqa: S105  # the key's name
# A name that differs more from a standard event's is meant as it is, such as PurchaseRefund.
_MAX_MISSPELLED_CHARACTERS: Final = 2
# What is no plain value has a reader of its own.
_READ_BELOW: Final = frozenset({"mappings", "rules", "sources"})
_READ_BELOW_NAMES: Final = tuple(field.name for field in FIELDS if field.kind in _READ_BELOW)


class Connection(Struct, frozen=True, kw_only=True):
    """The settings of `fields.FIELDS` but for the access token. `id` and `revision` are the document's."""

    id: str = ""
    revision: int = 0
    name: str
    pixel_id: str
    email_identity_type: str
    external_identity_type: str
    phone_identity_type: str
    content_type: str
    events_api: WireFormName
    purchase_event: str
    standard_events: tuple[str, ...]
    forwarding_rules: tuple[Rule, ...]
    omit: tuple[str, ...]
    sources: Mapping[CommonField, tuple[Source, ...]]
    anonymous_events: str
    require_ip_and_user_agent: bool
    page_url_fallback: bool
    default_currency: str | None
    default_phone_region: str | None
    value_from_products: bool
    zero_total_is_missing: bool
    extra_email_identity_types: tuple[str, ...]
    extra_phone_identity_types: tuple[str, ...]
    extra_external_identity_types: tuple[str, ...]
    advanced_matching: bool
    platforms: str
    environment: str
    consent_purpose: tuple[str, ...]
    absent_consent: str
    bots: str
    ccpa_opt_out: str
    max_event_age_days: int
    sample_percent: float
    redact_emails: bool
    test_event_code: str | None
    custom_mappings: tuple[CustomMapping, ...]
    inputs: tuple[str, ...]
    delivery: str
    enabled: bool

    @property
    def wire_form(self) -> WireForm:
        return WIRE_FORMS[self.events_api]

    @property
    def is_recording(self) -> bool:
        """Return whether new events are only recorded."""
        return self.delivery == RECORD

    def sources_of(self, field: CommonField) -> tuple[Source, ...]:
        """Return where a field that every event has is taken from, in the order of trying."""
        given = self.sources.get(field)
        if given is not None:
            return given
        default = DEFAULT_SOURCES[field]
        return default[:1] if field == "page_url" and not self.page_url_fallback else default


class ConnectionDraft(Struct, frozen=True):
    """A connection as written by a user; `access_token` is None if none was given."""

    connection: Connection
    access_token: str | None

    def __repr__(self) -> str:
        return f"ConnectionDraft({self.connection.name})"


def read_connection(
    given: Mapping[str, object],
    *,
    connection_id: str = "",
    revision: int = 0,
    needs_token: bool = True,
    may_be_placeholder: bool = False,
) -> ConnectionDraft:
    """Read a connection from plain keys and values. Raises `ConfigurationError` with all problems.

    A connection that only records needs no token. Placeholders are refused where a connection is saved. A stored one
    may be older than this rule, and events may be previewed before there is a pixel.
    """
    problems = Problems()
    problems.unknown_keys(given, [field.name for field in FIELDS])
    values: dict[str, Any] = {}
    needs_token = needs_token and given.get("delivery") != RECORD
    for field in FIELDS:
        if field.kind in _READ_BELOW:
            continue
        if field.name == TOKEN and given.get(TOKEN) is None:
            if needs_token:
                problems.add(TOKEN, "is required")
            continue
        values[field.name] = read_field(field, given, problems)
    form = WIRE_FORMS[values["events_api"]]
    values["custom_mappings"] = read_custom_mappings(given.get("custom_mappings"), form, problems)
    values["forwarding_rules"] = read_rules(given.get("forwarding_rules"), problems)
    values["sources"] = read_sources(given.get("sources"), problems)
    _check_purchase_event(values["purchase_event"], form, problems)
    _check_identities(values, form, problems)
    _check_omitted(values, problems)
    if not may_be_placeholder:
        refuse_placeholders(values, problems)
    if problems.found:
        raise ConfigurationError(problems.found)
    token = values.pop(TOKEN, None)
    return ConnectionDraft(Connection(id=connection_id, revision=revision, **values), token)


def _check_purchase_event(name: str, form: WireForm, problems: Problems) -> None:
    if name not in form.events:
        known = [choice.value for choice in FIELD_BY_NAME["purchase_event"].choices if choice.value in form.events]
        problems.add(
            "purchase_event",
            f"must be one of {', '.join(known)}, not {name}, which Events API {form.name} does not have",
        )


def _check_identities(values: Mapping[str, Any], form: WireForm, problems: Problems) -> None:
    for kind in ("email", "phone", "external"):
        key, main = f"extra_{kind}_identity_types", values[f"{kind}_identity_type"]
        extra = values[key]
        if extra and not form.is_open:
            problems.add(key, f"cannot be used with Events API {form.name}, which takes one identity of a kind")
        if main in extra:
            problems.add(key, f"must not contain {main}, which is the {kind}_identity_type")
        if len(set(extra)) < len(extra):
            problems.add(key, "must not contain an identity type twice")
    if values["advanced_matching"] and not form.is_open:
        problems.add("advanced_matching", f"cannot be used with Events API {form.name}, which has no such fields")


def _check_omitted(values: Mapping[str, Any], problems: Problems) -> None:
    for name in ("ip", "user_agent"):
        if name in values["omit"] and values["require_ip_and_user_agent"]:
            problems.add("omit", f"cannot contain {name} while require_ip_and_user_agent is true")


def advice_on(connection: Connection) -> list[str]:
    """Return notes on valid settings, shown when a connection is saved or imported and on its page."""
    return [*warnings_on(connection), *_advice_on_purchases(connection), *_advice_on_names(connection)]


def _advice_on_purchases(connection: Connection) -> list[str]:
    names = [choice.value for choice in FIELD_BY_NAME["purchase_event"].choices]
    sent = [mapping.event for mapping in connection.custom_mappings if mapping.event in names]
    if "purchase" in connection.standard_events:
        sent.insert(0, connection.purchase_event)
    if not sent:
        return ["purchases are not sent: standard_events does not include purchase, and no custom mapping sends them"]
    # Named once, the standard one first.
    named = " and ".join(dict.fromkeys(sent))
    advice = [f"purchases are sent as {named}: the site's pixel must fire the same event, or TikTok counts both"]
    if "PlaceAnOrder" in sent:
        advice.append("TikTok supports PlaceAnOrder until 2027: change site and connection to Purchase before it ends")
    return advice


def _advice_on_names(connection: Connection) -> list[str]:
    """Return notes on names of one's own that look like a misspelled standard event."""
    notes = {}
    for name in [mapping.event for mapping in connection.custom_mappings if mapping.event not in EVENTS]:
        similar = [each for each in EVENTS if abs(len(each) - len(name)) <= _MAX_MISSPELLED_CHARACTERS]
        notes[name] = suggestion(similar, name)
    return [f"a custom mapping sends {name}, an event name of your own{note}" for name, note in notes.items() if note]


def warnings_on(connection: Connection) -> list[str]:
    """Return warnings about settings that prevent production use."""
    if connection.is_recording:
        return ["the connection only records: nothing is sent to TikTok; set delivery to send to go live"]
    if connection.test_event_code is None:
        return []
    return ["a test event code is set: TikTok treats every event as a test; remove it to go live"]


def connection_document(connection: Connection) -> dict[str, object]:
    """Return the connection as plain keys and values for `read_connection`: without ID, revision and token."""
    plain = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in structs.asdict(connection).items()
        if key not in ("id", "revision", *_READ_BELOW_NAMES) and value is not None and value != ()
    }
    plain["standard_events"] = list(connection.standard_events)
    if len(connection.consent_purpose) == 1:
        (plain["consent_purpose"],) = connection.consent_purpose
    plain["inputs"] = list(connection.inputs)
    plain["custom_mappings"] = [_mapping_document(mapping) for mapping in connection.custom_mappings]
    if connection.forwarding_rules:
        plain["forwarding_rules"] = [_rule_document(rule) for rule in connection.forwarding_rules]
    if connection.sources:
        plain["sources"] = {
            field: [{source.kind: source.value} for source in sources] for field, sources in connection.sources.items()
        }
    return plain


def _rule_document(rule: Rule) -> dict[str, object]:
    return {"name": rule.name, "action": rule.action, "when": [_condition_document(each) for each in rule.when]}


def _condition_document(condition: Condition) -> dict[str, object]:
    expected = condition.expected
    return {
        condition.subject: condition.name or True,
        condition.test: list(expected) if isinstance(expected, tuple) else expected,
    }


def _mapping_document(mapping: CustomMapping) -> MappingDocument:
    plain: MappingDocument = {
        "event": mapping.event,
        "event_type": mapping.event_type,
        "event_name": mapping.event_name,
    }
    if mapping.custom_event_type is not None:
        plain["custom_event_type"] = mapping.custom_event_type
    if mapping.conditions:
        plain["conditions"] = [_condition_document(condition) for condition in mapping.conditions]
    plain["properties"] = {name: _property_document(source) for name, source in mapping.properties.items()}
    return plain


def _property_document(source: PropertySource) -> dict[str, object]:
    sources: list[dict[str, object]] = [{single.kind: single.value} for single in source.sources]
    document: dict[str, object] = sources[0] if len(sources) == 1 else {FIRST: sources}
    return {**document, "required": True} if source.required else document
