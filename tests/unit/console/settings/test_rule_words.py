"""Forwarding rules as sentences, and the choices of their form."""

from typing import Any

import pytest

from tiktok_forwarder.console.settings.rule_words import (
    ACTION_LABELS,
    SUBJECT_LABELS,
    TEST_LABELS,
    available_tests,
    condition_words,
    names_of,
    rule_sentence,
)
from tiktok_forwarder.mapping.conditions import ACTIONS, EXISTS, SUBJECTS, TESTS


def test_a_rule_is_one_plain_sentence() -> None:
    """Whoever reads the rule need not know the form that made it."""
    rule = {
        "name": "no staff",
        "action": "do_not_forward",
        "when": [{"user_attribute": "role", "is": ["staff"]}, {"identity": "email", "exists": True}],
    }
    assert rule_sentence(rule) == "Do not forward if the user attribute role is staff and there is an email address"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            {"page_host": True, "is": ["a.example.com", "b.example.com"]},
            "the page host is a.example.com or b.example.com",
        ),
        ({"event_name": True, "is_not": ["a", "b", "c"]}, "the event name is not a, b or c"),
        ({"page_path": True, "starts_with": ["/shop"]}, "the page path starts with /shop"),
        ({"tiktok_event": True, "contains": ["Cart"]}, "the TikTok event contains Cart"),
        ({"attribute": "sku", "is": list("abcdefg")}, "the event attribute sku is a, b, c, d, e or 2 more"),
        ({"flag": "TikTok.URL", "exists": False}, "the custom flag TikTok.URL does not exist"),
        ({"field": "transaction_id", "exists": True}, "the transaction ID (order number) exists"),
        ({"product": "name", "is": ["Hat"]}, "the name of a product is Hat"),
        ({"product": "id", "is": ["1"]}, "the ID of a product is 1"),
        ({"product": "price", "at_least": 0}, "the price of a product is at least 0"),
        ({"identity": "external_id", "exists": False}, "there is no external ID"),
        ({"user_attribute": "", "is": []}, "the user attribute … is …"),
        ({"field": "total_amount", "at_most": ""}, "the total amount is at most …"),
        ({}, "the … is …"),
    ],
)
def test_a_condition_is_told_in_words(condition: dict[str, Any], words: str) -> None:
    """Long lists are cut, and what is missing yet is an ellipsis."""
    assert condition_words(condition).replace("the … …", "the …") == words


def test_a_rule_without_conditions_has_an_ellipsis() -> None:
    """A sentence is shown while the rule is still being made."""
    assert rule_sentence({"action": "limit_data_use", "when": []}) == "Limit data use if …"
    assert rule_sentence({}) == "… …"


def test_every_action_subject_and_test_has_a_label() -> None:
    """What the engine knows can be chosen in the form."""
    assert (set(ACTION_LABELS), set(SUBJECT_LABELS)) == (set(ACTIONS), set(SUBJECTS))
    assert set(TEST_LABELS) - {"absent"} == set(TESTS)


def test_an_identity_can_only_be_there_or_not() -> None:
    """The form offers what the API accepts."""
    assert [choice.value for choice in available_tests("identity")] == [EXISTS, "absent"]
    assert [choice.value for choice in available_tests("flag")] == list(TEST_LABELS)


def test_names_are_chosen_typed_or_not_needed() -> None:
    """A subject has a list of names, a name of one's own, or none."""
    assert names_of("page_host") == () and names_of("flag") is None
    assert [choice.label for choice in names_of("field") or ()][:2] == ["Event name", "Transaction ID (order number)"]
    assert [choice.label for choice in names_of("product") or ()][:2] == ["ID", "Name"]
