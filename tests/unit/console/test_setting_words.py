"""Settings and answers in words."""

from typing import Any, get_args

import pytest
from msgspec import structs

from tiktok_forwarder.connections.check import CheckKind, CheckResult
from tiktok_forwarder.console.setting_words import (
    answer_words,
    blamed_setting,
    check_words,
    delivery_words,
    is_set,
    label_of,
    value_words,
)
from tiktok_forwarder.delivery.interfaces import DeliveryStatus, NoAnswer
from tiktok_forwarder.delivery.request_sender import no_answer_verdict
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.mapping.fields import FIELDS, STANDARD_EVENTS
from tiktok_forwarder.tiktok.codes import CODES

RULES = [
    {"name": "a", "action": "only_forward", "when": [{"event_name": True, "is": ["x"]}]},
    {"name": "b", "action": "limit_data_use", "when": [{"page_path": True, "exists": True}]},
]
SOURCES = "Cookie ID (ttp): the custom flag a; IP address: the event field IP address"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("enabled", False, "no"),
        ("email_identity_type", "other_id_2", "Other 2"),
        ("purchase_event", "CompletePayment", "CompletePayment"),
        ("inputs", [], "all inputs"),
        ("inputs", ["web", "app"], "web, app"),
        ("custom_mappings", None, "none"),
        ("custom_mappings", [{}], "1 mapping"),
        ("custom_mappings", [{}, {}], "2 mappings"),
        ("default_currency", None, "none"),
        ("sample_percent", 12.5, "12.5"),
        ("standard_events", ["add_to_cart", "purchase"], "Add to cart, Purchase"),
        ("standard_events", [], "none"),
        ("omit", ["ttp", "ip"], "Cookie ID (ttp), IP address"),
        ("consent_purpose", ["Ads", "Measuring"], "Ads, Measuring"),
        ("consent_purpose", "Ads", "Ads"),
        ("extra_email_identity_types", ["other_id_2"], "Other 2"),
        ("forwarding_rules", None, "none"),
        (
            "forwarding_rules",
            RULES,
            "a: only forward if the event name is x; b: limit data use if the page path exists",
        ),
        ("sources", None, "the default order"),
        ("sources", {"ttp": [{"flag": "a"}], "ip": [{"field": "ip"}]}, SOURCES),
        ("a setting of a later version", "x", "x"),
    ],
)
def test_a_value_is_told_in_words(name: str, value: Any, words: str) -> None:
    """With mParticle's own names of the identity types; what is not set says what that means."""
    assert value_words(name, value) == words


def test_labels_are_those_of_the_fields() -> None:
    """A setting of a later version keeps its name."""
    assert label_of("pixel_id") == "Pixel ID" and label_of("standard_events") == "Event filter"
    assert label_of("later") == "later"


def test_only_what_differs_from_its_default_is_worth_naming() -> None:
    """And what every connection needs."""
    named = {field.name for field in FIELDS if is_set(field.name, field.default)}
    assert named == {field.name for field in FIELDS if field.required}
    assert not is_set("inputs", []) and is_set("inputs", ["web"])
    assert is_set("enabled", False) and is_set("sample_percent", 0)
    assert is_set("standard_events", []) and not is_set("standard_events", list(STANDARD_EVENTS))
    assert is_set("forwarding_rules", [{}]) and not is_set("sources", {})


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_tiktok_is_told_in_a_sentence(code: int) -> None:
    """With the code beside it, for whoever asks TikTok."""
    words = answer_words(Answer(200, code, "OK"))
    assert words.endswith(f" (code {code}).") and ".." not in words and len(words) > 25


@pytest.mark.parametrize("kind", get_args(CheckKind))
def test_every_result_of_a_check_has_a_title(kind: CheckKind) -> None:
    """A setting that it leads to is one that the form has."""
    words = check_words(CheckResult(kind, "What to do."))
    assert words.title.endswith(".") and words.sentence == "What to do." and words.is_good == (kind == "good")
    assert words.setting is None or label_of(words.setting) != words.setting


def test_pause_leads_to_the_setting_that_its_code_blames() -> None:
    """A code that is no fault of a setting, or none at all, leads nowhere."""
    assert (blamed_setting(40105), blamed_setting(40001)) == ("access_token", "pixel_id")
    assert [blamed_setting(code) for code in (40006, 40002, 0, 7, None)] == [None] * 5


@pytest.mark.parametrize("kind", ["connect", "tls", "timeout", "reset", "oversized"])
def test_no_answer_says_how_far_the_request_came(kind: Any) -> None:
    """In the words of the connection's check."""
    verdict = no_answer_verdict(NoAnswer(kind, "some detail", may_have_arrived=False))
    words = answer_words(verdict.answer)
    assert words.startswith("TikTok ") and words.endswith(".") and "detail" not in words


def test_other_answers_are_told_too() -> None:
    """None yet, none possible, and what is not TikTok's."""
    assert answer_words(None) == "Nothing has been sent since the service started."
    assert answer_words(Answer(502)) == "The answer did not come from the TikTok Events API (HTTP status 502)."
    assert answer_words(Answer(message="no request was made")) == "No request could be made."
    assert answer_words(Answer(200, 7)) == "TikTok returned an unknown code (code 7)."


def test_last_answer_to_another_node_is_not_told_as_none() -> None:
    """This node does not know what the other one was answered."""
    here = DeliveryStatus("c", "live", last_answer=Answer(502))
    assert delivery_words(here) == answer_words(Answer(502))
    elsewhere = DeliveryStatus("c", "live", is_elsewhere=True)
    assert delivery_words(elsewhere) == "Another node delivers this connection. It has sent nothing since it started."
    answered = structs.replace(here, is_elsewhere=True)
    assert delivery_words(answered) == f"{answer_words(Answer(502))} Another node delivers this connection."
