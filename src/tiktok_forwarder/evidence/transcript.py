"""The transcript of a run: each trial with TikTok's answer, the sandbox's, and how they differ."""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from tiktok_forwarder.evidence.answers import COMPARED, TrialAnswer
from tiktok_forwarder.evidence.prover import TrialRequest

TIKTOK_HOST: Final = "business-api.tiktok.com"
_MAX_SHOWN_ITEMS: Final = 3
_MAX_SHOWN_TEXT: Final = 200


class TrialEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One trial. `differences` are the members in which the two answers differ."""

    name: str
    about: str
    request: TrialRequest
    answer: TrialAnswer
    sandbox_answer: TrialAnswer
    differences: list[str]


class Transcript(Struct, frozen=True, forbid_unknown_fields=True):
    """A run of the trials on one day. `answered_by` is `tiktok` only if the host was TikTok's.

    `unsent` are the trials that a run which ended early did not send.
    """

    answered_by: Literal["tiktok", "other"]
    date: str
    program_version: str
    events_api: str
    trials: list[TrialEntry]
    unsent: list[str]
    format: Literal[1] = 1

    @property
    def differing(self) -> list[TrialEntry]:
        return [entry for entry in self.trials if entry.differences]


def differences_between(answer: TrialAnswer, expected: TrialAnswer) -> list[str]:
    """Return the names of the members in which two answers differ."""
    return [name for name in COMPARED if getattr(answer, name) != getattr(expected, name)]


def shortened(value: Any) -> Any:
    """Return a request's body as it is kept: of a long list its beginning and its length, and so of a long text."""
    if isinstance(value, dict):
        return {name: shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        kept = [shortened(each) for each in value[:_MAX_SHOWN_ITEMS]]
        return [*kept, f"{len(value):,} in all"] if len(value) > _MAX_SHOWN_ITEMS else kept
    if isinstance(value, str) and len(value) > _MAX_SHOWN_TEXT:
        return f"{value[:_MAX_SHOWN_TEXT]} ({len(value):,} characters in all)"
    return value


def written_transcript(transcript: Transcript) -> str:
    return msgspec.json.format(msgspec.json.encode(transcript), indent=2).decode() + "\n"


def read_transcript(text: str) -> Transcript:
    """Read what `written_transcript` wrote. Raises `msgspec.DecodeError` for anything else."""
    return msgspec.json.decode(text, type=Transcript)


def count_from_tiktok(transcripts: Iterable[Transcript]) -> int:
    return sum(transcript.answered_by == "tiktok" for transcript in transcripts)
