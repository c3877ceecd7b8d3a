"""Conditions of forwarding rules and custom mappings for people: their form's choices and drafts, and sentences."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.rendering import uncapitalized, wire_label
from tiktok_forwarder.console.source_labels import SOURCE_LABELS
from tiktok_forwarder.mapping.condition_reading import MAX_CONDITIONS
from tiktok_forwarder.mapping.conditions import (
    BARE_SUBJECTS,
    EXISTS,
    IDENTITY_KINDS,
    NAMED_SUBJECTS,
    NUMBER_TESTS,
    SUBJECTS,
    TEXT_TESTS,
)
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.mapping.sources import EVENT_FIELDS, NAME, PRODUCT_FIELDS
from tiktok_forwarder.mparticle.values import Number, number_of, text_of

ABSENT: Final = "absent"
"""The test `exists = false`, which is a test of its own in forms."""
_VALUES: Final = "values"
_IDENTITY: Final = "identity"
_SUBJECT_LABELS: Final[Mapping[str, str]] = {
    "event_name": "Event name",
    "event_type": "Event type",
    "tiktok_event": "TikTok event",
    "page_host": "Page host",
    "page_path": "Page path",
    **{kind: SOURCE_LABELS[kind] for kind in NAMED_SUBJECTS},
    _IDENTITY: "Identity",
}
HINTS: Final = {
    "event_name": "Event name, screen name, or product action such as purchase.",
    "event_type": "Such as commerce_event, custom_event or screen_view.",
    "tiktok_event": "Such as Purchase or ViewContent.",
    "page_host": "Such as shop.example.com, without https://.",
    "page_path": "Such as /checkout.",
}
"""What a value looks like, for subjects whose values people may not know."""
_TEST_LABELS: Final[Mapping[str, str]] = {
    "is": "is one of",
    "is_not": "is none of",
    "contains": "contains one of",
    "starts_with": "starts with one of",
    EXISTS: "exists",
    ABSENT: "does not exist",
    "at_least": "is at least",
    "at_most": "is at most",
}
_VERBS: Final = {"is": "is", "is_not": "is not", "contains": "contains", "starts_with": "starts with"}
"""How a test with values reads in a sentence."""
_FIELD_LABELS: Final = {NAME: "Event name", "transaction_id": "Transaction ID (order number)"}
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
_MAX_VALUES_NAMED: Final = 5
_MISSING: Final = "…"
# More than are allowed, so that the API can refuse those beyond.
_MAX_READ: Final = 5 * MAX_CONDITIONS

SUBJECT_CHOICES: Final = [Choice(subject, label) for subject, label in _SUBJECT_LABELS.items()]


class DraftCondition(Struct, frozen=True):
    """A condition as in a form. `values` has one value per line, or the number; `test` may be `ABSENT`."""

    subject: str = "attribute"
    name: str = ""
    test: str = "is"
    values: str = ""

    @property
    def has_values(self) -> bool:
        return self.test in TEXT_TESTS

    @property
    def has_number(self) -> bool:
        return self.test in NUMBER_TESTS


def names_of(subject: str) -> Sequence[Choice] | None:
    """Return the names to choose from, none if the subject has no name, or None if a name is typed."""
    if subject in BARE_SUBJECTS:
        return ()
    if subject == _IDENTITY:
        return [Choice(kind, _IDENTITY_LABELS[kind]) for kind in IDENTITY_KINDS]
    if subject == "product":
        return [Choice(name, wire_label(name)) for name in PRODUCT_FIELDS]
    return [Choice(name, field_label(name)) for name in EVENT_FIELDS] if subject == "field" else None


def allowed_tests(subject: str) -> list[Choice]:
    """Return the tests that the subject can have."""
    tests = (EXISTS, ABSENT) if subject == _IDENTITY else _TEST_LABELS
    return [Choice(test, _TEST_LABELS[test]) for test in tests]


def field_label(name: str) -> str:
    """Return the label of an event's field."""
    return _FIELD_LABELS.get(name) or wire_label(name)


# --- from and to the API ---


def draft_condition(document: Mapping[str, Any]) -> DraftCondition:
    """Return the draft of a condition that the API accepted or that `condition_document` returned."""
    subject, name, test, expected = _parts(document)
    if test == EXISTS:
        return DraftCondition(subject, name, EXISTS if expected else ABSENT)
    return DraftCondition(subject, name, test, "\n".join(_texts(expected)))


def _parts(document: Mapping[str, Any]) -> tuple[str, str, str, Any]:
    """Return subject, name, test, and what is expected."""
    subject = next(each for each in SUBJECTS if each in document)
    name = "" if subject in BARE_SUBJECTS else document[subject]
    test = next(each for each in document if each != subject)
    return subject, name, "is" if test == _VALUES else test, document[test]


def _texts(expected: Any) -> list[str]:
    texts = expected if isinstance(expected, list | tuple) else [expected]
    return [text_of(each) or "" for each in texts]


