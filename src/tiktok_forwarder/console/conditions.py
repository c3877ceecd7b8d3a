"""Conditions in forms, of forwarding rules and custom mappings: choices, drafts as text, and sentences."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.mapping.condition_reading import MAX_CONDITIONS
from tiktok_forwarder.mapping.conditions import (
    BARE_SUBJECTS,
    EXISTS,
    IDENTITY_KINDS,
    NUMBER_TESTS,
    SUBJECTS,
    TEXT_TESTS,
)
from tiktok_forwarder.mapping.fields import Choice
from tiktok_forwarder.mapping.sources import EVENT_FIELDS, PRODUCT_FIELDS
from tiktok_forwarder.mparticle.values import Number, number_of, text_of

ABSENT: Final = "absent"
"""The test `exists = false`, which is a test of its own in forms."""
_VALUES: Final = "values"
_SUBJECT_LABELS: Final = {
    "attribute": "Event attribute",
    "user_attribute": "User attribute",
    "flag": "Custom flag",
    "field": "Event field",
    "product": "Product field",
    "event_type": "Event type",
    "event_name": "Event name",
    "tiktok_event": "TikTok event",
    "page_host": "Page host",
    "page_path": "Page path",
    "identity": "Identity",
}
_TEST_LABELS: Final = {
    "is": "is",
    "is_not": "is not",
    "contains": "contains",
    "starts_with": "starts with",
    EXISTS: "exists",
    ABSENT: "does not exist",
    "at_least": "is at least",
    "at_most": "is at most",
}
_IDENTITY_LABELS: Final = {"email": "Email", "phone": "Phone", "external_id": "External ID", "any": "Any identity"}
_IDENTITIES_SENT: Final = {
    "email": "email address",
    "phone": "phone number",
    "external_id": "external ID",
    "any": "identity",
}
EXAMPLES: Final = {
    "event_type": "commerce_event",
    "event_name": "Newsletter Signup",
    "tiktok_event": "CompletePayment",
    "page_host": "shop.example.com",
    "page_path": "/checkout",
}
"""What a value looks like, for subjects whose values people may not know."""
_MAX_VALUES_NAMED: Final = 5
# More than are allowed, so that the API can refuse those beyond.
_MAX_READ: Final = 5 * MAX_CONDITIONS

SUBJECT_CHOICES: Final = [Choice(subject, _SUBJECT_LABELS[subject]) for subject in SUBJECTS]


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
    if subject == "identity":
        return [Choice(kind, _IDENTITY_LABELS[kind]) for kind in IDENTITY_KINDS]
    fields = {"field": EVENT_FIELDS, "product": PRODUCT_FIELDS}.get(subject)
    return [Choice(name, titled(name)) for name in fields] if fields is not None else None


def allowed_tests(subject: str) -> list[Choice]:
    """Return the tests that the subject can have."""
    tests = (EXISTS, ABSENT) if subject == "identity" else _TEST_LABELS
    return [Choice(test, _TEST_LABELS[test]) for test in tests]


def titled(name: str) -> str:
    """Return the label of a field of an event or product: `transaction_id` is Transaction ID."""
    return name.replace("_", " ").capitalize().replace("Id", "ID").replace(" id", " ID")


# --- from and to the API ---


def draft_condition(document: Mapping[str, Any]) -> DraftCondition:
    """Return the draft of a condition that the API accepted."""
    subject = next(each for each in SUBJECTS if each in document)
    name = "" if subject in BARE_SUBJECTS else document[subject]
    test = next(each for each in document if each != subject)
    expected = document[test]
    if test == EXISTS:
        return DraftCondition(subject, name, EXISTS if expected else ABSENT)
    texts = expected if isinstance(expected, list | tuple) else [expected]
    values = "\n".join(text_of(each) or "" for each in texts)
    return DraftCondition(subject, name, "is" if test == _VALUES else test, values)


def condition_document(draft: DraftCondition) -> dict[str, Any]:
    """Return the draft as the API expects it, unvalidated."""
    subject: dict[str, Any] = {draft.subject: True if draft.subject in BARE_SUBJECTS else draft.name}
    if draft.test in (EXISTS, ABSENT):
        return {**subject, EXISTS: draft.test == EXISTS}
    return {**subject, draft.test: _number(draft.values) if draft.has_number else lines_of(draft.values)}


def _number(text: str) -> Number | str:
    """Return a number, or the text unchanged for the API to reject."""
    number = number_of(text)
    return text.strip() if number is None else number


def lines_of(values: str) -> list[str]:
    # `splitlines` would also split at characters that browsers do not treat as line breaks.
    lines = values.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line.strip() for line in lines if line.strip()]


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
    return fitting(given)


def fitting(draft: DraftCondition) -> DraftCondition:
    """Replace what the subject does not have, as after a change of the subject."""
    subject = draft.subject if draft.subject in SUBJECTS else SUBJECTS[0]
    names = names_of(subject)
    name = draft.name if names is None or draft.name in [each.value for each in names] else ""
    tests = [each.value for each in allowed_tests(subject)]
    return replace(draft, subject=subject, name=name, test=draft.test if draft.test in tests else tests[0])


def problem_label(path: str) -> str:
    """Return the beginning of a sentence on a part of a condition: `attribute`, `at_least`, or empty for the whole."""
    if path in _SUBJECT_LABELS:
        label = _SUBJECT_LABELS[path]
        return f"The condition's {label if label.startswith('TikTok') else label.lower()}"
    if path in NUMBER_TESTS:
        return "The condition's number"
    return "The condition's values" if path in (*TEXT_TESTS, _VALUES) else "The condition"


# --- in words ---


def condition_sentence(draft: DraftCondition) -> str:
    """Return the condition as a clause, such as `the user attribute role is staff or admin`."""
    wants_absence = draft.test in (ABSENT, "is_not")
    if draft.subject == "identity":
        sent = _IDENTITIES_SENT.get(draft.name, "identity")
        return f"no {sent} is sent" if wants_absence else f"{'an' if sent[0] in 'aei' else 'a'} {sent} is sent"
    if draft.subject == "product" and wants_absence:
        predicate = "exists" if draft.test == ABSENT else f"is {_either(draft.values)}"
        return f"no product's {_field(draft.name)} {predicate}"
    return f"{_subject(draft)} {_predicate(draft)}"


def _subject(draft: DraftCondition) -> str:
    if draft.subject == "product":
        return f"a product's {_field(draft.name)}"
    if draft.subject == "field":
        return f"the event's {_field(draft.name)}"
    label = _SUBJECT_LABELS[draft.subject]
    words = label if label.startswith("TikTok") else label.lower()
    return f"the {words} {draft.name}".strip()


def _field(name: str) -> str:
    label = titled(name)
    return label if label == "ID" else label[:1].lower() + label[1:]


def _predicate(draft: DraftCondition) -> str:
    if draft.test in (EXISTS, ABSENT):
        return _TEST_LABELS[draft.test]
    return f"{_TEST_LABELS[draft.test]} {draft.values.strip() if draft.has_number else _either(draft.values)}"


def _either(values: str) -> str:
    named = lines_of(values)
    if len(named) > _MAX_VALUES_NAMED:
        others = len(named) - _MAX_VALUES_NAMED + 1
        named = [*named[: _MAX_VALUES_NAMED - 1], f"one of {others} others"]
    return f"{', '.join(named[:-1])} or {named[-1]}" if len(named) > 1 else "".join(named)
