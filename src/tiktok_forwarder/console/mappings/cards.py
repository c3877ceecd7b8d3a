"""A custom mapping as a card of the form: its values, choices and problems."""

from collections.abc import Sequence

from msgspec import Struct

from tiktok_forwarder.console.mappings.choices import (
    COMMERCE,
    EVENT_NAME_LABELS,
    PROPERTY_LABELS,
    Choice,
    expected_type,
    kinds_of,
    members_of,
)
from tiktok_forwarder.console.mappings.draft import DraftCondition, DraftMapping, DraftSource, is_filled
from tiktok_forwarder.console.mappings.places import Problems
from tiktok_forwarder.console.mappings.seen import SeenNames


class Row(Struct, frozen=True):
    """One property. `members` are the values to choose from, None if the value is typed."""

    name: str
    label: str
    type: str
    source: DraftSource
    kinds: list[Choice]
    members: Sequence[Choice] | None
    problems: list[str]

    @property
    def kind_label(self) -> str:
        return next(kind.label for kind in self.kinds if kind.value == self.source.kind)

    @property
    def is_padded(self) -> bool:
        """Return whether the attribute's name begins or ends with a space, which is rarely intended."""
        return self.source.value != self.source.value.strip()

    @property
    def value_label(self) -> str:
        """Return the value's label, or the value itself."""
        return next((each.label for each in self.members or () if each.value == self.source.value), self.source.value)


class ConditionRow(Struct, frozen=True):
    condition: DraftCondition
    problems: list[str]

    @property
    def is_padded(self) -> bool:
        return self.condition.attribute != self.condition.attribute.strip()


class Card(Struct, frozen=True):
    """`shadowed_by` is the number of an earlier card for the same event at mParticle; `suggestions` are by kind."""

    number: int
    draft: DraftMapping
    name_label: str
    conditions: list[ConditionRow]
    rows: list[Row]
    problems: Problems
    shadowed_by: int | None
    suggestions: dict[str, list[str]]

    def problems_at(self, place: str) -> list[str]:
        return self.problems.at(self.draft.key, place)


def cards_of(drafts: Sequence[DraftMapping], seen: SeenNames, problems: Problems) -> list[Card]:
    return [_card(number, draft, drafts, seen, problems) for number, draft in enumerate(drafts, 1)]


def _card(
    number: int, draft: DraftMapping, drafts: Sequence[DraftMapping], seen: SeenNames, problems: Problems
) -> Card:
    places = enumerate(draft.conditions)
    return Card(
        number=number,
        draft=draft,
        name_label=EVENT_NAME_LABELS[draft.event_type],
        conditions=[ConditionRow(each, problems.at(draft.key, f"conditions[{place}]")) for place, each in places],
        rows=[_row(draft, name, problems) for name in draft.properties],
        problems=problems,
        shadowed_by=_shadowed_by(number, draft, drafts),
        suggestions=_suggestions(draft, seen),
    )


def _row(draft: DraftMapping, name: str, problems: Problems) -> Row:
    source = draft.properties[name]
    return Row(
        name=name,
        label=PROPERTY_LABELS[name],
        type=expected_type(name),
        source=source,
        kinds=kinds_of(draft.event_type, name, is_filled=is_filled(draft, name)),
        members=members_of(draft.event_type, source.kind),
        problems=problems.at(draft.key, name),
    )


def _shadowed_by(number: int, draft: DraftMapping, drafts: Sequence[DraftMapping]) -> int | None:
    wanted = _trigger(draft)
    earlier = enumerate(drafts[: number - 1], 1)
    return next((place for place, each in earlier if wanted[1] and _trigger(each) == wanted), None)


def _trigger(draft: DraftMapping) -> tuple[str, str]:
    return draft.event_type, draft.event_name.lower()


def _suggestions(draft: DraftMapping, seen: SeenNames) -> dict[str, list[str]]:
    """Return recently received names by kind, in the order of the form."""
    of_event = draft.event_type, draft.event_name
    kinds = ("attribute", "user_attribute", *(("product_attribute",) if draft.event_type == COMMERCE else ()))
    types = {"type": seen.custom_event_types(draft.event_name)} if draft.event_type == "custom_event" else {}
    return {"name": seen.names(draft.event_type), **types, **{kind: seen.attributes(kind, *of_event) for kind in kinds}}
