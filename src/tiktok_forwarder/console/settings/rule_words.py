"""Forwarding rules in words: the labels of their actions, and each rule as a sentence."""

from collections.abc import Mapping
from typing import Any, Final

from tiktok_forwarder.console.conditions import document_sentence

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


def rule_sentence(rule: Mapping[str, Any]) -> str:
    """Describe a rule as the API has it; what is missing yet is an ellipsis."""
    conditions = [document_sentence(each) for each in rule.get("when") or ()] or [_MISSING]
    return f"{_ACTION_WORDS.get(rule.get('action', ''), _MISSING)} {' and '.join(conditions)}"
