"""The form of a connection's settings, built from their field declarations, and reading it back."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.mapping.connection import TOKEN
from tiktok_forwarder.mapping.fields import FIELD_BY_NAME, FIELDS, Field

_ELSEWHERE: Final = "custom_mappings"
_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
ACCOUNT: Final = ("pixel_id", TOKEN, "name")
IDENTITIES: Final = ("email_identity_type", "external_identity_type", "phone_identity_type")
EVENTS: Final = ("content_type", "events_api", "purchase_event", "test_event_code")
MORE: Final = tuple(field.name for field in FIELDS if field.name not in (*ACCOUNT, *IDENTITIES, *EVENTS, _ELSEWHERE))


class Entry(Struct, frozen=True):
    """A field with its value. `problem` is the API's message on it, empty if it is valid."""

    field: Field
    value: Any
    problem: str = ""

    @property
    def help(self) -> str:
        """Return the help as a sentence; a choice's name at its beginning keeps its case."""
        text = self.field.help
        begins_with_choice = text.split()[0] in [choice.value for choice in self.field.choices]
        return text if begins_with_choice else text[:1].upper() + text[1:]


class SettingsForm(Struct, frozen=True):
    """Entries by group of the form; `problems` are those of no entry."""

    account: list[Entry]
    identities: list[Entry]
    events: list[Entry]
    more: list[Entry]
    problems: list[str]

    @property
    def wrong(self) -> list[Entry]:
        return [entry for entry in (*self.account, *self.identities, *self.events, *self.more) if entry.problem]


def settings_form(values: Mapping[str, Any], problems: Sequence[str] = ()) -> SettingsForm:
    """Build the form; missing values get their defaults. The token is write-only, so never filled in."""
    messages, others = _by_field(problems)

    def entries(names: Sequence[str]) -> list[Entry]:
        return [_entry(name, values, messages) for name in names]

    return SettingsForm(entries(ACCOUNT), entries(IDENTITIES), entries(EVENTS), entries(MORE), others)


def _entry(name: str, values: Mapping[str, Any], messages: Mapping[str, str]) -> Entry:
    field = FIELD_BY_NAME[name]
    value = values.get(name, field.default)
    return Entry(field, "" if value is None or name == TOKEN else value, messages.get(name, ""))


def _by_field(problems: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Sort problems by the setting's name, with which the API begins them."""
    messages: dict[str, str] = {}
    others: list[str] = []
    for problem in problems:
        name, _, sentence = problem.partition(": ")
        if name in FIELD_BY_NAME and name != _ELSEWHERE:
            messages[name] = f"{messages[name]}; {sentence}" if name in messages else sentence
        else:
            others.append(problem)
    return messages, others


def settings_of(form: Form) -> dict[str, Any]:
    """Return every setting of the form, None if empty. An empty token is omitted."""
    settings = {name: _read(FIELD_BY_NAME[name], form) for name in (*ACCOUNT, *IDENTITIES, *EVENTS, *MORE)}
    if not settings[TOKEN]:
        del settings[TOKEN]
    return settings


def _read(field: Field, form: Form) -> Any:
    if field.kind == "boolean":
        # Browsers do not send unchecked boxes.
        return form.has(field.name)
    if field.kind == "names":
        return form.texts(field.name)
    text = form.text(field.name)
    return _number(text) if field.kind in ("integer", "number") else text or None


def _number(text: str) -> Any:
    """Return a number, or the text unchanged for the API to reject."""
    if not _NUMBER.fullmatch(text):
        return text or None
    return float(text) if "." in text else int(text)


def changed_settings(stored: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the typed settings that differ from the stored ones; a typed token always does."""
    return {name: value for name, value in typed.items() if value != stored.get(name)}
