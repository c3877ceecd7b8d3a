"""The form of a connection's settings, built from their field declarations, and reading it back."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from tiktok_forwarder.console.conditions import lines_of
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.setting_words import label_of
from tiktok_forwarder.console.settings.places import ProblemPlaces, Wrong
from tiktok_forwarder.console.settings.rule_cards import RuleCard, rule_cards, wrong_rules
from tiktok_forwarder.console.settings.rule_drafts import read_rules_form, rule_document
from tiktok_forwarder.console.settings.source_lists import SourceList, read_sources_form, source_lists, wrong_sources
from tiktok_forwarder.console.settings.topics import (
    ACCOUNT,
    DECISIONS,
    FORM_FIELDS,
    RULES,
    SOURCES,
    TOPIC_OF,
    TOPICS,
    Topic,
)
from tiktok_forwarder.mapping.connection import TOKEN
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME, MAX_EXTRA_IDENTITY_TYPES, Field

_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
_ROOT: Final = re.compile(r"(\w+)(?:[.\[].*)?", re.ASCII)
_LISTS: Final = ("choices", "identity_types", "names", "texts")
CONSENT: Final = "consent"
"""The form's question whether there are consent purposes at all."""
UNANSWERED: Final = {
    "purchase_event": "choose the event that your pixel fires for a purchase",
    "consent_purpose": "choose whether users must have consented to a purpose, or that none is required",
}
_NO_PURPOSE: Final = "name at least one purpose, one per line, or choose that none is required"
_PURPOSE_IN_DOUBT: Final = "remove the purposes, or choose that users must have consented to them"


class Entry(Struct, frozen=True):
    """A field with its value. `problem` is the API's message on it, empty if it is valid.

    `is_answered` is False for a question that has no answer yet.
    """

    field: Field
    value: Any
    problem: str = ""
    is_answered: bool = True

    @property
    def label(self) -> str:
        return label_of(self.field.name)

    @property
    def help(self) -> str:
        """Return the help as a sentence; a choice's name at its beginning, and mParticle's, keep their case."""
        text = self.field.help
        keeps_case = text.split()[0] in ["mParticle", *(choice.value for choice in self.field.choices)]
        return text if keeps_case else text[:1].upper() + text[1:]

    @property
    def is_wide(self) -> bool:
        """Return whether the field needs the form's whole width."""
        return self.field.kind in ("rules", "sources", "choices")

    @property
    def chosen(self) -> list[str]:
        """Return the identity types, and an empty one to choose another, up to the limit."""
        return [*self.value, ""][:MAX_EXTRA_IDENTITY_TYPES]


class TopicEntries(Struct, frozen=True):
    """A topic's entries; `changed` are labels of the settings that differ from their defaults."""

    topic: Topic
    entries: list[Entry]
    changed: list[str]
    is_open: bool


class SettingsForm(Struct, frozen=True):
    """`account` and `decisions` come first; `problems` are those of no field."""

    account: list[Entry]
    decisions: list[Entry]
    topics: list[TopicEntries]
    rules: list[RuleCard]
    sources: list[SourceList]
    problems: list[str]

    @property
    def entries(self) -> list[Entry]:
        return [*self.account, *self.decisions, *(entry for topic in self.topics for entry in topic.entries)]

    @property
    def wrong(self) -> list[Wrong]:
        """Return all problems of fields, in the form's order."""
        found: list[Wrong] = []
        for entry in self.entries:
            name = entry.field.name
            if entry.problem:
                found.append(Wrong(f"in-{name}", entry.label, entry.problem))
            if name == RULES:
                found += wrong_rules(self.rules)
            if name == SOURCES:
                found += wrong_sources(self.sources)
        return found


def settings_form(
    values: Mapping[str, Any], problems: Sequence[str] = (), *, unanswered: Sequence[str] = (), opened: str = ""
) -> SettingsForm:
    """Build the form; missing values get their defaults. The token is write-only, so never filled in.

    `unanswered` are settings that the form asks for and that have no answer yet; `opened` is a topic's key.
    """
    known, others = _sorted(problems)
    places = ProblemPlaces(known)

    def entries(names: Sequence[str]) -> list[Entry]:
        return [_entry(name, values, places, is_answered=name not in unanswered) for name in names]

    faulty = {TOPIC_OF.get(_root(problem)) for problem in known}
    topics = [
        TopicEntries(topic, entries(topic.fields), _changed(topic, values), topic.key in (opened, *faulty))
        for topic in TOPICS
    ]
    fallback = values.get("page_url_fallback", FIELD_BY_NAME["page_url_fallback"].default)
    return SettingsForm(
        entries(ACCOUNT),
        entries(DECISIONS),
        topics,
        rule_cards(values.get(RULES) or (), places),
        source_lists(values.get(SOURCES) or {}, places, page_url_fallback=bool(fallback)),
        others,
    )


