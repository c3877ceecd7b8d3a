"""A custom mapping while it is edited, all text as in a form, and its conversion from and to the API."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.api.types import ConnectionView
from tiktok_forwarder.console.mappings.choices import COMMERCE, members_of, takes
from tiktok_forwarder.mapping.custom import MappingDocument
from tiktok_forwarder.mapping.sources import PRODUCT_SOURCES
from tiktok_forwarder.mparticle.values import Number, number_of, text_of
from tiktok_forwarder.tiktok.events import CONTENT_PROPERTIES, EVENTS, INTEGER_PROPERTIES, NUMBER_PROPERTIES

_LINE_BREAKS: Final = ("\n", "\r")


class DraftSource(Struct, frozen=True):
    """The source of a property; without a kind there is none."""

    kind: str = ""
    value: str = ""
    required: bool = False


class DraftCondition(Struct, frozen=True):
    """`values` has one value per line."""

    attribute: str = ""
    values: str = ""


class DraftMapping(Struct, frozen=True):
    """`key` identifies the mapping within the form. `kept` is JSON of a mapping that no form can show."""

    key: str
    event_type: str = "custom_event"
    event_name: str = ""
    custom_event_type: str = ""
    conditions: tuple[DraftCondition, ...] = ()
    properties: Mapping[str, DraftSource] = {}
    kept: str = ""


def mappings_of(view: ConnectionView) -> list[MappingDocument]:
    """Return a connection's custom mappings as the API shows them."""
    mappings: list[MappingDocument] = view.settings["custom_mappings"]
    return mappings


def properties_of(event: str) -> tuple[str, ...]:
    """Return the properties of this TikTok event, in the order of the form."""
    return (*EVENTS[event].properties, "description")


# --- from the API ---


def draft_of(document: MappingDocument, key: str) -> DraftMapping:
    if any(_breaks_lines(text) for text in _texts(document)):
        # A browser would remove the line break, so saving would change an unedited value.
        return DraftMapping(key, kept=msgspec.json.encode(document).decode())
    return DraftMapping(
        key,
        document["event_type"],
        document["event_name"],
        document.get("custom_event_type") or "",
        tuple(
            DraftCondition(each["attribute"], "\n".join(each["values"])) for each in document.get("conditions") or ()
        ),
        {name: _draft_source(source) for name, source in document["properties"].items()},
    )


def _draft_source(source: Mapping[str, Any]) -> DraftSource:
    kind = next(each for each in source if each != "required")
    value = text_of(source[kind]) if kind == "static" else source[kind]
    return DraftSource(kind, value or "", source.get("required", False))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for member in value.values():
            yield from _texts(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _texts(member)


def _breaks_lines(text: str) -> bool:
    return any(each in text for each in _LINE_BREAKS)


# --- to the API ---


def document_of(draft: DraftMapping, event: str) -> MappingDocument:
    """Return the draft as the API expects it, unvalidated."""
    if draft.kept:
        return _kept(draft, event)
    document: MappingDocument = {"event": event, "event_type": draft.event_type, "event_name": draft.event_name}
    if draft.custom_event_type and draft.event_type == "custom_event":
        document["custom_event_type"] = draft.custom_event_type
    if draft.conditions:
        document["conditions"] = [
            {"attribute": each.attribute, "values": _lines(each.values)} for each in draft.conditions
        ]
    document["properties"] = {
        name: _source_document(name, source) for name, source in draft.properties.items() if source.kind
    }
    return document


def _kept(draft: DraftMapping, event: str) -> MappingDocument:
    try:
        # Whatever was forged is the API's to refuse.
        kept = cast(MappingDocument, msgspec.json.decode(draft.kept, type=dict[str, Any]))
    except msgspec.DecodeError:
        return {"event": event}
    return {**kept, "event": event}


def _lines(values: str) -> list[str]:
    # `splitlines` would also split at characters that browsers do not treat as line breaks.
    lines = values.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.strip() for line in lines if line.strip()]


def _source_document(name: str, source: DraftSource) -> Mapping[str, Any]:
    value = _static(name, source.value) if source.kind == "static" else source.value
    return {source.kind: value, **({"required": True} if source.required else {})}


def _static(name: str, text: str) -> str | Number:
    number = number_of(text) if name in NUMBER_PROPERTIES | INTEGER_PROPERTIES else None
    return number if number is not None and math.isfinite(number) else text


# --- valid combinations ---


def without_unsupported_sources(draft: DraftMapping, event: str) -> DraftMapping:
    """Remove sources that the draft's kind of event does not have, such as products of a screen view."""
    if draft.kept:
        return draft
    given = {name: draft.properties.get(name, DraftSource()) for name in properties_of(event)}
    fit = {name: _supported_source(draft.event_type, name, source) for name, source in given.items()}
    return replace(draft, properties=fit)


def _supported_source(event_type: str, name: str, source: DraftSource) -> DraftSource:
    if not takes(event_type, name, source.kind):
        return DraftSource()
    members = members_of(event_type, source.kind)
    if members is not None and source.value not in [member.value for member in members]:
        return replace(source, value="")
    return source


def is_filled(draft: DraftMapping, name: str) -> bool:
    """Return whether the event supplies this property if it is not mapped, as commerce events do."""
    if draft.event_type != COMMERCE or name == "query":
        return False
    if name not in CONTENT_PROPERTIES:
        return True
    kinds = [source.kind for each, source in draft.properties.items() if each in CONTENT_PROPERTIES and source.kind]
    # Content properties not read from products form an item of their own, without values of the products.
    return not kinds or any(kind in PRODUCT_SOURCES for kind in kinds)
