"""Custom mappings: when this mParticle event arrives, send that TikTok event with these properties."""

from collections.abc import Mapping
from typing import Any, Final, TypedDict

from msgspec import Struct

from tiktok_forwarder.mapping.conditions import Condition, Outgoing, holds
from tiktok_forwarder.mapping.sources import Source
from tiktok_forwarder.mparticle.values import text_of

EVENT_TYPES: Final = ("custom_event", "screen_view", "commerce_event")


class PropertySource(Struct, frozen=True):
    """The sources of a property's value: the first usable one counts."""

    sources: tuple[Source, ...]
    required: bool = False

    @property
    def is_of_product(self) -> bool:
        return self.sources[0].is_of_product


class CustomMapping(Struct, frozen=True):
    """`event_name` is an event's or screen's name or a product action; names are compared without regard to case."""

    event: str
    event_type: str
    event_name: str
    custom_event_type: str | None = None
    conditions: tuple[Condition, ...] = ()
    properties: Mapping[str, PropertySource] = {}


class MappingDocument(TypedDict, total=False):
    """A custom mapping as plain keys and values, as connections' settings have it; one being written may lack some."""

    event: str
    event_type: str
    event_name: str
    custom_event_type: str
    conditions: list[Mapping[str, Any]]
    properties: Mapping[str, Mapping[str, Any]]


def matches(mapping: CustomMapping, outgoing: Outgoing) -> bool:
    """Return whether the mapping's conditions are met by an event that has its type and name."""
    if mapping.custom_event_type is not None:
        custom_event_type = text_of(outgoing.occurrence.data.custom_event_type)
        if custom_event_type is None or custom_event_type.lower() != mapping.custom_event_type.lower():
            return False
    return all(holds(condition, outgoing) for condition in mapping.conditions)
