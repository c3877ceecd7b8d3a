"""A custom mapping as a card of the form: its values, choices and problems."""

from collections.abc import Sequence

from msgspec import Struct

from tiktok_forwarder.console.conditions import DraftCondition, condition_sentence
from tiktok_forwarder.console.mappings.choices import (
    COMMERCE,
    EVENT_NAME_LABELS,
    PROPERTY_LABELS,
    expected_type,
    is_number,
    kinds_of,
    members_of,
)
from tiktok_forwarder.console.mappings.draft import DraftMapping, DraftProperty, DraftSource
from tiktok_forwarder.console.mappings.places import Problems
from tiktok_forwarder.console.mappings.seen import SeenNames
from tiktok_forwarder.console.mappings.standard_values import is_filled
from tiktok_forwarder.console.mappings.target import TargetEvent
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.mapping.source_reading import MAX_FIRST
from tiktok_forwarder.mapping.sources import PRODUCT_SOURCES


class SourceRow(Struct, frozen=True):
    """One source of a property. `members` are the values to choose from, None if the value is typed.

    A property that is not mapped has one row, whose source has no kind.
    """

    source: DraftSource
    kinds: list[Choice]
    members: Sequence[Choice] | None

    @property
    def kind_label(self) -> str:
        return next(kind.label for kind in self.kinds if kind.value == self.source.kind)

    @property
    def is_padded(self) -> bool:
        """Return whether the name begins or ends with a space, which is rarely intended."""
        return self.source.value != self.source.value.strip()

    @property
    def value_label(self) -> str:
        """Return the value's label, or the value itself."""
        return next((each.label for each in self.members or () if each.value == self.source.value), self.source.value)


class Row(Struct, frozen=True):
    """One property. `type` is what it takes, in words."""

    name: str
    label: str
    type: str
    is_number: bool
    draft: DraftProperty
    sources: list[SourceRow]
    problems: list[str]

    @property
    def can_add_source(self) -> bool:
        return 0 < len(self.draft.sources) < MAX_FIRST


class ConditionRow(Struct, frozen=True):
    condition: DraftCondition
    problems: list[str]

    @property
    def sentence(self) -> str:
        return condition_sentence(self.condition)


class Card(Struct, frozen=True):
    """`shadowed_by` is the number of an earlier card for the same event at mParticle; `suggestions` are by kind.

    `further` are the properties that can be added.
    """

    number: int
    draft: DraftMapping
    name_label: str
    conditions: list[ConditionRow]
    rows: list[Row]
    further: list[Choice]
    problems: Problems
    shadowed_by: int | None
    suggestions: dict[str, list[str]]

    def problems_at(self, place: str) -> list[str]:
        return self.problems.at(self.draft.key, place)


def cards_of(drafts: Sequence[DraftMapping], target: TargetEvent, seen: SeenNames, problems: Problems) -> list[Card]:
    return [
        Card(
            number=number,
            draft=draft,
            name_label=EVENT_NAME_LABELS[draft.event_type],
            conditions=_condition_rows(draft, problems),
            rows=[_row(draft, name, target, problems) for name in draft.properties],
            further=[Choice(name, PROPERTY_LABELS[name]) for name in target.properties if name not in draft.properties],
            problems=problems,
            shadowed_by=_shadowed_by(number, draft, drafts),
            suggestions=_suggestions(draft, seen),
        )
        for number, draft in enumerate(drafts, 1)
    ]


def _condition_rows(draft: DraftMapping, problems: Problems) -> list[ConditionRow]:
    places = enumerate(draft.conditions)
    return [ConditionRow(each, problems.at(draft.key, f"conditions[{place}]")) for place, each in places]


def _row(draft: DraftMapping, name: str, target: TargetEvent, problems: Problems) -> Row:
    mapped = draft.properties[name]
    kinds = kinds_of(draft.event_type, name)
    if len(mapped.sources) > 1:
        # All sources are of the event, or all of the product.
        kinds = [kind for kind in kinds if (kind.value in PRODUCT_SOURCES) == mapped.is_of_product]
    else:
        kinds = [Choice("", "Standard value" if is_filled(draft, name, target) else "Not sent"), *kinds]
    return Row(
        name=name,
        label=PROPERTY_LABELS[name],
        type=expected_type(name),
        is_number=is_number(name),
        draft=mapped,
        sources=[
            SourceRow(source, kinds, members_of(draft.event_type, source.kind))
            for source in mapped.sources or (DraftSource(""),)
        ],
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
