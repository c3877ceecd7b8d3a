"""A connection's settings as a form, and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.console.settings.sent import as_sent, rules, sources
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.settings.topics import FORM_FIELDS, TOPICS
from tiktok_forwarder.console.settings_form import (
    UNANSWERED,
    SettingsForm,
    changed_settings,
    settings_form,
    settings_of,
    unanswered_questions,
)
from tiktok_forwarder.mapping.connection import TOKEN, connection_document, read_connection
from tiktok_forwarder.mapping.fields import FIELDS, Field

NEEDED = {"name": "Shop", "pixel_id": "C9", TOKEN: "word"}
_PRINTABLE = st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ")
TEXTS = st.text(_PRINTABLE, min_size=1, max_size=200).filter(str.strip)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(1, 28),
    "number": st.integers(0, 100) | st.sampled_from([0.5, 12.25, 99.9]),
    "currency": st.sampled_from(["USD", "EUR"]),
    "region": st.sampled_from(["US", "DE"]),
    "names": st.lists(st.sampled_from(["web", "app"]), unique=True),
    "text": TEXTS,
    "texts": TEXTS | st.lists(TEXTS, max_size=3),
    "rules": rules(),
    "sources": sources(),
}


def values_of(field: Field) -> st.SearchStrategy[Any]:
    choices = [each.value for each in field.choices]
    if field.kind == "choices":
        return st.lists(st.sampled_from(choices), unique=True)
    if field.kind == "identity_types":
        return st.lists(st.sampled_from(choices), unique=True, max_size=5)
    return st.sampled_from(choices) if choices else VALUES[field.kind]


def without_conflicts(values: dict[str, Any]) -> dict[str, Any]:
    """The same settings, but for those that exclude each other."""
    mains = [values[f"{kind}_identity_type"] for kind in ("email", "phone", "external")]
    old = values["events_api"] == "1.0"
    extra = {
        name: [] if old else [each for each in values[name] if each not in mains]
        for name in values
        if name.startswith("extra_")
    }
    return {
        **values,
        **extra,
        "purchase_event": "PlaceAnOrder" if old else values["purchase_event"],
        "advanced_matching": values["advanced_matching"] and not old,
        "require_ip_and_user_agent": values["require_ip_and_user_agent"]
        and not {"ip", "user_agent"} & set(values["omit"]),
    }


def shown(form: SettingsForm) -> dict[str, Any]:
    return {entry.field.name: entry.value for entry in form.entries}


def test_every_field_stands_in_one_place() -> None:
    """The form has all settings once, but for custom mappings, which have pages of their own."""
    assert sorted(FORM_FIELDS) == sorted(field.name for field in FIELDS if field.name != "custom_mappings")


@given(
    st.fixed_dictionaries(
        {field.name: values_of(field) for field in FIELDS if field.name not in (TOKEN, "custom_mappings")}
    )
)
def test_what_is_shown_and_sent_back_is_no_change(values: dict[str, Any]) -> None:
    """Saving a form that no one touched changes nothing, whatever the settings are as the service keeps them."""
    # Any text: also one that is refused as a placeholder of a pixel.
    connection = read_connection(without_conflicts(values), needs_token=False, may_be_placeholder=True).connection
    stored = connection_document(connection)
    assert changed_settings(stored, settings_of(as_sent(settings_form(stored)))) == {}


def test_a_token_is_never_shown() -> None:
    """The token can be written only."""
    form = settings_form({**NEEDED, TOKEN: "a-token-0123456789"})
    assert shown(form)[TOKEN] == ""
    assert "a-token-0123456789" not in repr(form)


@pytest.mark.parametrize("token", ["", "   "])
def test_an_empty_token_is_left_out(token: str) -> None:
    """An empty field keeps the present token."""
    assert TOKEN not in settings_of(Form([(TOKEN, token)]))
    assert settings_of(Form([(TOKEN, "word")]))[TOKEN] == "word"


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("0.5", 0.5), ("", None), ("nan", "nan"), ("inf", "inf"), ("1e3", "1e3"), ("9" * 400, "9" * 400)],
)
def test_a_number_is_read_or_left_to_be_refused(text: str, value: object) -> None:
    """JSON has no NaN: what is no plain number goes on as text, so that the API can say so."""
    assert settings_of(Form([("sample_percent", text)]))["sample_percent"] == value


def test_problems_stand_at_their_fields() -> None:
    """Several of one field stand together; what names no field of the form stands above all."""
    told = ["name: is required", "name: is odd", "custom_mappings[0].event: is required", "no luck today"]
    form = settings_form({}, told)
    assert [(each.anchor, each.problem) for each in form.wrong] == [("in-name", "is required; is odd")]
    assert form.problems == told[2:]


def test_a_topic_is_folded_unless_something_in_it_is_wrong() -> None:
    """What most never touch stays out of sight, and a problem never does."""
    assert [part for part in settings_form(NEEDED).topics if part.is_open] == []
    wrong = settings_form({}, ["sources.event_id[0].field: is odd", "omit: is odd"])
    assert [part.topic.key for part in wrong.topics if part.is_open] == ["users", "sources"]
    assert [part.topic.key for part in settings_form({}, opened="values").topics if part.is_open] == ["values"]


def test_a_topic_names_what_was_changed_in_it() -> None:
    """A folded topic shows which of its settings differ from their defaults."""
    stored = connection_document(read_connection({**NEEDED, "bots": "drop", "omit": ["ttp"]}).connection)
    changed = {part.topic.key: part.changed for part in settings_form(stored).topics}
    assert changed == {**{topic.key: [] for topic in TOPICS}, "events": ["Known crawlers"], "users": ["Never send"]}


def test_a_help_that_begins_with_a_name_keeps_it_as_it_is() -> None:
    """`web` is a value, to be found in the list, and mParticle spells its name so."""
    helps = {entry.field.name: entry.help for entry in settings_form({}).entries}
    assert helps["platforms"].startswith("web accepts") and helps["name"].startswith("Name of this")
    assert helps["email_identity_type"].startswith("mParticle identity")


def test_the_event_filter_has_the_name_that_mparticle_gives_it() -> None:
    """The setting `standard_events` is labeled with mParticle's word."""
    labels = {entry.field.name: entry.label for entry in settings_form({}).entries}
    assert labels["standard_events"] == "Event filter"


