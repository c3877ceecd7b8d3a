"""Forwarding rules as cards of the form: their values, choices and problems."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tiktok_forwarder.console.settings.places import ProblemPlaces, Wrong
from tiktok_forwarder.console.settings.rule_drafts import DraftCondition, DraftRule, RuleDocument, rule_draft
from tiktok_forwarder.console.settings.rule_words import (
    SUBJECT_HINTS,
    SUBJECT_LABELS,
    available_tests,
    is_bound,
    names_of,
    rule_sentence,
    takes_values,
)
from tiktok_forwarder.mapping.conditions import SUBJECTS
from tiktok_forwarder.mapping.fields import Choice


class ConditionRow(Struct, frozen=True):
    """`id` begins the IDs of its fields. `names` are choices, None if a name is typed; problems are by field."""

    id: str
    draft: DraftCondition
    names: Sequence[Choice] | None
    tests: list[Choice]
    problems: Mapping[str, list[str]]

    @property
    def name_label(self) -> str:
        return f"{SUBJECT_LABELS[self.draft.subject]}'s name" if self.names is None else "Which"

    @property
    def hint(self) -> str:
        return SUBJECT_HINTS.get(self.draft.subject, "")

    @property
    def has_values(self) -> bool:
        return takes_values(self.draft.test)

    @property
    def is_bound(self) -> bool:
        return is_bound(self.draft.test)


class RuleCard(Struct, frozen=True):
    """`number` counts from 1; `problems` are by field: `name`, or empty for the rule's own."""

    key: str
    number: int
    draft: DraftRule
    sentence: str
    conditions: list[ConditionRow]
    problems: Mapping[str, list[str]]


def rule_cards(documents: Sequence[RuleDocument], places: ProblemPlaces) -> list[RuleCard]:
    return [_card(place, document, places) for place, document in enumerate(documents)]


def _card(place: int, document: RuleDocument, places: ProblemPlaces) -> RuleCard:
    draft, where, key = rule_draft(document), f"forwarding_rules[{place}]", f"rule{place}"
    problems = {
        "name": places.at(f"{where}.name"),
        "": [*places.at(where), *places.at(f"{where}.action"), *places.at(f"{where}.when")],
    }
    if draft.kept:
        problems[""] = places.below(where)
    rows = [
        _row(f"{key}-if{number}", condition, f"{where}.when[{number}]", places)
        for number, condition in enumerate(draft.conditions)
    ]
    return RuleCard(key, place + 1, draft, rule_sentence(document), [] if draft.kept else rows, problems)


def _row(row_id: str, draft: DraftCondition, where: str, places: ProblemPlaces) -> ConditionRow:
    names = [problem for subject in SUBJECTS for problem in places.at(f"{where}.{subject}")]
    all_of_it = places.below(where)
    problems = {"name": names, "values": [problem for problem in all_of_it if problem not in names]}
    return ConditionRow(row_id, draft, names_of(draft.subject), available_tests(draft.subject), problems)


def wrong_rules(cards: Sequence[RuleCard]) -> list[Wrong]:
    """Return the problems of all cards, each with its field."""
    found: list[Wrong] = []
    for card in cards:
        label = f"Forwarding rule {card.number}"
        found += [Wrong(f"{card.key}-name", f"{label}, name", problem) for problem in card.problems["name"]]
        found += [Wrong(card.key, label, problem) for problem in card.problems[""]]
        for number, row in enumerate(card.conditions, 1):
            for field, problems in row.problems.items():
                has_field = row.has_values if field == "values" else row.names != ()
                anchor = f"{row.id}-{field if has_field else 'test'}"
                found += [Wrong(anchor, f"{label}, condition {number}", problem) for problem in problems]
    return found
