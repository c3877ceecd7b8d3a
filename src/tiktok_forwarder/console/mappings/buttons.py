"""The changes that the buttons of the form make, and where the focus goes after them."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from tiktok_forwarder.console.conditions import DraftCondition
from tiktok_forwarder.console.mappings.draft import (
    DraftMapping,
    DraftProperty,
    DraftSource,
    without_unsupported_sources,
)
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.mapping.source_reading import MAX_FIRST

_NEW_SOURCE: Final = DraftSource("attribute")
_NEW_PRODUCT_SOURCE: Final = DraftSource("product_attribute")

_Sources = tuple[DraftSource, ...]


def changed(drafts: Sequence[DraftMapping], wanted: str, target: TargetEvent) -> list[DraftMapping]:
    """Apply a button such as `up m2` or `without-source m2 value 0`; unknown ones change nothing."""
    what, key, *rest = [*wanted.split(" "), "", ""]
    if what == "add":
        return [*drafts, new_draft(drafts, target)]
    if what == "remove":
        return [draft for draft in drafts if draft.key != key]
    if what in ("up", "down"):
        return _moved(drafts, key, -1 if what == "up" else 1)
    change = _CHANGES.get(what)
    if change is None:
        return list(drafts)
    return [
        without_unsupported_sources(change(draft, rest), target) if draft.key == key and not draft.kept else draft
        for draft in drafts
    ]


def new_draft(drafts: Sequence[DraftMapping], target: TargetEvent) -> DraftMapping:
    """Return an empty mapping with an unused key."""
    highest = max((int(draft.key[1:]) for draft in drafts), default=0)
    return without_unsupported_sources(DraftMapping(f"m{highest + 1}"), target)


def _moved(drafts: Sequence[DraftMapping], key: str, by: int) -> list[DraftMapping]:
    order = list(drafts)
    place = _place_of(drafts, key)
    if place is not None and 0 <= place + by < len(order):
        order[place], order[place + by] = order[place + by], order[place]
    return order


def _place_of(drafts: Sequence[DraftMapping], key: str) -> int | None:
    return next((number for number, draft in enumerate(drafts) if draft.key == key), None)


# --- within one mapping; `rest` is what follows the key in the button's value ---


def _with_condition(draft: DraftMapping, rest: Sequence[str]) -> DraftMapping:
    return replace(draft, conditions=(*draft.conditions, DraftCondition()))


def _without_condition(draft: DraftMapping, rest: Sequence[str]) -> DraftMapping:
    kept = tuple(each for place, each in enumerate(draft.conditions) if str(place) != rest[0])
    return replace(draft, conditions=kept)


def _with_property(draft: DraftMapping, rest: Sequence[str]) -> DraftMapping:
    return replace(draft, properties={rest[0]: DraftProperty((_NEW_SOURCE,)), **draft.properties})


def _on_sources(change: Callable[[_Sources, int], _Sources]) -> Callable[[DraftMapping, Sequence[str]], DraftMapping]:
    """Return a change of a draft from one of a property's sources, at a place."""

    def changed_draft(draft: DraftMapping, rest: Sequence[str]) -> DraftMapping:
        name, number = rest[0], rest[1]
        mapped = draft.properties.get(name)
        if mapped is None or not mapped.sources:
            return draft
        sources = change(mapped.sources, int(number) if number.isdecimal() else len(mapped.sources))
        return replace(draft, properties={**draft.properties, name: replace(mapped, sources=sources)})

    return changed_draft


def _with_source(sources: _Sources, place: int) -> _Sources:
    new = _NEW_PRODUCT_SOURCE if sources[0].is_of_product else _NEW_SOURCE
    return (*sources, new) if len(sources) < MAX_FIRST else sources


def _without_source(sources: _Sources, place: int) -> _Sources:
    return sources[:place] + sources[place + 1 :]


def _source_up(sources: _Sources, place: int) -> _Sources:
    if not 0 < place < len(sources):
        return sources
    return (*sources[: place - 1], sources[place], sources[place - 1], *sources[place + 1 :])


def _source_down(sources: _Sources, place: int) -> _Sources:
    return _source_up(sources, place + 1)


_CHANGES: Final = {
    "condition": _with_condition,
    "without-condition": _without_condition,
    "property": _with_property,
    "source": _on_sources(_with_source),
    "without-source": _on_sources(_without_source),
    "source-up": _on_sources(_source_up),
    "source-down": _on_sources(_source_down),
}


# --- the focus ---


def focus_after(drafts: Sequence[DraftMapping], wanted: str) -> str:
    """Return the ID of the field or button to focus after this button, empty to keep the focus."""
    what, key, *rest = [*wanted.split(" "), "", ""]
    if what == "add":
        return f"{drafts[-1].key}-event_type"
    place = _place_of(drafts, key)
    if place is None:
        return "add" if what == "remove" else ""
    if rest[0] in drafts[place].properties:
        return _focus_in_property(drafts[place], what, rest)
    # The first cannot go further up, nor the last down.
    next_places = {
        "up": f"{key}-up" if place > 0 else f"{key}-down",
        "down": f"{key}-down" if place < len(drafts) - 1 else f"{key}-up",
        "condition": f"{key}-if{len(drafts[place].conditions) - 1}-subject",
        "without-condition": f"{key}-condition",
    }
    return next_places.get(what, "")


def _focus_in_property(draft: DraftMapping, what: str, rest: Sequence[str]) -> str:
    name, number = rest[0], rest[1]
    place = f"{draft.key}-{name}"
    last = max(len(draft.properties[name].sources) - 1, 0)
    by = {"source-up": -1, "source-down": 1}.get(what, 0)
    moved_to = min(max((int(number) if number.isdecimal() else 0) + by, 0), last)
    next_places = {
        "property": f"{place}-0-kind",
        "source": f"{place}-{last}-kind",
        "without-source": f"{place}-source",
        "source-up": f"{place}-{moved_to}-{'up' if moved_to > 0 else 'down'}",
        "source-down": f"{place}-{moved_to}-{'down' if moved_to < last else 'up'}",
    }
    return next_places.get(what, "")
