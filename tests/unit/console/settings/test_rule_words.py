"""Forwarding rules as sentences."""

from tiktok_forwarder.console.settings.rule_words import ACTION_LABELS, rule_sentence
from tiktok_forwarder.mapping.conditions import ACTIONS


def test_a_rule_is_one_plain_sentence() -> None:
    """Whoever reads the rule need not know the form that made it."""
    rule = {
        "name": "no staff",
        "action": "do_not_forward",
        "when": [{"user_attribute": "role", "is": ["staff"]}, {"identity": "email", "exists": True}],
    }
    assert rule_sentence(rule) == "Do not forward if the user attribute role is staff and there is an email address"


def test_a_rule_without_conditions_has_an_ellipsis() -> None:
    """A sentence is shown while the rule is still being made."""
    assert rule_sentence({"action": "limit_data_use", "when": []}) == "Limit data use if …"
    assert rule_sentence({}) == "… …"


def test_every_action_has_a_label() -> None:
    """What the mapping knows can be chosen in the form."""
    assert set(ACTION_LABELS) == set(ACTIONS)
