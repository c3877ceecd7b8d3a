"""A custom mapping while it is edited, all text as in a form, and its conversion from and to the API."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.api.types import ConnectionView
from tiktok_forwarder.console.conditions import DraftCondition, condition_document, draft_condition
from tiktok_forwarder.console.mappings.choices import is_number, members_of, takes
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.mapping.custom import MappingDocument
from tiktok_forwarder.mapping.source_reading import FIRST
from tiktok_forwarder.mapping.sources import PRODUCT_SOURCES
from tiktok_forwarder.mparticle.values import Number, number_of, text_of

_LINE_BREAKS: Final = ("\n", "\r")
_REQUIRED: Final = "required"


class DraftSource(Struct, frozen=True):
    kind: str
    value: str = ""

    @property
    def is_of_product(self) -> bool:
        return self.kind in PRODUCT_SOURCES


class DraftProperty(Struct, frozen=True):
    """The sources of a property, in the order of trying; without any it is not mapped."""

    sources: tuple[DraftSource, ...] = ()
    required: bool = False

    @property
    def is_of_product(self) -> bool:
        return bool(self.sources) and self.sources[0].is_of_product


class DraftMapping(Struct, frozen=True):
    """`key` identifies the mapping within the form. `properties` are those shown, in the order of the form.

    `kept` is JSON of a mapping that no form can show.
    """

    key: str
    event_type: str = "custom_event"
    event_name: str = ""
    custom_event_type: str = ""
    conditions: tuple[DraftCondition, ...] = ()
    properties: Mapping[str, DraftProperty] = {}
    kept: str = ""


def mappings_of(view: ConnectionView) -> list[MappingDocument]:
    """Return a connection's custom mappings as the API shows them."""
    mappings: list[MappingDocument] = view.settings["custom_mappings"]
    return mappings


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
        tuple(draft_condition(each) for each in document.get("conditions") or ()),
        {name: _draft_property(each) for name, each in document["properties"].items()},
    )


def _draft_property(document: Mapping[str, Any]) -> DraftProperty:
    sources = tuple(_draft_source(source) for source in document.get(FIRST) or [document])
    return DraftProperty(sources, document.get(_REQUIRED, False))


def _draft_source(document: Mapping[str, Any]) -> DraftSource:
    kind = next(each for each in document if each != _REQUIRED)
    return DraftSource(kind, text_of(document[kind]) or "" if kind == "static" else document[kind])


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
        document["conditions"] = [condition_document(condition) for condition in draft.conditions]
    document["properties"] = {
        name: _property_document(name, each) for name, each in draft.properties.items() if each.sources
    }
    return document


def _kept(draft: DraftMapping, event: str) -> MappingDocument:
    try:
        kept = msgspec.json.decode(draft.kept, type=MappingDocument)
    except msgspec.DecodeError:
        # Whatever was forged is the API's to refuse.
        return {"event": event}
    return {**kept, "event": event}


def _property_document(name: str, draft: DraftProperty) -> Mapping[str, Any]:
    sources = [_source_document(name, source) for source in draft.sources]
    document: dict[str, Any] = sources[0] if len(sources) == 1 else {FIRST: sources}
    return {**document, _REQUIRED: True} if draft.required else document


def _source_document(name: str, source: DraftSource) -> dict[str, Any]:
    return {source.kind: _static(name, source.value) if source.kind == "static" else source.value}


def _static(name: str, text: str) -> str | Number:
    number = number_of(text) if is_number(name) else None
    return number if number is not None and math.isfinite(number) else text


# --- valid combinations ---


def without_unsupported_sources(draft: DraftMapping, target: TargetEvent) -> DraftMapping:
    """Remove sources that the draft's kind of event does not have, such as products of a screen view.

    The properties become those that the form shows: the event's own, and others that the draft has.
    """
    if draft.kept:
        return draft
    shown = [name for name in target.properties if name in target.first_properties or name in draft.properties]
    given = {name: draft.properties.get(name, DraftProperty()) for name in shown}
    return replace(
        draft, properties={name: supported_property(draft.event_type, name, each) for name, each in given.items()}
    )


def supported_property(event_type: str, name: str, draft: DraftProperty) -> DraftProperty:
    """Remove sources that the property cannot have, or not together: all are of the event, or all of the product."""
    taken = [source for source in draft.sources if takes(event_type, name, source.kind)]
    sources = tuple(
        _known_source(event_type, source) for source in taken if source.is_of_product == taken[0].is_of_product
    )
    return DraftProperty(sources, draft.required and bool(sources))


def _known_source(event_type: str, source: DraftSource) -> DraftSource:
    members = members_of(event_type, source.kind)
    if members is not None and source.value not in [member.value for member in members]:
        return replace(source, value="")
    return source
