"""The mappings of one TikTok event among all others, and problems at the place that they name."""

from typing import Any

import pytest

from tests.unit.console.mappings.documents import Document, settings_of
from tiktok_forwarder.console.conditions import DraftCondition
from tiktok_forwarder.console.mappings.choices import PROPERTY_LABELS
from tiktok_forwarder.console.mappings.draft import DraftMapping, DraftProperty, DraftSource, document_of
from tiktok_forwarder.console.mappings.places import (
    NO_PROBLEMS,
    MergedMappings,
    merge_drafts,
    numbered_lines,
    problems_by_card,
)
from tiktok_forwarder.domain.errors import ConfigurationError


def mapping(event: str, name: str) -> Document:
    return {"event": event, "event_type": "screen_view", "event_name": name, "properties": {}}


def draft(name: str, key: str = "m1", **members: Any) -> DraftMapping:
    return DraftMapping(key, "screen_view", name, **members)


PRESENT = [mapping("Search", "a"), mapping("Subscribe", "b"), mapping("Search", "c"), mapping("Contact", "d")]


def names(found: MergedMappings) -> list[str]:
    return [each["event_name"] for each in found.mappings]


@pytest.mark.parametrize(
    ("new", "expected", "positions"),
    [
        (["x", "y"], ["x", "b", "y", "d"], [0, 2]),
        (["x"], ["x", "b", "d"], [0]),
        ([], ["b", "d"], []),
        (["x", "y", "z"], ["x", "b", "y", "d", "z"], [0, 2, 4]),
    ],
)
def test_the_mappings_of_other_events_stay_as_they_are(
    new: list[str], expected: list[str], positions: list[int]
) -> None:
    """New ones take the places of the old; what is left stands at the end, in order."""
    found = merge_drafts(PRESENT, "Search", [draft(name) for name in new])
    assert (names(found), found.positions) == (expected, positions)


def test_mappings_of_an_event_without_any_are_appended() -> None:
    """They follow all others."""
    found = merge_drafts(PRESENT, "Lead", [draft("x")])
    assert (names(found), found.positions) == (["a", "b", "c", "d", "x"], [4])


def problems_of_api(drafts: list[DraftMapping], event: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        settings_of(*(document_of(each, event) for each in drafts))
    return list(refused.value.problems)


def test_the_apis_problems_stand_at_what_they_name() -> None:
    """Every kind of problem that a form can lead to, as the API words it."""
    wrong = draft(
        "",
        "m7",
        conditions=(
            DraftCondition(),
            DraftCondition("attribute", "size"),
            DraftCondition("flag", "Hide", "at_most", "few"),
        ),
        properties={
            "value": DraftProperty((DraftSource("static", "much"),)),
            "description": DraftProperty((DraftSource("attribute", ""),)),
            "currency": DraftProperty((DraftSource("flag", "Currency"), DraftSource("attribute", ""))),
        },
    )
    drafts = [draft("fine", "m1"), wrong]
    found = problems_by_card(problems_of_api(drafts, "Subscribe"), drafts, [0, 1])
    assert found.general == []
    assert found.at("m1", "event_name") == []
    assert found.at("m7", "event_name") == [
        "Screen name is required: the event's or screen's name, or the product action."
    ]
    assert found.at("m7", "conditions[0]") == [
        "The condition's event attribute must be a name, not ''.",
        "The condition's values must be a list of texts, none of them empty, not [].",
    ]
    assert found.at("m7", "conditions[1]") == [
        "The condition's values must be a list of texts, none of them empty, not []."
    ]
    assert found.at("m7", "conditions[2]") == ["The condition's number must be a number, not 'few'."]
    assert found.at("m7", "value") == ["Total value must be a number, not 'much'."]
    assert found.at("m7", "description") == ["Description must be a name, not ''."]
    assert found.at("m7", "currency") == ["Currency, source 2, must be a name, not ''."]
    assert len(numbered_lines(found, drafts)) == 8
    assert all(each.startswith("Mapping 2: ") for each in numbered_lines(found, drafts))


def test_what_is_of_no_card_is_general() -> None:
    """Problems of other settings, of other events' mappings, and of a mapping that could not be read."""
    drafts = [draft("a")]
    told = ["name: is required", "custom_mappings[3].event_name: is required", "custom_mappings[0]: is odd"]
    found = problems_by_card(told, drafts, [0])
    assert found.general == told[:2]
    assert found.at("m1", "") == ["The mapping is odd."]
    assert numbered_lines(found, drafts) == [*told[:2], "The mapping is odd."]
    assert numbered_lines(NO_PROBLEMS, drafts) == []


def test_every_property_has_a_label() -> None:
    """So that a sentence begins with a word that people know."""
    found = problems_by_card(
        [f"custom_mappings[0].properties.{name}: is odd" for name in PROPERTY_LABELS], [draft("a")], [0]
    )
    assert [found.at("m1", name) for name in PROPERTY_LABELS] == [
        [f"{label} is odd."] for label in PROPERTY_LABELS.values()
    ]
