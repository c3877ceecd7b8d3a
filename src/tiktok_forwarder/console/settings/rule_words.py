"""Forwarding rules in words: the labels of their actions, each rule as a sentence, and what became of it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from tiktok_forwarder.console.conditions import document_sentence, sentence_of
from tiktok_forwarder.mapping.explanation.rule_results import ConditionResult, RuleResult

ACTION_LABELS: Final = {
    "only_forward": "Only Forward",
    "do_not_forward": "Do Not Forward",
    "limit_data_use": "Limit data use",
}
_ACTION_WORDS: Final = {
    "only_forward": "Only forward if",
    "do_not_forward": "Do not forward if",
    "limit_data_use": "Limit data use if",
}
_MISSING: Final = "…"


class TriedCondition(Struct, frozen=True):
    words: str
    found: str
    held: bool


class TriedRule(Struct, frozen=True):
    name: str
    action: str
    held: bool
    conditions: list[TriedCondition]


def rule_sentence(rule: Mapping[str, Any]) -> str:
    """Describe a rule as the API has it; what is missing yet is an ellipsis."""
    conditions = [document_sentence(each) for each in rule.get("when") or ()] or [_MISSING]
    return f"{_ACTION_WORDS.get(rule.get('action', ''), _MISSING)} {' and '.join(conditions)}"


def tried_rule(rule: RuleResult) -> TriedRule:
    """Describe the result of a rule for an event."""
    conditions = [_tried_condition(each) for each in rule.conditions]
    return TriedRule(rule.name, ACTION_LABELS[rule.action], rule.held, conditions)


def _tried_condition(condition: ConditionResult) -> TriedCondition:
    words = sentence_of(condition.subject, condition.name, condition.test, condition.expected)
    return TriedCondition(words, _found(condition), condition.held)


def _found(condition: ConditionResult) -> str:
    """Return the values found. An identity's value is never shown."""
    if condition.subject == "identity":
        return "one" if condition.found else "nothing"
    return ", ".join(condition.found) or "nothing"
