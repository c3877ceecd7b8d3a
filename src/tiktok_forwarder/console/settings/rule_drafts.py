"""A forwarding rule while it is edited, all text as in a form: from and to the API, from a form, and its buttons."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.console.conditions import DraftCondition, condition_document, draft_condition, read_conditions
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.settings.rule_words import ACTION_LABELS
from tiktok_forwarder.mapping.condition_reading import read_rules
from tiktok_forwarder.mapping.reading import Problems

RuleDocument = Mapping[str, Any]
_KEY: Final = re.compile(r"rule[0-9]{1,4}", re.ASCII)
_LINE_BREAKS: Final = re.compile(r"[\r\n]")


_NEW_CONDITION: Final = DraftCondition("event_name")


class DraftRule(Struct, frozen=True):
    """`kept` is JSON of a rule that no form can show."""

    name: str = ""
    action: str = "only_forward"
    conditions: tuple[DraftCondition, ...] = (_NEW_CONDITION,)
    kept: str = ""


# --- from the API ---


def rule_draft(document: RuleDocument) -> DraftRule:
    encoded = msgspec.json.encode(document).decode()
    if any(_LINE_BREAKS.search(text) for text in _texts(document)):
        # A browser would split or remove the line break, so saving would change an unedited value.
        return DraftRule(kept=encoded)
    conditions = tuple(draft_condition(each) for each in document.get("when") or ())
    return DraftRule(document.get("name") or "", document.get("action") or "", conditions)


def _texts(document: RuleDocument) -> list[str]:
    conditions = document.get("when") or ()
    values = [value for each in conditions for value in each.values()]
    listed = [text for value in values if isinstance(value, list | tuple) for text in value]
    return [text for text in (document.get("name"), *values, *listed) if isinstance(text, str)]


# --- to the API ---


def rule_document(draft: DraftRule) -> RuleDocument:
    """Return the draft as the API expects it, unvalidated."""
    if draft.kept:
        kept: RuleDocument = msgspec.json.decode(draft.kept, type=dict[str, Any])
        return kept
    return {
        "name": draft.name,
        "action": draft.action,
        "when": [condition_document(each) for each in draft.conditions],
    }


# --- from a form ---


def read_rules_form(form: Form) -> list[DraftRule]:
    """Read the rules of a form in their order there."""
    return [_read_rule(form, key) for key in dict.fromkeys(form.texts("rule")) if _KEY.fullmatch(key)]


def _read_rule(form: Form, key: str) -> DraftRule:
    if form.has(f"{key}.kept"):
        return _kept(form.secret(f"{key}.kept"))
    action = form.text(f"{key}.action")
    return DraftRule(
        form.text(f"{key}.name"),
        action if action in ACTION_LABELS else "only_forward",
        read_conditions(form, f"{key}.if"),
    )


def _kept(text: str) -> DraftRule:
    """Return a kept rule, or an empty one if this is none: such a field was not written by the console."""
    problems = Problems()
    try:
        read_rules([msgspec.json.decode(text)], problems)
    except msgspec.DecodeError:
        return DraftRule()
    return DraftRule() if problems.found else DraftRule(kept=text)


# --- buttons ---


def change_rules(rules: Sequence[DraftRule], wanted: str) -> tuple[list[DraftRule], str]:
    """Apply a button such as `rule-up 2` or `remove-condition 2 0`; unknown ones change nothing.

    Return the rules and the ID of the field or button to focus, empty to keep the focus.
    """
    what, _, rest = wanted.partition(" ")
    place, condition = _numbers(rest)
    order = list(rules)
    if what == "add-rule":
        return [*order, DraftRule()], f"rule{len(order)}-name"
    if not 0 <= place < len(order):
        return order, ""
    if what == "remove-rule":
        del order[place]
        # The next rule stands at this place now.
        return order, f"rule{min(place, len(order) - 1)}-name" if order else "add-rule"
    if what in _MOVES:
        return _moved(order, place, _MOVES[what])
    return _with_conditions(order, what, place, condition)


_MOVES: Final = {"rule-up": -1, "rule-down": 1}


def _with_conditions(order: list[DraftRule], what: str, place: int, condition: int) -> tuple[list[DraftRule], str]:
    present = order[place].conditions
    if what == "add-condition":
        order[place] = replace(order[place], conditions=(*present, _NEW_CONDITION))
        return order, f"rule{place}-if{len(present)}-subject"
    if what == "remove-condition":
        left = tuple(each for number, each in enumerate(present) if number != condition)
        order[place] = replace(order[place], conditions=left)
        return order, f"rule{place}-add"
    return order, ""


def _numbers(text: str) -> tuple[int, int]:
    """Return the numbers of a rule and of its condition, -1 for none."""
    rule, _, condition = text.partition(" ")
    found = [int(each) if each.isascii() and each.isdecimal() and len(each) < 5 else -1 for each in (rule, condition)]
    return found[0], found[1]


def _moved(order: list[DraftRule], place: int, by: int) -> tuple[list[DraftRule], str]:
    if not 0 <= place + by < len(order):
        return order, ""
    order[place], order[place + by] = order[place + by], order[place]
    return order, move_focus(f"rule{place + by}", place + by, by, len(order))


def move_focus(key: str, place: int, by: int, count: int) -> str:
    """Return the button to focus after a move: the first cannot go further up, nor the last down."""
    is_at_end = place == 0 if by < 0 else place == count - 1
    return f"{key}-{'up' if (by < 0) != is_at_end else 'down'}"
