"""Transcripts, and those that the documentation has."""

import re
from pathlib import Path

import msgspec
import pytest

from tiktok_forwarder.evidence.answers import TrialAnswer
from tiktok_forwarder.evidence.prover import CODE_PLACEHOLDER, PIXEL_PLACEHOLDER, TrialRequest
from tiktok_forwarder.evidence.transcript import (
    Transcript,
    TrialEntry,
    count_from_tiktok,
    differences_between,
    read_transcript,
    shortened,
    written_transcript,
)

ROOT = Path(__file__).parents[3]
EVIDENCE = ROOT / "docs" / "evidence"
FILES = sorted(EVIDENCE.glob("*.json"))
STATED = re.compile(r"Transcripts of TikTok's own answers: (\d+)\.")
ANSWER = TrialAnswer(status=200, code=0, message="OK", data={})


def test_transcript_is_read_as_it_was_written() -> None:
    """A file that was changed by accident is refused, not misread."""
    entry = TrialEntry("view", "A view.", TrialRequest("/p/", "valid", {"data": [1]}), ANSWER, ANSWER, [])
    transcript = Transcript("other", "2026-11-30", "0.1.0", "2.0", [entry], [])
    text = written_transcript(transcript)
    assert read_transcript(text) == transcript
    with pytest.raises(msgspec.DecodeError):
        read_transcript(text.replace('"unsent"', '"unknown"'))


def test_differences_name_each_member_that_differs() -> None:
    """TikTok's code decides what the service does, but its wording and status are findings too."""
    other = TrialAnswer(status=400, code=0, message="ok", data={})
    assert differences_between(ANSWER, ANSWER) == []
    assert differences_between(ANSWER, other) == ["status", "message"]
    assert differences_between(TrialAnswer(no_answer="timeout"), ANSWER) == [
        "no_answer", "status", "code", "message", "data",
    ]  # fmt: skip


def test_long_bodies_are_shortened() -> None:
    """1,001 alike events are no more evidence than three of them, and their number."""
    assert shortened({"data": [{"a": "x" * 300}] * 1001})["data"][2:] == [
        {"a": "x" * 200 + " (300 characters in all)"},
        "1,001 in all",
    ]


def test_only_tiktok_itself_counts() -> None:
    """The sandbox's answers are no evidence of how TikTok answers."""
    transcripts = [Transcript(by, "2026-11-30", "0.1.0", "2.0", [], []) for by in ("tiktok", "other", "other")]
    assert count_from_tiktok(transcripts) == 1


def test_pages_state_how_many_transcripts_there_are() -> None:
    """The number in README and index is that of the files."""
    count = count_from_tiktok([read_transcript(file.read_text("utf-8")) for file in FILES])
    for page in (ROOT / "README.md", EVIDENCE / "README.md"):
        assert STATED.findall(page.read_text("utf-8")) == [str(count)], page


def test_every_transcript_is_in_the_index_and_has_only_placeholders() -> None:
    """A reader finds each by its date and version, and none holds a pixel or a test event code."""
    index = (EVIDENCE / "README.md").read_text("utf-8")
    assert [file.name for file in FILES if f"({file.name})" not in index] == []
    for file in FILES:
        for entry in read_transcript(file.read_text("utf-8")).trials:
            body = entry.request.body
            pixel = body.get("event_source_id", body.get("pixel_code", PIXEL_PLACEHOLDER))
            assert pixel in {PIXEL_PLACEHOLDER, "NO-SUCH-PIXEL"} and body["test_event_code"] == CODE_PLACEHOLDER
