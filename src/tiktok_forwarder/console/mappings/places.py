"""Positions of one TikTok event's mappings among all of a connection, and the API's problems by card."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.console.conditions import problem_label
from tiktok_forwarder.console.mappings.choices import EVENT_NAME_LABELS, PROPERTY_LABELS
from tiktok_forwarder.console.mappings.draft import DraftMapping, document_of
from tiktok_forwarder.mapping.custom import MappingDocument

_PROBLEM: Final = re.compile(r"custom_mappings\[(\d+)\]\.?([^:]*): (.*)", re.DOTALL)
_CONDITION: Final = re.compile(r"(conditions\[\d+\])\.?(.*)")
_SOURCE: Final = re.compile(r"first\[(\d+)\]")
_PLAIN_LABELS: Final = {
    "custom_event_type": "Custom event type",
    "event_type": "Kind of event",
    "conditions": "The list of conditions",
}


class MergedMappings(Struct, frozen=True):
    """All of a connection's mappings; `positions` are the drafts' places among them, in order."""

    mappings: list[MappingDocument]
    positions: list[int]


def merge_drafts(present: Sequence[MappingDocument], event: str, drafts: Sequence[DraftMapping]) -> MergedMappings:
    """Replace the TikTok event's stored mappings by the drafts; additional drafts follow at the end."""
    waiting = [document_of(draft, event) for draft in drafts]
    mappings: list[MappingDocument] = []
    for each in present:
        if each["event"] != event:
            mappings.append(each)
        elif waiting:
            mappings.append(waiting.pop(0))
    mappings += waiting
    return MergedMappings(mappings, [number for number, each in enumerate(mappings) if each["event"] == event])


class Problems(Struct, frozen=True):
    """Messages. `of_cards` is by card key and place in it (`event_name`, `conditions[0]`, a property, or empty)."""

    general: list[str]
    of_cards: Mapping[str, Mapping[str, list[str]]]

    def at(self, key: str, place: str) -> list[str]:
        return list(self.of_cards.get(key, {}).get(place, ()))


NO_PROBLEMS: Final = Problems([], {})


def problems_by_card(problems: Sequence[str], drafts: Sequence[DraftMapping], positions: Sequence[int]) -> Problems:
    """Sort the API's messages by the cards and rows that they name; others are general."""
    keys = dict(zip(positions, (draft.key for draft in drafts), strict=True))
    kinds = {draft.key: draft.event_type for draft in drafts}
    general: list[str] = []
    of_cards: dict[str, dict[str, list[str]]] = {}
    for problem in problems:
        found = _PROBLEM.fullmatch(problem)
        key = keys.get(int(found[1])) if found else None
        if found is None or key is None:
            general.append(problem)
            continue
        place, label = _place(found[2], kinds[key])
        of_cards.setdefault(key, {}).setdefault(place, []).append(f"{label} {found[3]}.")
    return Problems(general, of_cards)


def _place(path: str, event_type: str) -> tuple[str, str]:
    """Return the place in a card of a path such as `properties.value.static`, and its label."""
    condition = _CONDITION.fullmatch(path)
    if condition:
        return condition[1], problem_label(condition[2])
    if path.startswith("properties."):
        name = path.split(".")[1]
        source = _SOURCE.search(path)
        label = PROPERTY_LABELS.get(name, name)
        return name, f"{label}, source {int(source[1]) + 1}," if source else label
    if path == "event_name":
        return path, EVENT_NAME_LABELS[event_type]
    return path if path in _PLAIN_LABELS else "", _PLAIN_LABELS.get(path, "The mapping")


def numbered_lines(problems: Problems, drafts: Sequence[DraftMapping]) -> list[str]:
    """Return all problems as one list, each with its card's number if there are several cards."""
    lines = list(problems.general)
    for number, draft in enumerate(drafts, 1):
        label = f"Mapping {number}: " if len(drafts) > 1 else ""
        lines += [f"{label}{each}" for found in problems.of_cards.get(draft.key, {}).values() for each in found]
    return lines
