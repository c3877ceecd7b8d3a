"""Every outcome, verdict, condition and warning has words for people, and every advice a place that is there."""

from typing import get_args

import pytest

from tests.unit.console.activity.records import CATALOG, answer
from tiktok_forwarder.activity.records import RecordOutcome
from tiktok_forwarder.console.activity.labels import (
    CONDITIONS,
    OUTCOMES,
    VERDICTS,
    answer_meaning,
    source_words,
)
from tiktok_forwarder.console.rendering import sentence, wire_label
from tiktok_forwarder.delivery.interfaces import DeliveryCondition, VerdictKind
from tiktok_forwarder.mapping.explanation.advice import AdviceKind
from tiktok_forwarder.tiktok.codes import CODES


def test_every_outcome_verdict_and_condition_has_words() -> None:
    """No record can hold one that the pages cannot tell."""
    assert set(OUTCOMES) == set(get_args(RecordOutcome))
    assert set(VERDICTS) == set(get_args(VerdictKind))
    assert set(CONDITIONS) == set(get_args(DeliveryCondition))


@pytest.mark.parametrize("kind", get_args(AdviceKind))
def test_every_advice_leads_to_a_place_that_is_there(kind: AdviceKind) -> None:
    """A setting's advice leads to its field in the form; that of the mappings to their page."""
    assert CATALOG.names(kind)
    for name in CATALOG.names(kind):
        advice = CATALOG.get(name)
        assert advice.meaning and advice.remedy and advice.label
        if advice.setting:
            assert advice.place and "/connections/a%2Fb/" in advice.address("a/b")
    assert CATALOG.get("unsupported_event").address("cn_1") == "/connections/cn_1/mappings"
    assert CATALOG.get("missing_ip").address("cn_1") == "/connections/cn_1/edit#field-require_ip_and_user_agent"
    assert CATALOG.get("nothing known").meaning == ""


@pytest.mark.parametrize("code", [*CODES, 40199, 49999, 69999, 7])
def test_every_code_has_a_plain_meaning(code: int) -> None:
    """Listed, told by its range, or said to be unknown."""
    meaning = answer_meaning(answer(code))
    assert meaning.endswith(".") and meaning[:1].isupper()


def test_an_answer_without_a_code_is_told_too() -> None:
    """None was read, or it was not in TikTok's form."""
    assert answer_meaning(answer(None, None)) == "No answer was read."
    assert "HTTP status 502" in answer_meaning(answer(None, 502))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("custom_event Site Search", "Site Search (custom event)"),
        ("commerce_event add_to_cart", "add_to_cart (commerce event)"),
        ("session_start", "session start"),
        ("", ""),
    ],
)
def test_what_an_event_was_at_mparticle(given: str, told: str) -> None:
    """Its name first, as people know it."""
    assert source_words(given) == told


def test_names_become_words() -> None:
    """With a capital, and abbreviations spelled as they should be."""
    assert wire_label("missing_ip") == "Missing IP address"
    assert wire_label("bot") == "Crawler" and wire_label("dummy_identity") == "Placeholder identity"
    assert sentence("the token is old") == "The token is old."
    assert sentence("Is it?") == "Is it?" and sentence("") == ""
