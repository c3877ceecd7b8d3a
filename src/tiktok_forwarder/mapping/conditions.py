"""Conditions on an event, for forwarding rules and custom mappings: a subject, and one test of it."""

from collections.abc import Collection, Sequence
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from msgspec import Struct

from tiktok_forwarder.mapping.sources import Occurrence, Source, value_of
from tiktok_forwarder.mapping.texts import MAX_CHARACTERS, TEXT_CUT
from tiktok_forwarder.mparticle.values import Number, flag_text, number_of, text_of

NamedSubject = Literal["attribute", "user_attribute", "flag", "field", "product"]
"""Subjects that are sources, which are named."""
BareSubject = Literal["event_type", "event_name", "tiktok_event", "page_host", "page_path"]
Subject = NamedSubject | BareSubject | Literal["identity"]
NAMED_SUBJECTS: Final[tuple[NamedSubject, ...]] = get_args(NamedSubject)
BARE_SUBJECTS: Final[tuple[BareSubject, ...]] = get_args(BareSubject)
SUBJECTS: Final[tuple[Subject, ...]] = (*NAMED_SUBJECTS, *BARE_SUBJECTS, "identity")
IDENTITY_KINDS: Final = ("email", "phone", "external_id", "any")

TextTest = Literal["is", "is_not", "contains", "starts_with"]
NumberTest = Literal["at_least", "at_most"]
Test = TextTest | Literal["exists"] | NumberTest
TEXT_TESTS: Final[tuple[TextTest, ...]] = get_args(TextTest)
NUMBER_TESTS: Final[tuple[NumberTest, ...]] = get_args(NumberTest)
EXISTS: Final = "exists"
TESTS: Final[tuple[Test, ...]] = (*TEXT_TESTS, EXISTS, *NUMBER_TESTS)

Action = Literal["only_forward", "do_not_forward", "limit_data_use"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)


class Condition(Struct, frozen=True):
    """A condition. `name` is that of the attribute, field …, empty for a subject without one.

    `expected` are texts (one of them suffices; for `is_not` none may hold), whether a value must exist, or a bound.
    """

    subject: Subject
    name: str
    test: Test
    expected: tuple[str, ...] | bool | Number

    @property
    def wants_absence(self) -> bool:
        """Whether an absent value meets the condition."""
        return self.test == "is_not" or self.expected is False


class Rule(Struct, frozen=True):
    """A forwarding rule: all its conditions must hold. Named by people, for the reason of a drop."""

    name: str
    action: Action
    when: tuple[Condition, ...]


class Outgoing(Struct, frozen=True, gc=False):
    """An event with what is to be sent for it, as conditions see it.

    `identities` are the kinds of identity that will be sent. A text of which only the beginning is read is noted in
    `warnings`.
    """

    occurrence: Occurrence
    tiktok_event: str
    identities: Collection[str]
    warnings: list[str]


def meets(rule: Rule, outgoing: Outgoing) -> bool:
    """Return whether all conditions of the rule hold."""
    return all(holds(condition, outgoing) for condition in rule.when)


def holds(condition: Condition, outgoing: Outgoing) -> bool:
    values = values_of(condition, outgoing)
    if condition.wants_absence:
        return all(_meets(condition, value, outgoing.warnings) for value in values)
    return any(_meets(condition, value, outgoing.warnings) for value in values)


def values_of(condition: Condition, outgoing: Outgoing) -> Sequence[object]:
    """Return what the condition looks at: one value, None if it is absent, or one of each product."""
    occurrence = outgoing.occurrence
    value: object
    match condition.subject:
        case "product":
            action = occurrence.product_action
            products = (action.products if action is not None else None) or ()
            return [getattr(product, condition.name) for product in products]
        case "event_type":
            value = occurrence.event_type
        case "event_name":
            value = occurrence.name
        case "tiktok_event":
            value = outgoing.tiktok_event
        case "page_host" | "page_path":
            value = _part_of_page(condition.subject, occurrence.page_url)
        case "identity":
            value = _identity(condition.name, outgoing.identities)
        case "attribute" | "user_attribute" | "flag" | "field" as kind:
            value = value_of(Source(kind, condition.name), occurrence, None, {})
            value = flag_text(value) if kind == "flag" else value
    return (value,)


def _part_of_page(subject: str, url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return parts.hostname if subject == "page_host" else parts.path or "/"


def _identity(kind: str, identities: Collection[str]) -> str | None:
    if kind == "any":
        return next(iter(identities), None)
    return kind if kind in identities else None


def _meets(condition: Condition, value: object, warnings: list[str]) -> bool:
    expected = condition.expected
    text = text_of(value)
    if text is not None and len(text) > MAX_CHARACTERS:
        text = text[:MAX_CHARACTERS]
        warnings.append(TEXT_CUT)
    if isinstance(expected, bool):
        return (text is not None) == expected
    if isinstance(expected, tuple):
        return _meets_text(condition.test, text.lower() if text is not None else None, expected)
    number = number_of(value)
    if number is None:
        return False
    return number >= expected if condition.test == "at_least" else number <= expected


def _meets_text(test: Test, text: str | None, expected: Sequence[str]) -> bool:
    if text is None:
        return test == "is_not"
    lowered = [each.lower() for each in expected]
    match test:
        case "is":
            return text in lowered
        case "is_not":
            return text not in lowered
        case "contains":
            return any(each in text for each in lowered)
        case _:
            return text.startswith(tuple(lowered))
