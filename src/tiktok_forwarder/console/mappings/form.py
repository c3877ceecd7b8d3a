"""Reads custom mappings from a form, and applies the changes of its buttons."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.mappings.draft import (
    DraftCondition,
    DraftMapping,
    DraftSource,
    properties_of,
    without_unsupported_sources,
)
from tiktok_forwarder.mapping.custom import EVENT_TYPES

_KEY: Final = re.compile(r"m[0-9]{1,6}", re.ASCII)
_MAX_CONDITIONS: Final = 100


def read_drafts(form: Form, event: str) -> list[DraftMapping]:
    """Read the mappings of this TikTok event, in the order of the form's cards."""
    keys = [key for key in dict.fromkeys(form.texts("card")) if _KEY.fullmatch(key)]
    return [without_unsupported_sources(_draft(form, key, event), event) for key in keys]


def _draft(form: Form, key: str, event: str) -> DraftMapping:
    if form.has(f"{key}.kept"):
        return DraftMapping(key, kept=form.text(f"{key}.kept"))
    event_type = form.text(f"{key}.event_type")
    return DraftMapping(
        key,
        event_type if event_type in EVENT_TYPES else EVENT_TYPES[0],
        form.text(f"{key}.event_name"),
        form.text(f"{key}.custom_event_type"),
        _conditions(form, key),
        {name: _source(form, f"{key}.{name}") for name in properties_of(event)},
    )


def _conditions(form: Form, key: str) -> tuple[DraftCondition, ...]:
    places = [f"{key}.if{number}" for number in range(_MAX_CONDITIONS) if form.has(f"{key}.if{number}.attribute")]
    # Attribute names are not stripped: spaces may be part of them.
    return tuple(DraftCondition(form.secret(f"{each}.attribute"), form.secret(f"{each}.values")) for each in places)


def _source(form: Form, place: str) -> DraftSource:
    kind = form.text(f"{place}.kind")
    if not kind:
        return DraftSource()
    value = form.text(f"{place}.value") if kind == "static" else form.secret(f"{place}.value")
    return DraftSource(kind, value, form.has(f"{place}.required"))


# --- buttons ---


def changed(drafts: Sequence[DraftMapping], wanted: str, event: str) -> list[DraftMapping]:
    """Apply a button such as `up m2` or `without-condition m2 0`; unknown ones change nothing."""
    what, _, rest = wanted.partition(" ")
    key, _, number = rest.partition(" ")
    if what == "add":
        return [*drafts, new_draft(drafts, event)]
    if what == "remove":
        return [draft for draft in drafts if draft.key != key]
    if what in ("up", "down"):
        return _moved(drafts, key, -1 if what == "up" else 1)
    if what == "condition":
        return [_with_condition(draft) if draft.key == key else draft for draft in drafts]
    if what == "without-condition":
        return [_without_condition(draft, number) if draft.key == key else draft for draft in drafts]
    return list(drafts)


def new_draft(drafts: Sequence[DraftMapping], event: str) -> DraftMapping:
    """Return an empty mapping with an unused key."""
    highest = max((int(draft.key[1:]) for draft in drafts), default=0)
    return without_unsupported_sources(DraftMapping(f"m{highest + 1}"), event)


def _moved(drafts: Sequence[DraftMapping], key: str, by: int) -> list[DraftMapping]:
    order = list(drafts)
    place = next((number for number, draft in enumerate(order) if draft.key == key), None)
    if place is not None and 0 <= place + by < len(order):
        order[place], order[place + by] = order[place + by], order[place]
    return order


def _with_condition(draft: DraftMapping) -> DraftMapping:
    return replace(draft, conditions=(*draft.conditions, DraftCondition()))


def _without_condition(draft: DraftMapping, number: str) -> DraftMapping:
    kept = tuple(each for place, each in enumerate(draft.conditions) if str(place) != number)
    return replace(draft, conditions=kept)


def focus_after(drafts: Sequence[DraftMapping], wanted: str) -> str:
    """Return the ID of the field or button to focus after this button, empty to keep the focus."""
    what, _, rest = wanted.partition(" ")
    key = rest.partition(" ")[0]
    place = next((number for number, draft in enumerate(drafts) if draft.key == key), None)
    if what == "add":
        return f"{drafts[-1].key}-event_type"
    if place is None:
        return "add" if what == "remove" else ""
    # The first cannot go further up, nor the last down.
    next_places = {
        "up": f"{key}-up" if place > 0 else f"{key}-down",
        "down": f"{key}-down" if place < len(drafts) - 1 else f"{key}-up",
        "condition": f"{key}-if{len(drafts[place].conditions) - 1}-attribute",
        "without-condition": f"{key}-condition",
    }
    return next_places.get(what, "")