# --- the questions of a new connection ---


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ["purchase_event", "consent_purpose"]),
        ({"purchase_event": "Purchase"}, ["consent_purpose"]),
        ({"consent": "none"}, ["purchase_event"]),
        ({"purchase_event": "Purchase", "consent": "none"}, []),
        ({"purchase_event": "Purchase", "consent": "purposes", "consent_purpose": "Ads"}, []),
        ({"purchase_event": "Purchase", "consent_purpose": "Ads"}, []),
        ({"purchase_event": "Purchase", "consent": "purposes", "consent_purpose": " \n"}, ["consent_purpose"]),
        ({"purchase_event": "Purchase", "consent": "none", "consent_purpose": "Ads"}, ["consent_purpose"]),
    ],
)
def test_purchase_event_and_consent_need_an_answer(fields: dict[str, str], wrong: list[str]) -> None:
    """Neither has a silent default, and an answer that contradicts itself is none."""
    assert list(unanswered_questions(Form(list(fields.items())))) == wrong


def test_a_question_without_an_answer_shows_none() -> None:
    """Nothing is chosen beforehand, although the API has a default for it."""
    form = settings_form({}, unanswered=list(UNANSWERED))
    assert [(entry.value, entry.is_answered) for entry in form.decisions] == [("", False), ([], False)]
    assert [entry.value for entry in settings_form({}).decisions] == ["PlaceAnOrder", []]


@pytest.mark.parametrize(
    ("typed", "value"), [("", None), (" Ads \r\n", "Ads"), ("Ads\r\nMeasuring\r\n\r\n", ["Ads", "Measuring"])]
)
def test_consent_purposes_are_one_per_line(typed: str, value: object) -> None:
    """A single purpose is text, as in a file; several are a list."""
    assert settings_of(Form([("consent_purpose", typed)]))["consent_purpose"] == value


def test_extra_identity_types_leave_room_for_one_more() -> None:
    """There is one empty list behind those that are chosen, until the limit is reached."""
    entry = next(each for each in settings_form({}).entries if each.field.kind == "identity_types")
    assert entry.chosen == [""]
    full = settings_form({entry.field.name: ["other", "other_id_2", "yahoo", "google", "facebook"]})
    assert "" not in next(each.chosen for each in full.entries if each.field.name == entry.field.name)
