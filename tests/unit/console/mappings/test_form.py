"""Custom mappings in a form: nothing is lost on the way in and out, and nothing impossible can be made."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.console.mappings.documents import Document, documents, stored
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.mappings.draft import (
    DraftMapping,
    DraftSource,
    document_of,
    draft_of,
    without_unsupported_sources,
)
from tiktok_forwarder.console.mappings.form import changed, focus_after, new_draft, read_drafts
from tiktok_forwarder.mparticle.values import number_of, text_of
from tiktok_forwarder.tiktok.events import INTEGER_PROPERTIES, NUMBER_PROPERTIES

SIGNUP: Document = {
    "event": "Subscribe",
    "event_type": "custom_event",
    "event_name": "Newsletter Signup",
    "custom_event_type": "user_preference",
    "conditions": [{"attribute": "list", "values": ["weekly", "daily"]}],
    "properties": {"value": {"attribute": "price_paid", "required": True}, "description": {"static": "newsletter"}},
}


def browser_fields(drafts: Sequence[DraftMapping]) -> list[tuple[str, str]]:
    """The fields of a form that shows these drafts, as a browser sends them."""
    return [field for draft in drafts for field in [("card", draft.key), *card_fields(draft)]]


def card_fields(draft: DraftMapping) -> list[tuple[str, str]]:
    if draft.kept:
        return [(f"{draft.key}.kept", draft.kept)]
    names = ("event_type", "event_name", "custom_event_type")
    fields = [(f"{draft.key}.{name}", getattr(draft, name)) for name in names]
    for number, condition in enumerate(draft.conditions):
        place = f"{draft.key}.if{number}"
        fields += [(f"{place}.attribute", condition.attribute), (f"{place}.values", condition.values)]
    for name, source in draft.properties.items():
        place = f"{draft.key}.{name}"
        fields += [(f"{place}.kind", source.kind), (f"{place}.value", source.value)]
        fields += [(f"{place}.required", "yes")] if source.required else []
    return fields


def sent(fields: list[tuple[str, str]]) -> Form:
    """What a browser makes of a form's fields: line breaks of text areas become CR and LF."""
    normal = [(name, value.replace("\n", "\r\n")) for name, value in fields]
    return Form(parse_qsl(urlencode(normal), keep_blank_values=True))


def edited(document: Document) -> Document:
    """The mapping after it was opened and saved without a change."""
    event = document["event"]
    fields = browser_fields([without_unsupported_sources(draft_of(document, "m1"), event)])
    [draft] = read_drafts(sent(fields), event)
    return document_of(draft, event)


def meaning(document: Document) -> Any:
    """The mapping with each static value as its property reads it, so that 10 and "10" are the same."""
    properties = {
        name: {
            kind: (number_of(value) if name in NUMBER_PROPERTIES | INTEGER_PROPERTIES else text_of(value))
            if kind == "static"
            else value
            for kind, value in source.items()
        }
        for name, source in document["properties"].items()
    }
    return {**document, "properties": properties}


def test_a_mapping_is_the_same_after_it_was_opened_and_saved() -> None:
    """Every member comes back, types of the API included."""
    assert edited(SIGNUP) == SIGNUP


@given(documents())
def test_any_mapping_means_the_same_after_it_was_opened_and_saved(document: Document) -> None:
    """Also names with blanks at their ends, odd numbers, line breaks, and text that looks like something else."""
    assert meaning(stored(edited(document))) == meaning(document)


def test_a_mapping_with_a_line_break_is_kept_as_it_is() -> None:
    """A browser would take it out, and the mapping would match no more."""
    document: Document = {**SIGNUP, "event_name": "Two\nlines"}
    assert draft_of(document, "m1").kept
    assert edited(document) == document


def test_what_was_forged_is_the_apis_to_refuse() -> None:
    """A kept mapping that is no JSON becomes one that names nothing but its event."""
    [draft] = read_drafts(Form([("card", "m1"), ("m1.kept", "{")]), "Subscribe")
    assert document_of(draft, "Subscribe") == {"event": "Subscribe"}
    [draft] = read_drafts(Form([("card", "m1"), ("m1.kept", '{"event": "Search"}')]), "Subscribe")
    assert document_of(draft, "Subscribe") == {"event": "Subscribe"}


