"""Forwarding rules while they are edited: from the API and back, and the buttons of their cards."""

import pytest

from tiktok_forwarder.console.conditions import DraftCondition
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.settings.rule_drafts import (
    DraftRule,
    change_rules,
    read_rules_form,
    rule_document,
    rule_draft,
)

TWO = [
    DraftRule("first"),
    DraftRule("second", conditions=(DraftCondition("event_name"), DraftCondition("page_host"))),
]


def names(rules: list[DraftRule]) -> list[str]:
    return [rule.name for rule in rules]


@pytest.mark.parametrize(
    ("wanted", "order", "focus"),
    [
        ("add-rule", ["first", "second", ""], "rule2-name"),
        ("remove-rule 0", ["second"], "rule0-name"),
        ("remove-rule 1", ["first"], "rule0-name"),
        ("rule-down 0", ["second", "first"], "rule1-up"),
        ("rule-up 1", ["second", "first"], "rule0-down"),
        ("rule-up 0", ["first", "second"], ""),
        ("rule-down 1", ["first", "second"], ""),
        ("remove-rule 7", ["first", "second"], ""),
        ("remove-rule ²", ["first", "second"], ""),
        ("rule-up", ["first", "second"], ""),
        ("", ["first", "second"], ""),
    ],
)
def test_a_button_changes_the_list_and_says_where_the_focus_goes(wanted: str, order: list[str], focus: str) -> None:
    """Someone without a mouse stays at the rule they changed; what no button sends changes nothing."""
    changed, found = change_rules(TWO, wanted)
    assert (names(changed), found) == (order, focus)


def test_the_last_rule_removed_leaves_the_focus_on_the_button_that_adds_one() -> None:
    """An empty list has no rule to go to."""
    assert change_rules([DraftRule("only")], "remove-rule 0") == ([], "add-rule")


def test_a_rule_in_the_middle_keeps_the_button_that_was_pressed() -> None:
    """A rule is moved several places by pressing one button several times."""
    three = [*TWO, DraftRule("third")]
    assert change_rules(three, "rule-down 0")[1] == "rule1-down"
    assert change_rules(three, "rule-up 2")[1] == "rule1-up"


def test_conditions_are_added_and_removed() -> None:
    """The focus goes to the new condition, or to the button that adds one."""
    added, focus = change_rules(TWO, "add-condition 1")
    assert [each.subject for each in added[1].conditions] == ["event_name", "page_host", "event_name"]
    assert focus == "rule1-if2-subject"
    left, focus = change_rules(TWO, "remove-condition 1 0")
    assert [each.subject for each in left[1].conditions] == ["page_host"] and focus == "rule1-add"
    assert names(left) == names(TWO) and left[0] == TWO[0]


@pytest.mark.parametrize("text", ["two\nlines", "two\rlines"])
def test_a_rule_with_a_line_break_is_kept_as_it_is(text: str) -> None:
    """A browser would make two values of one, so the rule passes through the form unseen."""
    rule = {"name": "odd", "action": "only_forward", "when": [{"page_path": True, "contains": [text]}]}
    draft = rule_draft(rule)
    form = Form([("rule", "rule0"), ("rule0.kept", draft.kept)])
    assert [rule_document(each) for each in read_rules_form(form)] == [rule]


@pytest.mark.parametrize(
    "kept", ["", "{", "[1]", '{"name": "a", "action": "only_forward", "when": "x"}', '{"when": [1]}']
)
def test_a_forged_rule_is_an_empty_one(kept: str) -> None:
    """The API accepted every rule that the form keeps, so what it refuses was not written by the console."""
    assert read_rules_form(Form([("rule", "rule0"), ("rule0.kept", kept)])) == [DraftRule()]


def test_a_rule_is_read_with_its_conditions() -> None:
    """What a condition's subject does not have is replaced; an unknown action is the first."""
    place = "rule0.if0"
    sent = [("rule", "rule0"), (f"{place}.subject", "identity"), (f"{place}.name", "role"), (f"{place}.test", "is")]
    [rule] = read_rules_form(Form([*sent, ("rule0.action", "guess")]))
    assert rule == DraftRule(conditions=(DraftCondition("identity", "", "exists"),))


def test_rules_keep_the_order_of_the_form() -> None:
    """The order of the page counts, not the number in a field's name; other names are ignored."""
    sent = [("rule", "rule3"), ("rule3.name", "a"), ("rule", "rule1"), ("rule1.name", "b"), ("rule", "csrf")]
    assert names(read_rules_form(Form(sent))) == ["a", "b"]
