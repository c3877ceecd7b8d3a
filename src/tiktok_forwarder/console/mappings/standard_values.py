"""Which properties an event supplies if a mapping does not name them, as commerce events do."""

from collections.abc import Mapping
from typing import Final

from tiktok_forwarder.console.mappings.choices import COMMERCE
from tiktok_forwarder.console.mappings.draft import DraftMapping, DraftProperty
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.mapping.custom_properties import BRAND
from tiktok_forwarder.tiktok.events import CONTENT_PROPERTIES

_OF_CONTENTS: Final = ("content_ids", "num_items")


def is_filled(draft: DraftMapping, name: str, target: TargetEvent) -> bool:
    """Return whether TikTok gets a value of this property although it is not mapped."""
    is_commerce = draft.event_type == COMMERCE
    if name in _OF_CONTENTS:
        return target.form.has_content_ids_and_number and _has_contents(draft, target)
    if name in CONTENT_PROPERTIES:
        return is_commerce and target.event.has_contents and not _is_item_of_its_own(draft)
    if name == "order_id":
        is_purchase = draft.event_name.strip().lower() == "purchase"
        return is_commerce and target.form.has_order_id and target.event.has_contents and is_purchase
    if name == "currency":
        has_value = "value" in draft.properties and bool(draft.properties["value"].sources)
        return is_commerce and (name in target.event.properties or has_value)
    return is_commerce and name != "query" and name in target.first_properties


def _mapped_contents(draft: DraftMapping) -> Mapping[str, DraftProperty]:
    return {name: each for name, each in draft.properties.items() if name in CONTENT_PROPERTIES and each.sources}


def _is_item_of_its_own(draft: DraftMapping) -> bool:
    """Return whether the mapping makes one item, without values of the products."""
    mapped = _mapped_contents(draft)
    return bool(mapped.keys() - {BRAND}) and not any(each.is_of_product for each in mapped.values())


def _has_contents(draft: DraftMapping, target: TargetEvent) -> bool:
    of_products = any(each.is_of_product for each in _mapped_contents(draft).values())
    is_of_commerce = draft.event_type == COMMERCE and (of_products or target.event.has_contents)
    return is_of_commerce or _is_item_of_its_own(draft)
