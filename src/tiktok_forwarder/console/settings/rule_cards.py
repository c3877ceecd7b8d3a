"""Forwarding rules as cards of the form: their values, choices and problems."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from tiktok_forwarder.console.conditions import DraftCondition, names_of
from tiktok_forwarder.console.settings.places import ProblemPlaces, Wrong
from tiktok_forwarder.console.settings.rule_drafts import DraftRule, RuleDocument, rule_draft
from tiktok_forwarder.console.settings.rule_words import rule_sentence
from tiktok_forwarder.mapping.conditions import SUBJECTS


class ConditionRow(Struct, frozen=True):
    """`id` begins the IDs of its fields. Problems are those of the name, and all others."""

    id: str
    draft: DraftCondition
    name_problems: list[str]
    problems: list[str]

    @property
    def wrong(self) -> list[tuple[str, str]]:
        """Return each problem after the ID of its field."""
        name = f"{self.id}-{'name' if names_of(self.draft.subject) != () else 'test'}"
        values = f"{self.id}-{'values' if self.draft.has_values or self.draft.has_number else 'test'}"
        return [*((name, each) for each in self.name_problems), *((values, each) for each in self.problems)]


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
    of_name = [problem for subject in SUBJECTS for problem in places.at(f"{where}.{subject}")]
    others = [problem for problem in places.below(where) if problem not in of_name]
    return ConditionRow(row_id, draft, of_name, others)


def wrong_rules(cards: Sequence[RuleCard]) -> list[Wrong]:
    """Return the problems of all cards, each with its field."""
    found: list[Wrong] = []
    for card in cards:
        label = f"Forwarding rule {card.number}"
        found += [Wrong(f"{card.key}-name", f"{label}, name", problem) for problem in card.problems["name"]]
        found += [Wrong(card.key, label, problem) for problem in card.problems[""]]
        for number, row in enumerate(card.conditions, 1):
            found += [Wrong(anchor, f"{label}, condition {number}", problem) for anchor, problem in row.wrong]
    return found
