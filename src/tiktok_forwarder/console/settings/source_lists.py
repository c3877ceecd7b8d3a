"""The sources of the fields that every event has, as ordered lists of the form."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.console.conditions import field_label
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.rendering import uncapitalized
from tiktok_forwarder.console.settings.places import ProblemPlaces, Wrong
from tiktok_forwarder.console.settings.rule_drafts import move_focus
from tiktok_forwarder.console.source_labels import SOURCE_LABELS
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.mapping.sources import COMMON_FIELDS, COMMON_SOURCES, DEFAULT_SOURCES, Source

SourceDocuments = Mapping[str, Sequence[Mapping[str, Any]]]
FIELD_LABELS: Final = {
    "event_id": "Event ID",
    "page_url": "Page URL",
    "page_referrer": "Referrer",
    "ttclid": "Click ID (ttclid)",
    "ttp": "Cookie ID (ttp)",
    "ip": "IP address",
    "user_agent": "User agent",
}
_BUTTON: Final = re.compile(r"([a-z-]+) ([a-z_]+)(?: ([0-9]{1,3}))?", re.ASCII)
_KIND_FIELD: Final = re.compile(r"source\.([a-z_]+)\.([0-9]{1,3})\.kind", re.ASCII)
_MAX_SOURCES: Final = 100


class DraftSource(Struct, frozen=True):
    kind: str
    value: str


class SourceRow(Struct, frozen=True):
    """`names` are choices, None if a name is typed."""

    id: str
    draft: DraftSource
    names: list[Choice] | None
    problems: list[str]


class SourceList(Struct, frozen=True):
    """The sources of one field; without rows it has the default order, which `default` describes."""

    field: str
    label: str
    default: str
    kinds: list[Choice]
    rows: list[SourceRow]
    problems: list[str]


def source_words(kind: str, value: str) -> str:
    """Describe a source, such as: the custom flag TikTok.URL."""
    if kind == "field":
        return f"the event field {uncapitalized(field_label(value))}"
    return f"the {uncapitalized(SOURCE_LABELS[kind])} {value or '…'}"


def order_words(sources: Sequence[Mapping[str, Any]]) -> str:
    """Describe sources in their order."""
    return ", then ".join(source_words(kind, str(value)) for each in sources for kind, value in each.items())


def source_lists(documents: SourceDocuments, places: ProblemPlaces, *, page_url_fallback: bool) -> list[SourceList]:
    """Return the list of each field, in the API's order."""
    return [_list(field, documents.get(field) or (), places, page_url_fallback) for field in DEFAULT_SOURCES]


def _list(
    field: str,
    documents: Sequence[Mapping[str, Any]],
    places: ProblemPlaces,
    page_url_fallback: bool,
) -> SourceList:
    where = f"sources.{field}"
    rows = [
        SourceRow(f"source-{field}-{number}", draft, _names(draft.kind), places.below(f"{where}[{number}]"))
        for number, draft in enumerate(_drafts(documents))
    ]
    default = order_words(_default(field, page_url_fallback=page_url_fallback))
    return SourceList(field, FIELD_LABELS[field], default, _kinds(field), rows, places.at(where))


def _drafts(documents: Sequence[Mapping[str, Any]]) -> list[DraftSource]:
    return [DraftSource(kind, str(value)) for each in documents for kind, value in each.items()]


def _default(field: str, *, page_url_fallback: bool) -> list[Mapping[str, Any]]:
    default: Sequence[Source] = DEFAULT_SOURCES[field]  # type: ignore[index]  # one of its keys
    if field == "page_url" and not page_url_fallback:
        default = default[:1]
    return [{source.kind: source.value} for source in default]


def _kinds(field: str) -> list[Choice]:
    return [
        Choice(kind, SOURCE_LABELS[kind])
        for kind in COMMON_SOURCES
        # A parameter of the page URL cannot supply the page URL.
        if not (field == "page_url" and kind == "url_parameter")
    ]


def _names(kind: str) -> list[Choice] | None:
    return [Choice(name, field_label(name)) for name in COMMON_FIELDS] if kind == "field" else None


