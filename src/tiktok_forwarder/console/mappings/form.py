"""Reads custom mappings from a form."""

import re
from typing import Final

from tiktok_forwarder.console.conditions import read_conditions
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.mappings.draft import (
    DraftMapping,
    DraftProperty,
    DraftSource,
    without_unsupported_sources,
)
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.mapping.custom import EVENT_TYPES
from tiktok_forwarder.mapping.source_reading import MAX_FIRST

_KEY: Final = re.compile(r"m[0-9]{1,6}", re.ASCII)


def read_drafts(form: Form, target: TargetEvent) -> list[DraftMapping]:
    """Read the mappings of this TikTok event, in the order of the form's cards."""
    keys = [key for key in dict.fromkeys(form.texts("card")) if _KEY.fullmatch(key)]
    return [without_unsupported_sources(_draft(form, key, target), target) for key in keys]


def _draft(form: Form, key: str, target: TargetEvent) -> DraftMapping:
    if form.has(f"{key}.kept"):
        return DraftMapping(key, kept=form.text(f"{key}.kept"))
    event_type = form.text(f"{key}.event_type")
    # A property that is shown has the field of its first source's kind, whether it is mapped or not.
    shown = [name for name in target.properties if form.has(f"{key}.{name}.0.kind")]
    return DraftMapping(
        key,
        event_type if event_type in EVENT_TYPES else EVENT_TYPES[0],
        form.text(f"{key}.event_name"),
        form.text(f"{key}.custom_event_type"),
        read_conditions(form, f"{key}.if"),
        {name: _property(form, f"{key}.{name}") for name in shown},
    )


def _property(form: Form, place: str) -> DraftProperty:
    sources = [_source(form, f"{place}.{number}") for number in range(MAX_FIRST)]
    return DraftProperty(tuple(source for source in sources if source.kind), form.has(f"{place}.required"))


def _source(form: Form, place: str) -> DraftSource:
    kind = form.text(f"{place}.kind")
    # Names are not stripped: spaces may be part of them.
    return DraftSource(kind, form.text(f"{place}.value") if kind == "static" else form.secret(f"{place}.value"))


def pressed_button(form: Form) -> str:
    """Return the pressed button, such as `up m2`; the one that adds a property with the property that was chosen."""
    wanted = form.text("do")
    what, _, key = wanted.partition(" ")
    return f"{wanted} {form.text(f'{key}.add')}" if what == "property" else wanted