def test_unknown_kinds_and_keys_are_passed_over() -> None:
    """A form that no page of ours made names no card of ours and no source that does not exist."""
    fields = [("card", "m1"), ("card", "<b>"), ("m1.event_type", "odd"), ("m1.value.kind", "odd")]
    [draft] = read_drafts(Form(fields), "Subscribe")
    assert (draft.key, draft.event_type, draft.properties["value"]) == ("m1", "custom_event", DraftSource())


@pytest.mark.parametrize(
    ("event_type", "kind", "value", "expected"),
    [
        ("screen_view", "product", "price", DraftSource()),
        ("custom_event", "product_attribute", "size", DraftSource()),
        ("custom_event", "field", "total_amount", DraftSource("field", "", True)),
        ("custom_event", "field", "name", DraftSource("field", "name", True)),
        ("commerce_event", "product", "price", DraftSource("product", "price", True)),
        ("commerce_event", "product", "size", DraftSource("product", "", True)),
    ],
)
def test_sources_that_the_kind_of_event_lacks_go(event_type: str, kind: str, value: str, expected: DraftSource) -> None:
    """Changing the kind of event leaves no combination that the API would refuse."""
    draft = DraftMapping("m1", event_type, "x", properties={"price": DraftSource(kind, value, True)})
    assert without_unsupported_sources(draft, "AddToCart").properties["price"] == expected


def test_products_give_content_properties_only() -> None:
    """The value of the whole comes from no product."""
    draft = DraftMapping("m1", "commerce_event", "x", properties={"value": DraftSource("product", "price")})
    assert without_unsupported_sources(draft, "AddToCart").properties["value"] == DraftSource()


# --- buttons ---


def keys(drafts: list[DraftMapping]) -> list[str]:
    return [draft.key for draft in drafts]


def three() -> list[DraftMapping]:
    return [DraftMapping(key) for key in ("m1", "m2", "m5")]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("add", ["m1", "m2", "m5", "m6"]),
        ("remove m2", ["m1", "m5"]),
        ("up m5", ["m1", "m5", "m2"]),
        ("up m1", ["m1", "m2", "m5"]),
        ("down m1", ["m2", "m1", "m5"]),
        ("down m5", ["m1", "m2", "m5"]),
        ("down m9", ["m1", "m2", "m5"]),
        ("update", ["m1", "m2", "m5"]),
        ("", ["m1", "m2", "m5"]),
    ],
)
def test_buttons_add_remove_and_move_cards(wanted: str, expected: list[str]) -> None:
    """A card keeps its key wherever it goes, so that the reader's place in the form is kept."""
    assert keys(changed(three(), wanted, "Subscribe")) == expected


def test_conditions_are_added_and_removed() -> None:
    """Of one card, by their number."""
    drafts = changed(changed(three(), "condition m2", "Subscribe"), "condition m2", "Subscribe")
    assert [len(draft.conditions) for draft in drafts] == [0, 2, 0]
    drafts = changed(drafts, "without-condition m2 0", "Subscribe")
    assert [len(draft.conditions) for draft in drafts] == [0, 1, 0]


def test_a_new_mapping_has_a_row_for_each_property() -> None:
    """Those that the TikTok event supports, and the description."""
    assert list(new_draft([], "Subscribe").properties) == ["currency", "value", "description"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("add", "m6-event_type"),
        ("remove m2", "add"),
        ("up m5", "m5-up"),
        ("up m2", "m2-down"),
        ("down m1", "m1-down"),
        ("down m2", "m2-up"),
        ("condition m2", "m2-if0-attribute"),
        ("without-condition m2 0", "m2-condition"),
        ("update", ""),
        ("up m9", ""),
    ],
)
def test_a_button_leads_to_where_one_goes_on(wanted: str, expected: str) -> None:
    """What was added, or what can be pressed next: a card that is first cannot go up any more."""
    assert focus_after(changed(three(), wanted, "Subscribe"), wanted) == expected


@given(st.lists(st.sampled_from(["add", "remove m1", "up m2", "down m1", "condition m2", "without-condition m2 0"])))
def test_keys_stay_distinct(wanted: list[str]) -> None:
    """Whatever is pressed: two cards of one key would be one in the form."""
    drafts: list[DraftMapping] = []
    for each in wanted:
        drafts = changed(drafts, each, "Subscribe")
    assert len(set(keys(drafts))) == len(drafts)
