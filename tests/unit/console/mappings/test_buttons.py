"""The buttons of the form: what each changes, and where the focus goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.console.mappings.documents import target_of
from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.mappings.buttons import changed, focus_after, new_draft
from tiktok_forwarder.console.mappings.draft import DraftMapping, DraftProperty, DraftSource
from tiktok_forwarder.console.mappings.form import pressed_button

SUBSCRIBE = target_of("Subscribe")


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
    assert keys(changed(three(), wanted, SUBSCRIBE)) == expected


def test_conditions_are_added_and_removed() -> None:
    """Of one card, by their number."""
    drafts = changed(changed(three(), "condition m2", SUBSCRIBE), "condition m2", SUBSCRIBE)
    assert [len(draft.conditions) for draft in drafts] == [0, 2, 0]
    drafts = changed(drafts, "without-condition m2 0", SUBSCRIBE)
    assert [len(draft.conditions) for draft in drafts] == [0, 1, 0]


def test_a_new_mapping_has_a_row_for_each_property() -> None:
    """Those that the TikTok event supports, and the description."""
    assert list(new_draft([], SUBSCRIBE).properties) == ["currency", "value", "description"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("add", "m6-event_type"),
        ("remove m2", "add"),
        ("up m5", "m5-up"),
        ("up m2", "m2-down"),
        ("down m1", "m1-down"),
        ("down m2", "m2-up"),
        ("condition m2", "m2-if0-subject"),
        ("without-condition m2 0", "m2-condition"),
        ("update", ""),
        ("up m9", ""),
    ],
)
def test_a_button_leads_to_where_one_goes_on(wanted: str, expected: str) -> None:
    """What was added, or what can be pressed next: a card that is first cannot go up any more."""
    assert focus_after(changed(three(), wanted, SUBSCRIBE), wanted) == expected


@given(st.lists(st.sampled_from(["add", "remove m1", "up m2", "down m1", "condition m2", "without-condition m2 0"])))
def test_keys_stay_distinct(wanted: list[str]) -> None:
    """Whatever is pressed: two cards of one key would be one in the form."""
    drafts: list[DraftMapping] = []
    for each in wanted:
        drafts = changed(drafts, each, SUBSCRIBE)
    assert len(set(keys(drafts))) == len(drafts)


# --- properties and their sources ---


def with_sources(*names: str, kind: str = "attribute") -> DraftMapping:
    sources = tuple(DraftSource(kind, name) for name in names)
    return DraftMapping("m1", "commerce_event", properties={"price": DraftProperty(sources, required=True)})


def names_after(draft: DraftMapping, wanted: str) -> list[str]:
    [found] = changed([draft], wanted, target_of("AddToCart"))
    return [source.value for source in found.properties["price"].sources]


@pytest.mark.parametrize(
    ("wanted", "expected", "focus"),
    [
        ("source m1 price", ["a", "b", "c", ""], "m1-price-3-kind"),
        ("without-source m1 price 1", ["a", "c"], "m1-price-source"),
        ("without-source m1 price 7", ["a", "b", "c"], "m1-price-source"),
        ("source-up m1 price 2", ["a", "c", "b"], "m1-price-1-up"),
        ("source-up m1 price 1", ["b", "a", "c"], "m1-price-0-down"),
        ("source-up m1 price 0", ["a", "b", "c"], "m1-price-0-down"),
        ("source-down m1 price 0", ["b", "a", "c"], "m1-price-1-down"),
        ("source-down m1 price 1", ["a", "c", "b"], "m1-price-2-up"),
        ("source-down m1 price 2", ["a", "b", "c"], "m1-price-2-up"),
        ("source-up m1 price x", ["a", "b", "c"], "m1-price-0-down"),
        ("source m1 odd", ["a", "b", "c"], ""),
        ("source m1 value", ["a", "b", "c"], "m1-value-0-kind"),
    ],
)
def test_sources_are_added_removed_and_moved(wanted: str, expected: list[str], focus: str) -> None:
    """The focus goes to the new source, along with the moved one, or to the button that adds another."""
    draft = with_sources("a", "b", "c")
    assert names_after(draft, wanted) == expected
    assert focus_after(changed([draft], wanted, target_of("AddToCart")), wanted) == focus


def test_a_property_has_five_sources_at_most() -> None:
    """The API takes no more."""
    assert names_after(with_sources(*"abcde"), "source m1 price") == list("abcde")


def test_a_new_source_is_of_the_product_if_the_others_are() -> None:
    """The API takes no mixture."""
    [found] = changed([with_sources("a", kind="product_attribute")], "source m1 price", target_of("AddToCart"))
    assert found.properties["price"].sources[1] == DraftSource("product_attribute")


def test_a_property_without_sources_is_not_mapped() -> None:
    """Removing the last source leaves none, and nothing to require."""
    [found] = changed([with_sources("a")], "without-source m1 price 0", target_of("AddToCart"))
    assert found.properties["price"] == DraftProperty()


def test_a_property_is_added_in_its_place() -> None:
    """With a source to fill in, unless it is there already or the event cannot have it."""
    form = Form([("do", "property m2"), ("m2.add", "shop_id")])
    wanted = pressed_button(form)
    drafts = changed(changed(three(), wanted, SUBSCRIBE), "property m2 query", SUBSCRIBE)
    assert list(drafts[1].properties) == ["currency", "value", "description", "query", "shop_id"]
    assert drafts[1].properties["shop_id"].sources == (DraftSource("attribute"),)
    assert focus_after(drafts, wanted) == "m2-shop_id-0-kind"
    for odd in ("property m2 odd", "property m2 ", "property m2 shop_id"):
        assert changed(drafts, odd, SUBSCRIBE)[1] == drafts[1]
    of_1_0 = changed(three(), wanted, target_of("Subscribe", "1.0"))
    assert "shop_id" not in of_1_0[1].properties


def test_a_mapping_that_no_form_shows_has_nothing_to_change() -> None:
    """A forged button leaves it as it is."""
    kept = DraftMapping("m1", kept="{}")
    for wanted in ("condition m1", "property m1 value", "source m1 value"):
        assert changed([kept], wanted, SUBSCRIBE) == [kept]
