"""The sources of the fields that every event has, as lists of the form."""

from typing import Any

import pytest

from tiktok_forwarder.console.forms import Form
from tiktok_forwarder.console.settings.places import ProblemPlaces
from tiktok_forwarder.console.settings.source_lists import (
    FIELD_LABELS,
    change_sources,
    order_words,
    read_sources_form,
    source_lists,
    without_field_name,
    wrong_sources,
)
from tiktok_forwarder.console.source_labels import SOURCE_LABELS
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection import read_connection
from tiktok_forwarder.mapping.sources import COMMON_SOURCES, DEFAULT_SOURCES, PROPERTY_SOURCES

THREE = {"event_id": [{"field": "transaction_id"}, {"flag": "TikTok.EventId"}, {"attribute": "id"}]}


def press(wanted: str, given: Any = THREE) -> tuple[list[Any], str]:
    """The sources of the event ID after a button, and the focus."""
    changed, focus = change_sources(given, wanted, page_url_fallback=True)
    return [next(iter(each.values())) for each in changed.get("event_id", ())], focus


def test_every_field_and_kind_has_a_label() -> None:
    """What the engine knows can be chosen in the form."""
    assert list(FIELD_LABELS) == list(DEFAULT_SOURCES)
    assert set(SOURCE_LABELS) == {*PROPERTY_SOURCES, *COMMON_SOURCES}


def test_the_default_order_is_told_in_words() -> None:
    """A field without sources of its own shows where it comes from; the page URL's depend on a setting."""
    default = {each.field: each.default for each in source_lists({}, ProblemPlaces(), page_url_fallback=True)}
    assert default["event_id"] == "the event field source message ID, then the event field event ID"
    assert default["page_url"] == "the custom flag TikTok.URL, then the event field page URL"
    assert default["ttp"] == "the partner identity tiktok_cookie_id"
    assert "the URL parameter ttclid" in default["ttclid"]
    narrow = {each.field: each.default for each in source_lists({}, ProblemPlaces(), page_url_fallback=False)}
    assert narrow["page_url"] == "the custom flag TikTok.URL"


@pytest.mark.parametrize(
    ("wanted", "order", "focus"),
    [
        ("add-source event_id", ["transaction_id", "TikTok.EventId", "id", "name"], "source-event_id-3-kind"),
        ("remove-source event_id 0", ["TikTok.EventId", "id"], "source-event_id-0-kind"),
        ("remove-source event_id 2", ["transaction_id", "TikTok.EventId"], "source-event_id-1-kind"),
        ("source-up event_id 1", ["TikTok.EventId", "transaction_id", "id"], "source-event_id-0-down"),
        ("source-down event_id 0", ["TikTok.EventId", "transaction_id", "id"], "source-event_id-1-down"),
        ("source-up event_id 0", ["transaction_id", "TikTok.EventId", "id"], ""),
        ("source-down event_id 2", ["transaction_id", "TikTok.EventId", "id"], ""),
        ("remove-source event_id", ["transaction_id", "TikTok.EventId", "id"], ""),
        ("source-aside event_id 0", ["transaction_id", "TikTok.EventId", "id"], ""),
        ("remove-source elsewhere 0", ["transaction_id", "TikTok.EventId", "id"], ""),
        ("default-sources event_id", [], "source-event_id-choose"),
    ],
)
def test_a_button_changes_the_list_and_says_where_the_focus_goes(wanted: str, order: list[str], focus: str) -> None:
    """Someone without a mouse stays at the list they changed; what no button sends changes nothing."""
    assert press(wanted) == (order, focus)


def test_a_list_begins_with_the_default_order() -> None:
    """Whoever wants one source more need not find out what there was."""
    assert press("choose-sources event_id", {}) == (["source_message_id", "event_id"], "source-event_id-0-kind")


def test_a_list_without_its_last_source_has_the_default_order_again() -> None:
    """The API refuses an empty list."""
    assert press("remove-source event_id 0", {"event_id": [{"flag": "a"}]}) == ([], "source-event_id-choose")


def test_sources_are_read_in_the_order_of_the_form() -> None:
    """Fields without sources are left out; a field's name that the kind does not have becomes the first of its list."""
    sent = [
        ("source.event_id.0.kind", "field"),
        ("source.event_id.0.value", "TikTok.EventId"),
        ("source.event_id.1.kind", "flag"),
        ("source.event_id.1.value", " TikTok.EventId "),
        ("source.page_url.0.kind", "url_parameter"),
        ("source.page_url.0.value", "page"),
        ("source.ip.0.kind", "guess"),
    ]
    assert read_sources_form(Form(sent)) == {"event_id": [{"field": "name"}, {"flag": "TikTok.EventId"}]}


def test_every_problem_stands_at_its_source() -> None:
    """The API's sentence has a link to the list, or to the source in it."""
    sources = {"event_id": [{"flag": ""}, {"field": "transaction_id"}], "ttp": [{"flag": "a"}] * 11}
    with pytest.raises(ConfigurationError) as caught:
        read_connection({"name": "Shop", "pixel_id": "C9", "sources": sources}, needs_token=False)
    lists = source_lists(sources, ProblemPlaces(caught.value.problems), page_url_fallback=True)
    assert [(each.anchor, each.label) for each in wrong_sources(lists)] == [
        ("source-event_id-0-value", "Sources of Event ID, source 1"),
        ("sources-ttp", "Sources of Cookie ID (ttp)"),
    ]


@pytest.mark.parametrize(
    ("changed", "flag"),
    [("source.ip.0.kind", ""), ("source.ip.0.value", "ip"), ("source.ip.1.kind", "ip"), ("source.ttp.0.kind", "ip")],
)
def test_a_source_of_another_kind_does_not_keep_the_name_of_a_field(changed: str, flag: str) -> None:
    """No flag is named like mParticle's field unless someone types it."""
    assert without_field_name({"ip": [{"flag": "ip"}]}, changed) == {"ip": [{"flag": flag}]}


def test_a_source_of_another_kind_keeps_a_name_that_was_typed() -> None:
    """An attribute and a flag may have the same name."""
    for order in ([{"attribute": "TikTok.IP"}], [{"field": "ip"}]):
        assert without_field_name({"ip": order}, "source.ip.0.kind") == {"ip": order}


def test_an_order_is_told_in_words() -> None:
    """A name that is missing yet is an ellipsis."""
    assert order_words([{"field": "ip"}, {"flag": ""}]) == "the event field IP address, then the custom flag …"
