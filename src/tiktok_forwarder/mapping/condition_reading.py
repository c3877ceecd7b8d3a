"""Checks the conditions and forwarding rules of a connection when it is saved."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tiktok_forwarder.mapping.conditions import (
    ACTIONS,
    BARE_SUBJECTS,
    EXISTS,
    IDENTITY_KINDS,
    NUMBER_TESTS,
    SUBJECTS,
    TESTS,
    TEXT_TESTS,
    Condition,
    Rule,
    Subject,
    Test,
)
from tiktok_forwarder.mapping.reading import Problems, shown
from tiktok_forwarder.mapping.sources import EVENT_FIELDS, PRODUCT_FIELDS
from tiktok_forwarder.mparticle.values import Number, number_of, text_of

MAX_RULES: Final = 50
MAX_CONDITIONS: Final = 20
MAX_VALUES: Final = 200
# The word of custom mappings for `is`.
_VALUES: Final = "values"
_KEYS: Final = ("name", "action", "when")
_NAMED_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "field": EVENT_FIELDS,
    "product": PRODUCT_FIELDS,
    "identity": IDENTITY_KINDS,
}
"""The names that a subject may have, if not any."""


def read_rules(given: object, problems: Problems) -> tuple[Rule, ...]:
    if given is None:
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        problems.add("forwarding_rules", f"must be a list of rules, not {shown(given)}")
        return ()
    if len(given) > MAX_RULES:
        problems.add("forwarding_rules", f"must be at most {MAX_RULES} rules, not {len(given)}")
        return ()
    found: list[Rule] = []
    names: set[str] = set()
    for index, item in enumerate(given):
        rule = _rule(f"forwarding_rules[{index}]", item, names, problems)
        if rule is not None:
            found.append(rule)
    return tuple(found)


def _rule(where: str, given: object, names: set[str], problems: Problems) -> Rule | None:
    if not isinstance(given, Mapping):
        problems.add(where, f"must be a rule with {', '.join(_KEYS)}, not {shown(given)}")
        return None
    problems.unknown_keys(given, _KEYS, f"{where}.")
    name = text_of(given.get("name"))
    if name is None:
        problems.add(f"{where}.name", "is required: it is shown as the reason of a drop")
    elif name in names:
        problems.add(f"{where}.name", f"must be unique; {shown(name)} is the name of another rule")
    else:
        names.add(name)
    action = given.get("action")
    if action not in ACTIONS:
        problems.add(f"{where}.action", f"must be one of {', '.join(ACTIONS)}, not {shown(action)}")
    when = given.get("when")
    conditions = read_conditions(f"{where}.when", when, problems)
    if not when and isinstance(when, Sequence | None):
        problems.add(f"{where}.when", "must have at least one condition")
    if name is None or action not in ACTIONS or not conditions:
        return None
    return Rule(name, action, conditions)


def read_conditions(where: str, given: object, problems: Problems) -> tuple[Condition, ...]:
    """Read a list of conditions. `where` begins the key of every problem."""
    if given is None:
        return ()
    if not isinstance(given, Sequence) or isinstance(given, str):
        problems.add(where, f"must be a list of conditions, not {shown(given)}")
        return ()
    if len(given) > MAX_CONDITIONS:
        problems.add(where, f"must be at most {MAX_CONDITIONS} conditions, not {len(given)}")
        return ()
    read = (_condition(f"{where}[{index}]", item, problems) for index, item in enumerate(given))
    return tuple([condition for condition in read if condition is not None])


def _condition(where: str, given: object, problems: Problems) -> Condition | None:
    if not isinstance(given, Mapping):
        problems.add(where, f"must have one of {', '.join(SUBJECTS)} and a test, not {shown(given)}")
        return None
    problems.unknown_keys(given, (*SUBJECTS, *TESTS, _VALUES), f"{where}.")
    subject = _subject(where, given, problems)
    tests = [test for test in (*TESTS, _VALUES) if test in given]
    if len(tests) != 1:
        problems.add(where, f"must have exactly one test of {', '.join(TESTS)}, not {len(tests)}")
        return None
    test: Test = "is" if tests[0] == _VALUES else tests[0]  # type: ignore[assignment]  # one of TESTS
    if subject == "identity" and test != EXISTS:
        problems.add(f"{where}.{tests[0]}", f"cannot be used with identity, which has the test {EXISTS} only")
        return None
    expected = _expected(f"{where}.{tests[0]}", test, given[tests[0]], problems)
    if subject is None or expected is None:
        return None
    name = "" if subject in BARE_SUBJECTS else str(given[subject]).strip()
    return Condition(subject, name, test, expected)


def _subject(where: str, given: Mapping[str, object], problems: Problems) -> Subject | None:
    found = [subject for subject in SUBJECTS if subject in given]
    if len(found) != 1:
        problems.add(where, f"must have exactly one subject of {', '.join(SUBJECTS)}, not {len(found)}")
        return None
    subject = found[0]
    value = given[subject]
    if subject in BARE_SUBJECTS:
        if value is not True:
            problems.add(f"{where}.{subject}", f"must be true, not {shown(value)}")
            return None
        return subject
    if not isinstance(value, str) or not value.strip():
        problems.add(f"{where}.{subject}", f"must be a name, not {shown(value)}")
        return None
    known = _NAMED_FIELDS.get(subject)
    if known is not None and value.strip() not in known:
        problems.add(f"{where}.{subject}", f"must be one of {', '.join(known)}, not {shown(value)}")
        return None
    return subject


def _expected(where: str, test: Test, given: Any, problems: Problems) -> tuple[str, ...] | bool | Number | None:
    if test in TEXT_TESTS:
        return _texts(where, given, problems)
    if test in NUMBER_TESTS:
        number = number_of(given) if not isinstance(given, str) else None
        if number is not None and math.isfinite(number):
            return number
        problems.add(where, f"must be a number, not {shown(given)}")
        return None
    if isinstance(given, bool):
        return given
    problems.add(where, f"must be true or false, not {shown(given)}")
    return None


def _texts(where: str, given: object, problems: Problems) -> tuple[str, ...] | None:
    values = given if isinstance(given, list | tuple) else ()
    texts = [text_of(value) for value in values]
    if not texts or None in texts:
        problems.add(where, f"must be a list of texts, none of them empty, not {shown(given)}")
        return None
    if len(texts) > MAX_VALUES:
        problems.add(where, f"must be at most {MAX_VALUES} values, not {len(texts)}")
        return None
    return tuple([text for text in texts if text is not None])
