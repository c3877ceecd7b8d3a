"""A connection's settings as a form, and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.settings_form import ACCOUNT, EVENTS, IDENTITIES, MORE, settings_form, settings_of
from tiktok_forwarder.mapping.connection import TOKEN, connection_document, read_connection
from tiktok_forwarder.mapping.fields import FIELDS, Field

NEEDED = {"name": "Shop", "pixel_id": "C9", TOKEN: "word"}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(1, 28),
    "number": st.integers(0, 100) | st.sampled_from([0.5, 12.25, 99.9]),
    "currency": st.sampled_from(["USD", "EUR"]),
    "region": st.sampled_from(["US", "DE"]),
    "names": st.lists(st.sampled_from(["web", "app"]), unique=True),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1).filter(str.strip),
}


def values_of(field: Field) -> st.SearchStrategy[Any]:
    return st.sampled_from([each.value for each in field.choices]) if field.choices else VALUES[field.kind]


def as_sent(values: dict[str, Any]) -> Form:
    """What a browser makes of the form with these values in it."""
    fields = [("csrf", "x")]
    for name, value in values.items():
        if isinstance(value, bool):
            fields += [(name, "yes")] if value else []
        elif isinstance(value, list):
            fields += [(name, each) for each in value]
        else:
            fields.append((name, str(value)))
    return Form(fields)


def test_every_field_stands_in_one_group() -> None:
    """But for custom mappings; one that is added to the fields is in the form by itself."""
    names = [*ACCOUNT, *IDENTITIES, *EVENTS, *MORE]
    assert sorted(names) == sorted(field.name for field in FIELDS if field.name != "custom_mappings")


@given(
    st.fixed_dictionaries(
        {field.name: values_of(field) for field in FIELDS if field.name not in (TOKEN, "custom_mappings")}
    )
)
def test_what_is_shown_and_sent_back_is_no_change(values: dict[str, Any]) -> None:
    """Whatever the settings are, as the service keeps them."""
    if values["events_api"] == "1.0" and values["purchase_event"] == "Purchase":
        values["purchase_event"] = "PlaceAnOrder"
    stored = connection_document(read_connection(values, needs_token=False).connection)
    form = settings_form(stored)
    shown = {entry.field.name: entry.value for entry in (*form.account, *form.identities, *form.events, *form.more)}
    sent = {name: value for name, value in settings_of(as_sent(shown)).items() if value is not None}
    assert {**sent, "custom_mappings": []} == stored


def test_a_token_is_never_shown() -> None:
    """It is written only."""
    form = settings_form({**NEEDED, TOKEN: "a-token-0123456789"})
    assert {entry.field.name: entry.value for entry in form.account}[TOKEN] == ""
    assert "a-token-0123456789" not in repr(form)


@pytest.mark.parametrize("token", ["", "   "])
def test_an_empty_token_is_left_out(token: str) -> None:
    """Which keeps the present one."""
    assert TOKEN not in settings_of(as_sent({**NEEDED, TOKEN: token}))
    assert settings_of(as_sent(NEEDED))[TOKEN] == "word"


@pytest.mark.parametrize(
    ("text", "value"),
    [("7", 7), ("0.5", 0.5), ("", None), ("nan", "nan"), ("inf", "inf"), ("1e3", "1e3"), ("9" * 400, "9" * 400)],
)
def test_a_number_is_read_or_left_to_be_refused(text: str, value: object) -> None:
    """JSON has no NaN: what is no plain number goes on as text, so that the API can say so."""
    assert settings_of(as_sent({**NEEDED, "sample_percent": text}))["sample_percent"] == value


def test_problems_stand_at_their_fields() -> None:
    """Several of one field together; what names none, above all."""
    told = ["name: is required", "name: is odd", "custom_mappings[0].event: is required", "no luck today"]
    form = settings_form({}, told)
    assert [(entry.field.name, entry.problem) for entry in form.wrong] == [("name", "is required; is odd")]
    assert form.problems == told[2:]


def test_a_help_that_begins_with_a_choice_keeps_it_as_it_is() -> None:
    """`web` is a value, to be found in the list."""
    form = settings_form({})
    helps = {entry.field.name: entry.help for entry in (*form.account, *form.more)}
    assert helps["platforms"].startswith("web accepts") and helps["name"].startswith("Name of this")
