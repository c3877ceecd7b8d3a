"""What is kept of an answer."""

import json
from typing import Any

import pytest

from tiktok_forwarder.delivery.interfaces import HttpAnswer, NoAnswer
from tiktok_forwarder.evidence.answers import TrialAnswer, redacted_answer

PLACEHOLDERS = {"token-0123": "ACCESS_TOKEN", "PIX1": "PIXEL_ID"}


def kept(body: Any, retry_after: str | None = None) -> TrialAnswer:
    return redacted_answer(HttpAnswer(200, json.dumps(body).encode(), retry_after), PLACEHOLDERS)


def test_secrets_become_placeholders() -> None:
    """TikTok may repeat what it was sent."""
    answer = kept({"code": 40001, "message": "No permission for PIX1 with token-0123.", "data": {"PIX1": ["PIX1"]}})
    assert answer.message == "No permission for PIXEL_ID with ACCESS_TOKEN."
    assert answer.data == {"PIXEL_ID": ["PIXEL_ID"]}


@pytest.mark.parametrize("identifier", ["7012345678901234567", "20261130104202A1B2C3D4E5F60718293A4B", "0a" * 32])
def test_identifiers_of_accounts_and_requests_are_removed(identifier: str) -> None:
    """They lead to the account of the user who made the run."""
    answer = kept({"code": 1, "message": f"Advertiser ({identifier})", "request_id": identifier, "data": [identifier]})
    assert (answer.message, answer.data) == ("Advertiser ([removed])", ["[removed]"])


def test_large_numbers_are_removed() -> None:
    """An identifier may be a number too; a number of events stays."""
    assert kept({"code": 0, "data": {"id": 7012345678901234567, "events": 3}}).data == {"id": "[removed]", "events": 3}


def test_control_characters_are_not_kept() -> None:
    """A transcript is read on a terminal."""
    assert kept({"code": 1, "message": "a\x1b[2Jb\nc"}).message == "a [2Jb c"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"[" * 100_000, b"\xff"])
def test_answer_that_is_no_object_has_only_its_status(body: bytes) -> None:
    """It is not TikTok's API that answered."""
    assert redacted_answer(HttpAnswer(502, body, None), {}) == TrialAnswer(status=502)


def test_deep_data_is_cut() -> None:
    """An answer is foreign: it may be nested as deeply as its sender likes."""
    deep: Any = "x"
    for _ in range(50):
        deep = {"a": deep}
    assert "[removed]" in json.dumps(kept({"code": 0, "data": deep}).data)


def test_missing_answer_has_its_kind() -> None:
    """The details of a network error name hosts and addresses."""
    answer = redacted_answer(NoAnswer("timeout", "10.0.0.1 did not answer", may_have_arrived=True), {})
    assert answer == TrialAnswer(no_answer="timeout")