def _entry(name: str, values: Mapping[str, Any], places: ProblemPlaces, *, is_answered: bool) -> Entry:
    field = FIELD_BY_NAME[name]
    value = values.get(name, field.default) if is_answered else None
    if field.kind in _LISTS:
        value = [value] if isinstance(value, str) else list(value or ())
    empty = value is None or name == TOKEN
    return Entry(field, "" if empty else value, "; ".join(places.at(name)), is_answered)


def _changed(topic: Topic, values: Mapping[str, Any]) -> list[str]:
    return [
        label_of(name)
        for name in topic.fields
        if name in values and not _is_same(name, values[name], FIELD_BY_NAME[name].default)
    ]


def _root(problem: str) -> str:
    found = _ROOT.fullmatch(problem.partition(": ")[0])
    return found[1] if found else ""


def _sorted(problems: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divide problems into those of fields of the form, with whose names the API begins them, and others."""
    known = [problem for problem in problems if _root(problem) in FORM_FIELDS]
    return known, [problem for problem in problems if problem not in known]


# --- reading it back ---


def settings_of(form: Form) -> dict[str, Any]:
    """Return every setting of the form, None if empty. An empty token is omitted."""
    settings = {name: _read(FIELD_BY_NAME[name], form) for name in FORM_FIELDS}
    if not settings[TOKEN]:
        del settings[TOKEN]
    return settings


def _read(field: Field, form: Form) -> Any:
    reader = _READERS.get(field.kind)
    return reader(field.name, form) if reader is not None else form.text(field.name) or None


def _purposes(name: str, form: Form) -> str | list[str] | None:
    purposes = lines_of(form.secret(name))
    return purposes[0] if len(purposes) == 1 else purposes or None


def _number(text: str) -> Any:
    """Return a number, or the text unchanged for the API to reject."""
    if not _NUMBER.fullmatch(text):
        return text or None
    return float(text) if "." in text else int(text)


_READERS: Final[Mapping[str, Callable[[str, Form], Any]]] = {
    # Browsers do not send unchecked boxes.
    "boolean": lambda name, form: form.has(name),
    "integer": lambda name, form: _number(form.text(name)),
    "number": lambda name, form: _number(form.text(name)),
    "names": lambda name, form: form.texts(name),
    "choices": lambda name, form: form.texts(name),
    "identity_types": lambda name, form: [each for each in form.texts(name) if each] or None,
    "texts": _purposes,
    "rules": lambda _name, form: [rule_document(rule) for rule in read_rules_form(form)] or None,
    "sources": lambda _name, form: read_sources_form(form) or None,
}
"""How a field of the form is read, by its kind; all others are text."""


def unanswered_questions(form: Form) -> dict[str, str]:
    """Return what is wrong with the answers to the form's questions, by setting."""
    found = {} if form.text("purchase_event") else {"purchase_event": UNANSWERED["purchase_event"]}
    has_purposes = bool(lines_of(form.secret("consent_purpose")))
    answer = form.text(CONSENT)
    if answer == "none" and has_purposes:
        found["consent_purpose"] = _PURPOSE_IN_DOUBT
    elif answer == "purposes" and not has_purposes:
        found["consent_purpose"] = _NO_PURPOSE
    elif not answer and not has_purposes:
        found["consent_purpose"] = UNANSWERED["consent_purpose"]
    return found


def changed_settings(stored: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the typed settings that differ from the stored ones; a typed token always does."""
    return {name: value for name, value in typed.items() if not _is_same(name, value, stored.get(name))}


def _is_same(name: str, value: Any, other: Any) -> bool:
    field = FIELD_BY_NAME.get(name)
    if field is not None and field.kind == "choices":
        # Checkboxes have the form's order.
        return set(value or ()) == set(other or ())
    if isinstance(value, list | tuple | None) and isinstance(other, list | tuple | None):
        return list(value or ()) == list(other or ())
    return bool(value == other)
