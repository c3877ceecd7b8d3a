"""An event's timeline: its records as steps, oldest first."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from tiktok_forwarder.api.activity import RecordView
from tiktok_forwarder.console.activity.advice import AdviceCatalog, LinkedAdvice
from tiktok_forwarder.console.activity.labels import (
    OUTCOMES,
    VERDICTS,
    answer_meaning,
    condition_word,
    events,
    source_words,
    state_of,
)
from tiktok_forwarder.console.figures import refusal_label
from tiktok_forwarder.console.rendering import sentence, span, wire_label
from tiktok_forwarder.domain.outcome import RECORDED, Answer

_UNTRIED: Final = "accepted"


class Step(Struct, frozen=True):
    """One step. `state` are the CSS classes of the outcome; `advice` is given if the event was not sent or accepted."""

    at_ms: int
    state: str
    title: str
    sentences: Sequence[str] = ()
    answer: Answer | None = None
    answer_meaning: str = ""
    due_ms: int | None = None
    advice: LinkedAdvice | None = None


def steps(records: Sequence[RecordView], catalog: AdviceCatalog) -> list[Step]:
    return [_step(each, catalog) for each in records]


def is_pending(records: Sequence[RecordView]) -> bool:
    """Return whether the event's last known record is not final."""
    ends = [each.outcome for each in records if each.outcome != "duplicate"]
    return bool(ends) and ends[-1] in (_UNTRIED, "retry", "attempted")


def _step(record: RecordView, catalog: AdviceCatalog) -> Step:
    title, sentences = _DESCRIBE_BY_OUTCOME[record.outcome](record)
    ends_here = record.outcome in ("dropped", "dead_letter")
    answer = record.answer
    return Step(
        record.at_ms,
        state_of(record.outcome, record.reason),
        title,
        sentences,
        answer,
        answer_meaning(answer) if answer else "",
        record.due_ms,
        catalog.get(record.reason) if ends_here else None,
    )


def _accepted(record: RecordView) -> tuple[str, list[str]]:
    was = f"mParticle's {source_words(record.source)}" if record.source else "An event"
    revision = record.connection_revision
    by = f", by revision {revision} of the connection's settings" if revision else ""
    return "Received and mapped", [f"{was} became TikTok's {record.event}{by}."]


def _duplicate(_record: RecordView) -> tuple[str, list[str]]:
    return "Duplicate ignored", [OUTCOMES["duplicate"][1]]


def _dropped(record: RecordView) -> tuple[str, list[str]]:
    title, detail = f"Dropped: {wire_label(record.reason)}", [sentence(record.detail)] if record.detail else []
    if record.reason != RECORDED:
        return title, detail
    _, mapped = _accepted(record)
    return "Recorded, not sent", [*mapped, *detail]


def _attempted(record: RecordView) -> tuple[str, list[str]]:
    title = "Attempt failed" if record.event_id else "Sent to TikTok"
    return _with_verdict(record, title, [_group(record)])


def _retry(record: RecordView) -> tuple[str, list[str]]:
    return _with_verdict(record, "Attempt failed; retry scheduled", [_attempts(record)])


def _delivered(record: RecordView) -> tuple[str, list[str]]:
    sentences = [_attempts(record), _group(record), sentence(record.detail)]
    if record.accepted_at_ms is not None:
        seconds = max(0, record.at_ms - record.accepted_at_ms) / 1000
        sentences.insert(0, f"TikTok accepted it {span(seconds)} after it was received.")
    return "Delivered", [each for each in sentences if each]


def _dead_letter(record: RecordView) -> tuple[str, list[str]]:
    return f"Moved to dead letters: {wire_label(record.reason)}", [each for each in [_attempts(record)] if each]


def _refused(record: RecordView) -> tuple[str, list[str]]:
    return f"Message refused: {refusal_label(record.reason)}", [sentence(record.detail), OUTCOMES["refused"][1]]


def _condition(record: RecordView) -> tuple[str, list[str]]:
    return f"Delivery state: {condition_word(record.reason)}", [sentence(record.detail)] if record.detail else []


def _with_verdict(record: RecordView, title: str, sentences: list[str]) -> tuple[str, list[str]]:
    meaning = VERDICTS.get(record.reason, ("", ""))[1]
    return title, [each for each in [meaning, *sentences, sentence(record.detail)] if each]


def _attempts(record: RecordView) -> str:
    return f"Attempts so far: {record.attempts}." if record.attempts > 1 else ""


def _group(record: RecordView) -> str:
    return f"The request contained {events(record.group_events)}." if record.group_events else ""


_DESCRIBE_BY_OUTCOME: Final = {
    "accepted": _accepted,
    "duplicate": _duplicate,
    "dropped": _dropped,
    "attempted": _attempted,
    "retry": _retry,
    "delivered": _delivered,
    "dead_letter": _dead_letter,
    "condition": _condition,
    "refused": _refused,
}
