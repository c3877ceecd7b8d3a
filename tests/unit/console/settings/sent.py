"""What a browser sends of the form of a connection's settings, and settings to fill it with."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tiktok_forwarder.console.conditions import names_of
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.settings.rule_cards import RuleCard
from tiktok_forwarder.console.settings.source_lists import SourceList
from tiktok_forwarder.console.settings_form import Entry, SettingsForm
from tiktok_forwarder.mapping.condition_reading import read_rules
from tiktok_forwarder.mapping.conditions import ACTIONS, BARE_SUBJECTS, IDENTITY_KINDS, NAMED_SUBJECTS, TEXT_TESTS
from tiktok_forwarder.mapping.reading import Problems
from tiktok_forwarder.mapping.sources import COMMON_FIELDS, DEFAULT_SOURCES, EVENT_FIELDS, PRODUCT_FIELDS

_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(str.strip)
_NAMES = {"field": st.sampled_from(EVENT_FIELDS), "product": st.sampled_from(PRODUCT_FIELDS)}


def as_sent(form: SettingsForm) -> Form:
    """Return the form's fields as they stand in the page, in their order."""
    fields = [("csrf", "x")]
    for entry in form.entries:
        fields += _of_entry(entry)
    for card in form.rules:
        fields += _of_rule(card)
    for each in form.sources:
        fields += _of_sources(each)
    return Form(fields)


def _of_entry(entry: Entry) -> list[tuple[str, str]]:
    name, value = entry.field.name, entry.value
    if entry.field.kind in ("rules", "sources"):
        return []
    if isinstance(value, bool):
        return [(name, "yes")] if value else []
    if entry.field.kind == "texts":
        return [(name, "\r\n".join(value))]
    if entry.field.kind == "choices":
        # Checkboxes stand in the order of the choices.
        return [(name, choice.value) for choice in entry.field.choices if choice.value in value]
    if entry.field.kind == "identity_types":
        return [(name, each) for each in entry.chosen]
    return [(name, each) for each in value] if isinstance(value, list) else [(name, str(value))]


def _of_rule(card: RuleCard) -> Iterator[tuple[str, str]]:
    yield "rule", card.key
    if card.draft.kept:
        yield f"{card.key}.kept", card.draft.kept
        return
    yield f"{card.key}.name", card.draft.name
    yield f"{card.key}.action", card.draft.action
    for number, row in enumerate(card.conditions):
        place = f"{card.key}.if{number}"
        yield f"{place}.subject", row.draft.subject
        if names_of(row.draft.subject) != ():
            yield f"{place}.name", row.draft.name
        yield f"{place}.test", row.draft.test
        if row.draft.has_values or row.draft.has_number:
            yield f"{place}.values", row.draft.values.replace("\n", "\r\n")


def _of_sources(each: SourceList) -> Iterator[tuple[str, str]]:
    for number, row in enumerate(each.rows):
        yield f"source.{each.field}.{number}.kind", row.draft.kind
        yield f"source.{each.field}.{number}.value", row.draft.value


# --- settings ---


@st.composite
def _conditions(draw: st.DrawFn) -> dict[str, Any]:
    subject = draw(st.sampled_from([*NAMED_SUBJECTS, *BARE_SUBJECTS, "identity"]))
    if subject == "identity":
        return {subject: draw(st.sampled_from(IDENTITY_KINDS)), "exists": draw(st.booleans())}
    name = True if subject in BARE_SUBJECTS else draw(_NAMES.get(subject, _TEXTS))
    test = draw(st.sampled_from([*TEXT_TESTS, "exists", "at_least", "at_most"]))
    expected: st.SearchStrategy[Any] = st.lists(_TEXTS, min_size=1, max_size=3)
    if test == "exists":
        expected = st.booleans()
    elif test not in TEXT_TESTS:
        expected = st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False)
    return {subject: name, test: draw(expected)}


def rules() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Forwarding rules that the API accepts."""
    rule: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "name": _TEXTS,
            "action": st.sampled_from(ACTIONS),
            "when": st.lists(_conditions(), min_size=1, max_size=3),
        }
    )
    return st.lists(rule, max_size=3, unique_by=lambda each: each["name"].strip()).filter(_is_accepted)


def _is_accepted(given: list[dict[str, Any]]) -> bool:
    problems = Problems()
    read_rules(given, problems)
    return not problems.found


def sources() -> st.SearchStrategy[dict[str, list[dict[str, str]]]]:
    """Sources that the API accepts."""
    source = st.sampled_from(COMMON_FIELDS).map(lambda name: {"field": name}) | st.tuples(
        st.sampled_from(["flag", "attribute", "user_attribute", "partner_identity"]),
        st.sampled_from(["TikTok.EventId", "a name", "ttclid"]),
    ).map(lambda pair: {pair[0]: pair[1]})
    return st.dictionaries(st.sampled_from(list(DEFAULT_SOURCES)), st.lists(source, min_size=1, max_size=3), max_size=3)
