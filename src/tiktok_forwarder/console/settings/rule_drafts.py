"""A forwarding rule while it is edited, all text as in a form: from and to the API, from a form, and its buttons."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.settings.rule_words import (
    ABSENT,
    ACTION_LABELS,
    IDENTITY,
    SUBJECT_LABELS,
    TEST_LABELS,
    is_bound,
    names_of,
    takes_values,
)
from tiktok_forwarder.mapping.condition_reading import read_rules
from tiktok_forwarder.mapping.conditions import BARE_SUBJECTS, EXISTS, SUBJECTS, TESTS
from tiktok_forwarder.mapping.reading import Problems
from tiktok_forwarder.mparticle.values import number_of, text_of

RuleDocument = Mapping[str, Any]
_KEY: Final = re.compile(r"rule[0-9]{1,4}", re.ASCII)
_MAX_CONDITIONS: Final = 100
_LINE_BREAKS: Final = re.compile(r"[\r\n]")


class DraftCondition(Struct, frozen=True):
    """`values` has one value per line, or a number; `test` is one of `TEST_LABELS`."""

    subject: str = "event_name"
    name: str = ""
    test: str = "is"
    values: str = ""


class DraftRule(Struct, frozen=True):
    """`kept` is JSON of a rule that no form can show."""

    name: str = ""
    action: str = "only_forward"
    conditions: tuple[DraftCondition, ...] = (DraftCondition(),)
    kept: str = ""


# --- from the API ---


def rule_draft(document: RuleDocument) -> DraftRule:
    encoded = msgspec.json.encode(document).decode()
    if any(_LINE_BREAKS.search(text) for text in _texts(document)):
        # A browser would split or remove the line break, so saving would change an unedited value.
        return DraftRule(kept=encoded)
    conditions = tuple(_condition_draft(each) for each in document.get("when") or ())
    return DraftRule(document.get("name") or "", document.get("action") or "", conditions)


def _texts(document: RuleDocument) -> list[str]:
    conditions = document.get("when") or ()
    values = [value for each in conditions for value in each.values()]
    listed = [text for value in values if isinstance(value, list | tuple) for text in value]
    return [text for text in (document.get("name"), *values, *listed) if isinstance(text, str)]


def _condition_draft(document: Mapping[str, Any]) -> DraftCondition:
    subject = next(each for each in SUBJECTS if each in document)
    test = next(each for each in TESTS if each in document)
    expected = document[test]
    name = "" if subject in BARE_SUBJECTS else document[subject]
    if test == EXISTS:
        return DraftCondition(subject, name, EXISTS if expected else ABSENT)
    values = expected or () if isinstance(expected, list | tuple | None) else [text_of(expected) or ""]
    return DraftCondition(subject, name, test, "\n".join(values))


# --- to the API ---


def rule_document(draft: DraftRule) -> RuleDocument:
    """Return the draft as the API expects it, unvalidated."""
    if draft.kept:
        kept: RuleDocument = msgspec.json.decode(draft.kept, type=dict[str, Any])
        return kept
    return {
        "name": draft.name,
        "action": draft.action,
        "when": [_condition_document(each) for each in draft.conditions],
    }


def _condition_document(draft: DraftCondition) -> dict[str, Any]:
    subject = {draft.subject: True if draft.subject in BARE_SUBJECTS else draft.name}
    if draft.test in (EXISTS, ABSENT):
        return {**subject, EXISTS: draft.test == EXISTS}
    return {**subject, draft.test: _bound(draft.values) if is_bound(draft.test) else lines_of(draft.values)}


def _bound(text: str) -> Any:
    number = number_of(text)
    return number if number is not None and math.isfinite(number) else text.strip()


def lines_of(text: str) -> list[str]:
    """Return the lines that are not blank, stripped."""
    # `splitlines` would also split at characters that browsers do not treat as line breaks.
    return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


# --- from a form ---


def read_rules_form(form: Form) -> list[DraftRule]:
    """Read the rules of a form in their order there."""
    return [_read_rule(form, key) for key in dict.fromkeys(form.texts("rule")) if _KEY.fullmatch(key)]


def _read_rule(form: Form, key: str) -> DraftRule:
    if form.has(f"{key}.kept"):
        return _kept(form.secret(f"{key}.kept"))
    action = form.text(f"{key}.action")
    places = [f"{key}.if{number}" for number in range(_MAX_CONDITIONS) if form.has(f"{key}.if{number}.subject")]
    return DraftRule(
        form.text(f"{key}.name"),
        action if action in ACTION_LABELS else "only_forward",
        tuple(_read_condition(form, place) for place in places),
    )


def _kept(text: str) -> DraftRule:
    """Return a kept rule, or an empty one if this is none: such a field was not written by the console."""
    problems = Problems()
    try:
        read_rules([msgspec.json.decode(text)], problems)
    except msgspec.DecodeError:
        return DraftRule()
    return DraftRule() if problems.found else DraftRule(kept=text)


def _read_condition(form: Form, place: str) -> DraftCondition:
    subject, test = form.text(f"{place}.subject"), form.text(f"{place}.test")
    return _supported(
        DraftCondition(
            subject if subject in SUBJECT_LABELS else "event_name",
            form.text(f"{place}.name"),
            test if test in TEST_LABELS else "is",
            form.secret(f"{place}.values"),
        )
    )


def _supported(draft: DraftCondition) -> DraftCondition:
    """Replace what the condition's subject does not have, as its lists would show it."""
    names = names_of(draft.subject)
    if names is not None and draft.name not in [choice.value for choice in names]:
        draft = replace(draft, name=names[0].value if names else "")
    if draft.subject == IDENTITY and takes_values(draft.test):
        return replace(draft, test=EXISTS, values="")
    return draft


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
        order[place] = replace(order[place], conditions=(*present, DraftCondition()))
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