def wrong_sources(lists: Sequence[SourceList]) -> list[Wrong]:
    """Return the problems of all lists, each with its field."""
    found: list[Wrong] = []
    for each in lists:
        label = f"Sources of {each.label}"
        found += [Wrong(f"sources-{each.field}", label, problem) for problem in each.problems]
        for number, row in enumerate(each.rows, 1):
            found += [Wrong(f"{row.id}-value", f"{label}, source {number}", problem) for problem in row.problems]
    return found


# --- from a form ---


def read_sources_form(form: Form) -> dict[str, list[Mapping[str, Any]]]:
    """Read the sources of a form as the API expects them, unvalidated; fields without any are omitted."""
    found = {field: _read(form, field) for field in DEFAULT_SOURCES}
    return {field: sources for field, sources in found.items() if sources}


def _read(form: Form, field: str) -> list[Mapping[str, Any]]:
    kinds = [kind.value for kind in _kinds(field)]
    places = [f"source.{field}.{number}" for number in range(_MAX_SOURCES)]
    drafts = [
        DraftSource(form.text(f"{place}.kind"), form.text(f"{place}.value"))
        for place in places
        if form.text(f"{place}.kind") in kinds
    ]
    return [{draft.kind: _supported(draft).value} for draft in drafts]


def _supported(draft: DraftSource) -> DraftSource:
    """Replace a name that the kind does not have, as its list would show it."""
    if draft.kind == "field" and draft.value not in COMMON_FIELDS:
        return replace(draft, value=COMMON_FIELDS[0])
    return draft


def without_field_name(documents: SourceDocuments, changed: str) -> dict[str, list[Mapping[str, Any]]]:
    """Empty the name of a source whose kind was changed in a field such as `source.ip.0.kind`, if it is a field's."""
    found = _KIND_FIELD.fullmatch(changed)
    given = {field: list(sources) for field, sources in documents.items()}
    order, place = (given.get(found[1], []), int(found[2])) if found else ([], 0)
    if place < len(order):
        [(kind, value)] = order[place].items()
        if kind != "field" and value in COMMON_FIELDS:
            order[place] = {kind: ""}
    return given


# --- buttons ---


def change_sources(
    documents: SourceDocuments, wanted: str, *, page_url_fallback: bool
) -> tuple[dict[str, list[Mapping[str, Any]]], str]:
    """Apply a button such as `source-up event_id 1`; unknown ones change nothing.

    Return the sources and the ID of the field or button to focus, empty to keep the focus.
    """
    changed = {field: list(sources) for field, sources in documents.items()}
    found = _BUTTON.fullmatch(wanted)
    if found is None or found[2] not in DEFAULT_SOURCES:
        return changed, ""
    what, field, place = found[1], found[2], int(found[3] or -1)
    if what == "choose-sources":
        # The default order is where a change begins.
        changed[field] = _default(field, page_url_fallback=page_url_fallback)
        return changed, f"source-{field}-0-kind"
    if what == "default-sources":
        changed.pop(field, None)
        return changed, f"source-{field}-choose"
    order = changed.setdefault(field, [])
    focus = _change_order(order, what, field, place)
    if not order:
        del changed[field]
    return changed, focus


def _change_order(order: list[Mapping[str, Any]], what: str, field: str, place: int) -> str:
    """Change the order in place and return the ID to focus."""
    if what == "add-source":
        order.append({"field": COMMON_FIELDS[0]})
        return f"source-{field}-{len(order) - 1}-kind"
    if not 0 <= place < len(order):
        return ""
    if what == "remove-source":
        del order[place]
        return f"source-{field}-{min(place, len(order) - 1)}-kind" if order else f"source-{field}-choose"
    by = {"source-up": -1, "source-down": 1}.get(what, 0)
    if by == 0 or not 0 <= place + by < len(order):
        return ""
    order[place], order[place + by] = order[place + by], order[place]
    return move_focus(f"source-{field}-{place + by}", place + by, by, len(order))
