"""Forwarding rules in words: the labels of their form, and each rule as a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tiktok_forwarder.console.rendering import wire_label
from tiktok_forwarder.mapping.conditions import (
    BARE_SUBJECTS,
    EXISTS,
    IDENTITY_KINDS,
    NUMBER_TESTS,
    SUBJECTS,
    TESTS,
)
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.mapping.sources import EVENT_FIELDS, PRODUCT_FIELDS

IDENTITY: Final = "identity"
ABSENT: Final = "absent"
"""The form's word for the test `exists = false`."""
ACTION_LABELS: Final = {
    "only_forward": "Only Forward",
    "do_not_forward": "Do Not Forward",
    "limit_data_use": "Limit data use",
}
SUBJECT_LABELS: Final = {
    "event_name": "Event name",
    "event_type": "Event type",
    "tiktok_event": "TikTok event",
    "page_host": "Page host",
    "page_path": "Page path",
    "attribute": "Event attribute",
    "user_attribute": "User attribute",
    "flag": "Custom flag",
    "field": "Event field",
    "product": "Product field",
    IDENTITY: "Identity",
}
SUBJECT_HINTS: Final = {
    "event_name": "Event name, screen name, or product action such as purchase.",
    "event_type": "Such as commerce_event, custom_event or screen_view.",
    "tiktok_event": "Such as Purchase or ViewContent.",
    "page_host": "Such as shop.example.com, without https://.",
    "page_path": "Such as /checkout.",
}
TEST_LABELS: Final = {
    "is": "is one of",
    "is_not": "is none of",
    "contains": "contains one of",
    "starts_with": "starts with one of",
    EXISTS: "exists",
    ABSENT: "does not exist",
    "at_least": "is at least",
    "at_most": "is at most",
}
_FIELD_LABELS: Final = {"name": "Event name", "transaction_id": "Transaction ID (order number)"}
_IDENTITY_LABELS: Final = {
    "email": "Email address",
    "phone": "Phone number",
    "external_id": "External ID",
    "any": "Any of the three",
}
_IDENTITY_NOUNS: Final = {
    "email": "an email address",
    "phone": "a phone number",
    "external_id": "an external ID",
    "any": "an email address, phone number or external ID",
}
_ACTION_WORDS: Final = {
    "only_forward": "Only forward if",
    "do_not_forward": "Do not forward if",
    "limit_data_use": "Limit data use if",
}
_MAX_VALUES: Final = 5
_MISSING: Final = "…"


def field_label(name: str) -> str:
    """Return the label of a field of an event."""
    return _FIELD_LABELS.get(name) or wire_label(name)


def uncapitalized(label: str) -> str:
    """Return a label as it reads within a sentence; abbreviations keep their case."""
    return label if label[:2].isupper() else f"{label[:1].lower()}{label[1:]}"


def names_of(subject: str) -> Sequence[Choice] | None:
    """Return the names to choose from, none for a subject without one, or None if a name is typed."""
    if subject in BARE_SUBJECTS:
        return ()
    if subject == IDENTITY:
        return [Choice(kind, _IDENTITY_LABELS[kind]) for kind in IDENTITY_KINDS]
    if subject == "product":
        return [Choice(name, wire_label(name)) for name in PRODUCT_FIELDS]
    return [Choice(name, field_label(name)) for name in EVENT_FIELDS] if subject == "field" else None


def available_tests(subject: str) -> list[Choice]:
    """Return the tests that a subject can have."""
    return [Choice(test, label) for test, label in TEST_LABELS.items() if subject != IDENTITY or not takes_values(test)]


def takes_values(test: str) -> bool:
    return test not in (EXISTS, ABSENT)


def is_bound(test: str) -> bool:
    """Return whether the test compares with a number."""
    return test in NUMBER_TESTS


# --- sentences ---


def rule_sentence(rule: Mapping[str, Any]) -> str:
    """Describe a rule as the API has it; what is missing yet is an ellipsis."""
    conditions = [condition_words(each) for each in rule.get("when") or ()] or [_MISSING]
    return f"{_ACTION_WORDS.get(rule.get('action', ''), _MISSING)} {' and '.join(conditions)}"


def condition_words(condition: Mapping[str, Any]) -> str:
    """Describe a condition as the API has it."""
    subject = next((each for each in SUBJECTS if each in condition), "")
    test = next((each for each in (*TESTS, "values") if each in condition), "")
    name, expected = condition.get(subject, ""), condition.get(test)
    if subject == IDENTITY:
        noun = _IDENTITY_NOUNS.get(name, _MISSING)
        return f"there is {noun}" if expected else f"there is no {noun.partition(' ')[2]}"
    return f"{_subject_words(subject, str(name))} {_test_words(test, expected)}"


def _subject_words(subject: str, name: str) -> str:
    if subject in ("field", "product"):
        label = field_label(name) if subject == "field" else wire_label(name)
        words = uncapitalized(label) or _MISSING
        return f"the {words}" if subject == "field" else f"the {words} of a product"
    label = SUBJECT_LABELS.get(subject, _MISSING)
    words = label if subject == "tiktok_event" else label.lower()
    return f"the {words}" if subject in BARE_SUBJECTS else f"the {words} {name.strip() or _MISSING}"


def _test_words(test: str, expected: Any) -> str:
    if test == EXISTS:
        return "exists" if expected else "does not exist"
    if test in NUMBER_TESTS:
        return f"{TEST_LABELS[test]} {expected if expected not in (None, '') else _MISSING}"
    values = [str(each) for each in expected or ()]
    verb = {"is_not": "is not", "contains": "contains", "starts_with": "starts with"}.get(test, "is")
    return f"{verb} {_alternatives(values)}"


def _alternatives(values: Sequence[str]) -> str:
    if not values:
        return _MISSING
    if len(values) > _MAX_VALUES:
        return f"{', '.join(values[:_MAX_VALUES])} or {len(values) - _MAX_VALUES} more"
    return " or ".join([", ".join(values[:-1]), values[-1]] if len(values) > 1 else values)