def condition_document(draft: DraftCondition) -> dict[str, Any]:
    """Return the draft as the API expects it, unvalidated."""
    subject: dict[str, Any] = {draft.subject: True if draft.subject in BARE_SUBJECTS else draft.name}
    if draft.test in (EXISTS, ABSENT):
        return {**subject, EXISTS: draft.test == EXISTS}
    return {**subject, draft.test: _number(draft.values) if draft.has_number else lines_of(draft.values)}


def _number(text: str) -> Number | str:
    """Return a finite number, or the text unchanged for the API to reject."""
    number = number_of(text)
    return number if number is not None and math.isfinite(number) else text.strip()


def lines_of(text: str) -> list[str]:
    """Return the lines that are not blank, stripped."""
    # `splitlines` would also split at characters that browsers do not treat as line breaks.
    return [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]


# --- the form ---


def read_conditions(form: Form, place: str) -> tuple[DraftCondition, ...]:
    """Read the conditions whose fields begin with the place and a number from 0, such as `m1.if0.subject`."""
    places = [f"{place}{number}" for number in range(_MAX_READ) if form.has(f"{place}{number}.subject")]
    return tuple(_condition(form, each) for each in places)


def _condition(form: Form, place: str) -> DraftCondition:
    given = DraftCondition(
        form.text(f"{place}.subject"),
        form.secret(f"{place}.name"),
        form.text(f"{place}.test"),
        form.secret(f"{place}.values"),
    )
    return without_unsupported(given)


def without_unsupported(draft: DraftCondition) -> DraftCondition:
    """Replace what the subject does not have, as after a change of the subject."""
    subject = draft.subject if draft.subject in SUBJECTS else SUBJECTS[0]
    names = names_of(subject)
    name = draft.name if names is None or draft.name in [each.value for each in names] else ""
    tests = [each.value for each in allowed_tests(subject)]
    return replace(draft, subject=subject, name=name, test=draft.test if draft.test in tests else tests[0])


def problem_label(path: str) -> str:
    """Return the beginning of a sentence on a part of a condition: `attribute`, `at_least`, or empty for the whole."""
    if path in _SUBJECT_LABELS:
        return f"The condition's {_subject_noun(path)}"
    if path in NUMBER_TESTS:
        return "The condition's number"
    return "The condition's values" if path in (*TEXT_TESTS, _VALUES) else "The condition"


# --- in words ---


def condition_sentence(draft: DraftCondition) -> str:
    """Return the draft as a clause, such as `the user attribute role is staff or admin`."""
    values = [draft.values.strip()] if draft.has_number else lines_of(draft.values)
    return _clause(draft.subject, draft.name, draft.test, values)


def document_sentence(document: Mapping[str, Any]) -> str:
    """Return the same clause for a condition as the API has it."""
    return sentence_of(*_parts(document))


def sentence_of(subject: str, name: str, test: str, expected: Any) -> str:
    """Return the same clause for a condition as the mapping has it."""
    if test == EXISTS:
        return _clause(subject, name, EXISTS if expected else ABSENT, [])
    return _clause(subject, name, test, _texts(expected))


def _clause(subject: str, name: str, test: str, values: Sequence[str]) -> str:
    wants_absence = test in (ABSENT, "is_not")
    if subject == _IDENTITY:
        noun = _IDENTITY_NOUNS.get(name, f"an identity {_MISSING}")
        return f"there is no {noun.partition(' ')[2]}" if wants_absence else f"there is {noun}"
    if subject == "product" and wants_absence:
        # An absent value meets the condition: it holds if it does for all products.
        predicate = "exists" if test == ABSENT else f"is {_either(values)}"
        return f"no product's {_field_noun(wire_label(name))} {predicate}"
    return f"{_subject(subject, name)} {_predicate(test, values)}"


def _subject(subject: str, name: str) -> str:
    if subject == "product":
        return f"a product's {_field_noun(wire_label(name))}"
    if subject == "field":
        return f"the {_field_noun(field_label(name))}"
    noun = f"the {_subject_noun(subject)}"
    return noun if subject in BARE_SUBJECTS else f"{noun} {name.strip() or _MISSING}"


def _subject_noun(subject: str) -> str:
    label = _SUBJECT_LABELS[subject]
    return label if subject == "tiktok_event" else label.lower()


def _field_noun(label: str) -> str:
    return uncapitalized(label) or _MISSING


def _predicate(test: str, values: Sequence[str]) -> str:
    if test in (EXISTS, ABSENT):
        return _TEST_LABELS[test]
    return f"{_VERBS.get(test) or _TEST_LABELS[test]} {_either(values)}"


def _either(values: Sequence[str]) -> str:
    named = [value for value in values if value] or [_MISSING]
    if len(named) > _MAX_VALUES_NAMED:
        others = len(named) - _MAX_VALUES_NAMED + 1
        named = [*named[: _MAX_VALUES_NAMED - 1], f"one of {others} others"]
    return f"{', '.join(named[:-1])} or {named[-1]}" if len(named) > 1 else named[0]
