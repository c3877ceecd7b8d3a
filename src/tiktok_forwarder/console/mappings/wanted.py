"""An event at mParticle that a link asks to map, and the mapping that the form begins with."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.console.mappings.buttons import new_draft
from tiktok_forwarder.console.mappings.draft import (
    DraftMapping,
    DraftProperty,
    DraftSource,
    without_unsupported_sources,
)
from tiktok_forwarder.console.mappings.seen import SeenNames
from tiktok_forwarder.console.mappings.standard_values import is_filled
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.console.page import PageRequest
from tiktok_forwarder.console.rendering import link
from tiktok_forwarder.mapping.custom import EVENT_TYPES

_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9]+", re.ASCII)
# How senders call what TikTok's properties are, beside the properties' own names.
_OTHER_NAMES: Final[Mapping[str, Sequence[str]]] = {
    "value": ("total", "totalvalue", "totalamount", "totalprice", "revenue", "amount"),
    "currency": ("currencycode",),
    "content_id": ("productid", "itemid", "sku"),
    "content_name": ("productname", "itemname"),
    "content_category": ("productcategory", "itemcategory", "category"),
    "query": ("search", "searchterm", "searchstring", "searchquery", "term", "keyword"),
    "price": ("productprice", "itemprice", "unitprice"),
    "quantity": ("qty",),
    "order_id": ("ordernumber", "transactionid"),
}


class WantedEvent(Struct, frozen=True):
    """Type and name of the event, as `/api/received-events` lists it."""

    event_type: str
    event_name: str

    @classmethod
    def of(cls, request: PageRequest) -> "WantedEvent | None":
        """Return the event that the page's query names, None if it names none that can be mapped."""
        event_type, event_name = request.query("type"), request.query("name")
        return cls(event_type, event_name) if event_type in EVENT_TYPES and event_name.strip() else None

    def address(self, path: str) -> str:
        """Return the path of a page that is about this event."""
        return link(path, type=self.event_type, name=self.event_name)


class Filled(Struct, frozen=True):
    """The drafts with the one for a wanted event, its key, and the event's attributes that no property takes."""

    drafts: list[DraftMapping]
    key: str
    other_attributes: list[str]


def with_wanted(
    drafts: Sequence[DraftMapping], wanted: WantedEvent, target: TargetEvent, seen: SeenNames
) -> Filled | None:
    """Add a mapping for this event, with the properties that its attributes are named after.

    None if one of the drafts is for the event already.
    """
    name = wanted.event_name.strip()
    if any((each.event_type, each.event_name.lower()) == (wanted.event_type, name.lower()) for each in drafts):
        return None
    empty = replace(new_draft(drafts, target), event_type=wanted.event_type, event_name=name)
    attributes = seen.attributes_of(wanted.event_type, name)
    properties = {
        property_name: DraftProperty((DraftSource("attribute", attribute),))
        for property_name in target.properties
        if not is_filled(empty, property_name, target)
        and (attribute := _attribute_for(property_name, attributes)) is not None
    }
    draft = without_unsupported_sources(replace(empty, properties={**empty.properties, **properties}), target)
    taken = {source.value for each in draft.properties.values() for source in each.sources}
    return Filled([*drafts, draft], draft.key, [each for each in attributes if each not in taken])


def _attribute_for(property_name: str, attributes: Sequence[str]) -> str | None:
    """Return the attribute that has the property's name, or one of its other names, in any spelling."""
    wanted = [_plain(property_name), *_OTHER_NAMES.get(property_name, ())]
    plain = {_plain(each): each for each in reversed(attributes)}
    return next((plain[each] for each in wanted if each in plain), None)


def _plain(name: str) -> str:
    return _NOT_IN_NAMES.sub("", name.lower())
