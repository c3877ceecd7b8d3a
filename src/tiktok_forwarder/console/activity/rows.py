"""A record of the activity as a row of the list."""

from msgspec import Struct

from tiktok_forwarder.api.activity import RecordView
from tiktok_forwarder.console.activity.advice import AdviceCatalog
from tiktok_forwarder.console.activity.labels import (
    CONDITIONS,
    OUTCOMES,
    VERDICTS,
    condition_word,
    events,
    outcome_word,
    source_words,
    state_of,
)
from tiktok_forwarder.console.activity.places import page_of
from tiktok_forwarder.console.figures import refusal_label
from tiktok_forwarder.console.rendering import sentence, wire_label


class Row(Struct, frozen=True):
    """One row. `about` names TikTok's event, mParticle's, or what else the record describes. `why` may be empty."""

    record_no: int
    at_ms: int
    connection_id: str
    connection: str
    about: str
    event_id: str
    state: str
    outcome: str
    why: str
    meaning: str
    due_ms: int | None
    page: str


def row_of(record: RecordView, catalog: AdviceCatalog) -> Row:
    why, meaning = _reason_and_meaning(record, catalog)
    condition = record.reason if record.outcome == "condition" else ""
    return Row(
        record_no=record.record_no,
        at_ms=record.at_ms,
        connection_id=record.connection_id,
        connection=record.connection,
        about=about(record),
        event_id=record.event_id,
        state=state_of(record.outcome, record.reason),
        outcome=condition_word(condition) if condition else outcome_word(record.outcome),
        why=why,
        meaning=meaning,
        due_ms=record.due_ms,
        page=page_of(record),
    )


def about(record: RecordView) -> str:
    """Name what a record describes: the heading of its page and the text of the link to it."""
    if record.outcome == "condition":
        return "Delivery state"
    if record.outcome == "refused":
        return "Kafka message"
    if record.outcome == "attempted" and not record.event_id:
        return f"Request of {events(record.group_events)}"
    return record.event or source_words(record.source) or "Unreadable event"


def _reason_and_meaning(record: RecordView, catalog: AdviceCatalog) -> tuple[str, str]:
    outcome, reason = record.outcome, record.reason
    if reason == "filtered_by_rule" and record.detail:
        # The detail names the rule, which the meaning cannot.
        return wire_label(reason), record.detail
    if outcome in ("dropped", "dead_letter"):
        return wire_label(reason), catalog.get(reason).meaning or OUTCOMES[outcome][1]
    if outcome == "refused":
        return refusal_label(reason), sentence(record.detail)
    if outcome == "condition":
        return "", record.detail or CONDITIONS.get(reason, ("", ""))[1]
    if outcome in ("attempted", "retry"):
        return _verdict_and_meaning(record)
    warnings = record.warnings
    return ", ".join(wire_label(each) for each in warnings), OUTCOMES[outcome][1]


def _verdict_and_meaning(record: RecordView) -> tuple[str, str]:
    word, meaning = VERDICTS.get(record.reason, (record.reason, ""))
    code = record.answer.code if record.answer else None
    return wire_label(word), f"{meaning} TikTok's code: {code}." if code else meaning
