"""Builds records of the activity from observed events, in plain words and without raw identities."""

from typing import Final

from tiktok_forwarder.activity.records import Facts, Record
from tiktok_forwarder.delivery.interfaces import VERDICT_KINDS, Attempt, DeliveryStatus
from tiktok_forwarder.domain.outcome import (
    CONNECTION_FULL,
    Accepted,
    DeadLettered,
    Delivered,
    Settlement,
    Verdict,
)
from tiktok_forwarder.intake.accept import AdmittedEvent, DroppedEvent
from tiktok_forwarder.mapping.redaction.identities import IdentityValues
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.mparticle.batch import Event
from tiktok_forwarder.mparticle.values import flag_text, text_of
from tiktok_forwarder.store.queue import LeasedEvent

_MAX_TEXT_LENGTH: Final = 200
_FULL: Final = "The connection's storage quota is used up by waiting events."


def admitted_record(admitted: AdmittedEvent, at_ms: int) -> Record:
    """Return the record of a mapped event. The payload is kept if the store accepted the event."""
    event, mapped, connection_id = admitted.event, admitted.mapped, admitted.event.connection_id
    name, event_id = event.event_name, event.event_id
    if admitted.admission == "stored":
        facts = Facts(
            source=_source(admitted.original, None)[0],
            warnings=mapped.warnings,
            connection_revision=event.connection_revision,
            field_sources=mapped.sources,
        )
        return Record(at_ms, connection_id, "accepted", name, event_id, "", facts, event.payload, event.subjects)
    if admitted.admission == "duplicate":
        return Record(at_ms, connection_id, "duplicate", name, event_id, subjects=event.subjects)
    facts = Facts(detail=_FULL, warnings=mapped.warnings)
    event_id = kept_text(event_id, _MAX_TEXT_LENGTH)
    return Record(at_ms, connection_id, "dropped", name, event_id, CONNECTION_FULL, facts, b"", event.subjects)


def dropped_record(drop: DroppedEvent, subjects: tuple[int, ...], at_ms: int, values: IdentityValues) -> Record:
    """Return the record of a dropped event. It has no name at TikTok: `source` names it in mParticle's words.

    `values` are the user's identities, which are not kept.
    """
    source, event_id = _source(drop.event, values)
    event_id = kept_text(drop.dropped.event_id, _MAX_TEXT_LENGTH, values) or event_id
    facts = Facts(detail=drop.dropped.detail, source=source)
    return Record(at_ms, drop.connection_id, "dropped", "", event_id, drop.dropped.reason, facts, b"", subjects)


def request_record(attempt: Attempt, at_ms: int) -> Record:
    """Return the record of a whole request."""
    return Record(at_ms, attempt.connection_id, "attempted", reason=attempt.verdict, facts=_attempt_facts(attempt))


def attempted_record(attempt: Attempt, event: LeasedEvent, at_ms: int) -> Record:
    """Return the record of one event of a request that left the event without an outcome."""
    return Record(
        at_ms,
        attempt.connection_id,
        "attempted",
        event.event_name,
        event.event_id,
        attempt.verdict,
        _attempt_facts(attempt),
        b"",
        event.subjects,
    )


def settled_record(
    connection_id: str,
    event: LeasedEvent,
    settlement: Settlement,
    verdict: Verdict | None,
    at_ms: int,
    group_events: int = 0,
) -> Record:
    """Return the record of an outcome. `group_events` is known for a request with one outcome for all its events."""
    kind = VERDICT_KINDS[type(verdict)] if verdict is not None else ""
    name, event_id, accepted_at_ms = event.event_name, event.event_id, event.accepted_at_ms
    if isinstance(settlement, Delivered):
        note = verdict.note if isinstance(verdict, Accepted) else ""
        answer = verdict.answer if verdict is not None else None
        attempts = event.attempts + 1
        facts = Facts(
            note,
            verdict=kind,
            answer=answer,
            group_events=group_events,
            attempts=attempts,
            accepted_at_ms=accepted_at_ms,
        )
        return Record(at_ms, connection_id, "delivered", name, event_id, "", facts, b"", event.subjects)
    if isinstance(settlement, DeadLettered):
        attempts = event.attempts + (settlement.answer is not None)
        facts = Facts(verdict=kind, answer=settlement.answer, attempts=attempts, accepted_at_ms=accepted_at_ms)
        return Record(
            at_ms,
            connection_id,
            "dead_letter",
            name,
            event_id,
            settlement.reason,
            facts,
            event.payload,
            event.subjects,
        )
    facts = Facts(
        verdict=kind,
        answer=settlement.answer,
        attempts=event.attempts + settlement.counts,
        accepted_at_ms=accepted_at_ms,
        due_ms=settlement.due_ms,
    )
    return Record(at_ms, connection_id, "retry", name, event_id, kind, facts, b"", event.subjects)


def condition_record(status: DeliveryStatus, at_ms: int) -> Record:
    """Return the record of a delivery state.

    TikTok's last answer is omitted: it may quote an event that erasure could not find here.
    """
    facts = Facts(detail=status.reason, source=status.by)
    return Record(at_ms, status.connection_id, "condition", reason=status.condition, facts=facts)


def _attempt_facts(attempt: Attempt) -> Facts:
    return Facts(
        detail=attempt.note,
        verdict=attempt.verdict,
        answer=attempt.answer,
        group_events=len(attempt.events),
        seconds=round(attempt.seconds, 3),
    )


def _source(event: Event | None, values: IdentityValues | None) -> tuple[str, str]:
    """Return what a dropped event was, such as `commerce_event refund`, and the sender's ID of it."""
    if event is None:
        return "", ""
    kind = flag_text(event.event_type) or ""
    data = event.data
    if data is None:
        return kept_text(kind, _MAX_TEXT_LENGTH, values), ""
    action = text_of(data.product_action.action) if data.product_action is not None else None
    name = action or text_of(data.event_name) or text_of(data.screen_name) or ""
    event_id = text_of(data.source_message_id) or text_of(data.event_id) or ""
    # Each alone: a long kind must not cost the name.
    source = f"{kept_text(kind, _MAX_TEXT_LENGTH, values)} {kept_text(name, _MAX_TEXT_LENGTH, values)}".strip()
    return source[:_MAX_TEXT_LENGTH], kept_text(event_id, _MAX_TEXT_LENGTH, values)
