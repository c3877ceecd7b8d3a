"""A connection: one TikTok pixel with its settings, as the mapping and the deliverer use it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, structs

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.mapping.custom import CustomMapping, MappingDocument
from tiktok_forwarder.mapping.custom_reading import read_custom_mappings
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME, FIELDS
from tiktok_forwarder.mapping.reading import Problems, read_field
from tiktok_forwarder.tiktok.wire_form import WireForm
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

TOKEN: Final = "access_token"  # noqa: S105  # the key's name


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
    anonymous_events: str
    require_ip_and_user_agent: bool
    page_url_fallback: bool
    default_currency: str | None
    default_phone_region: str | None
    value_from_products: bool
    platforms: str
    environment: str
    consent_purpose: str | None
    ccpa_opt_out: str
    max_event_age_days: int
    sample_percent: float
    redact_emails: bool
    test_event_code: str | None
    custom_mappings: tuple[CustomMapping, ...]
    inputs: tuple[str, ...]
    enabled: bool

    @property
    def wire_form(self) -> WireForm:
        return WIRE_FORMS[self.events_api]


class ConnectionDraft(Struct, frozen=True):
    """A connection as written by a user; `access_token` is None if none was given."""

    connection: Connection
    access_token: str | None

    def __repr__(self) -> str:
        return f"ConnectionDraft({self.connection.name})"


def read_connection(
    given: Mapping[str, object], *, connection_id: str = "", revision: int = 0, needs_token: bool = True
) -> ConnectionDraft:
    """Read a connection from plain keys and values. Raises `ConfigurationError` with all problems."""
    problems = Problems()
    problems.unknown_keys(given, [field.name for field in FIELDS])
    values: dict[str, Any] = {}
    for field in FIELDS:
        if field.kind == "mappings" or (field.name == TOKEN and not needs_token and given.get(TOKEN) is None):
            continue
        values[field.name] = read_field(field, given, problems)
    form = WIRE_FORMS[values["events_api"]]
    values["custom_mappings"] = read_custom_mappings(given.get("custom_mappings"), form, problems)
    _check_purchase_event(values["purchase_event"], form, problems)
    if problems.found:
        raise ConfigurationError(problems.found)
    token = values.pop(TOKEN, None)
    values["inputs"] = values["inputs"] or ()
    return ConnectionDraft(Connection(id=connection_id, revision=revision, **values), token)


def _check_purchase_event(name: str, form: WireForm, problems: Problems) -> None:
    if name not in form.events:
        known = [choice.value for choice in FIELD_BY_NAME["purchase_event"].choices if choice.value in form.events]
        problems.add(
            "purchase_event",
            f"must be one of {', '.join(known)}, not {name}, which Events API {form.name} does not have",
        )


def advice_on(connection: Connection) -> list[str]:
    """Return notes on valid settings, shown when a connection is saved and on its page."""
    name = connection.purchase_event
    advice = [f"purchases are sent as {name}: the site's pixel must fire the same event, or TikTok counts both"]
    if name == "PlaceAnOrder":
        advice.append("TikTok supports PlaceAnOrder until 2027")
    return [*warnings_on(connection), *advice]


def warnings_on(connection: Connection) -> list[str]:
    """Return warnings about settings that prevent production use."""
    if connection.test_event_code is None:
        return []
    return ["a test event code is set: TikTok treats every event as a test; remove it to go live"]


def connection_document(connection: Connection) -> dict[str, object]:
    """Return the connection as plain keys and values for `read_connection`: without ID, revision and token."""
    plain = {
        key: value
        for key, value in structs.asdict(connection).items()
        if key not in ("id", "revision", "custom_mappings") and value is not None
    }
    plain["inputs"] = list(connection.inputs)
    plain["custom_mappings"] = [_mapping_document(mapping) for mapping in connection.custom_mappings]
    return plain


def _mapping_document(mapping: CustomMapping) -> MappingDocument:
    plain: MappingDocument = {
        "event": mapping.event,
        "event_type": mapping.event_type,
        "event_name": mapping.event_name,
    }
    if mapping.custom_event_type is not None:
        plain["custom_event_type"] = mapping.custom_event_type
    if mapping.conditions:
        plain["conditions"] = [
            {"attribute": condition.attribute, "values": list(condition.values)} for condition in mapping.conditions
        ]
    plain["properties"] = {
        name: {source.kind: source.value, **({"required": True} if source.required else {})}
        for name, source in mapping.properties.items()
    }
    return plain
