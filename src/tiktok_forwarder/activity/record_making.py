"""Builds records of the activity from observed events, in plain words and without raw identities."""

from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.activity.event_names import kept_name
from tiktok_forwarder.activity.figures import SERVICE
from tiktok_forwarder.activity.records import Facts, ReceivedEvent, Record, RecordOutcome
from tiktok_forwarder.delivery.interfaces import VERDICT_KINDS, Attempt, DeliveryStatus
from tiktok_forwarder.domain.outcome import (
    CONNECTION_FULL,
    RECORDED,
    Accepted,
    DeadLettered,
    Delivered,
    Settlement,
    Verdict,
)
from tiktok_forwarder.intake.accept import AdmittedEvent, DroppedEvent
from tiktok_forwarder.mapping.redaction.identities import IdentityValues, identity_values_of
from tiktok_forwarder.mapping.redaction.kept import kept_text
from tiktok_forwarder.mparticle.batch import Batch, Event
from tiktok_forwarder.mparticle.identities import identities_by_type
from tiktok_forwarder.mparticle.values import flag_text, text_of
from tiktok_forwarder.store.queue import LeasedEvent

_MAX_TEXT_LENGTH: Final = 200
_MAX_PLATFORM_LENGTH: Final = 40
_RECORDED: Final = "The connection only records: nothing was sent to TikTok."
_FULL: Final = "The connection's storage quota is used up by waiting events."


class _OrderId(Struct):
    order_id: str


class _Ordered(Struct):
    """The part of an event object that has an order number."""

    properties: _OrderId


_ORDERED: Final = msgspec.json.Decoder(_Ordered)


def admitted_record(admitted: AdmittedEvent, at_ms: int) -> Record:
    """Return the record of a mapped event. The payload is kept if the event is to be sent, or only recorded."""
    event, mapped, connection_id = admitted.event, admitted.mapped, admitted.event.connection_id
    name, event_id, subjects = event.event_name, event.event_id, event.subjects
    source = _source_of(admitted.original, None)
    found_by = source.name.lower()
    if admitted.admission in ("stored", "recorded"):
        is_recorded = admitted.admission == "recorded"
        facts = Facts(
            detail=_RECORDED if is_recorded else "",
            source=source.words,
            warnings=mapped.warnings,
            connection_revision=event.connection_revision,
            field_sources=mapped.sources,
        )
        payload = event.payload
        order_id = order_id_in(payload)
        outcome: RecordOutcome = "dropped" if is_recorded else "accepted"
        reason = RECORDED if is_recorded else ""
        return Record(
            at_ms, connection_id, outcome, name, event_id, reason, facts, payload, subjects, found_by, order_id
        )
    if admitted.admission == "duplicate":
        return Record(at_ms, connection_id, "duplicate", name, event_id, subjects=subjects, source_name=found_by)
    facts = Facts(detail=_FULL, warnings=mapped.warnings)
    event_id = kept_text(event_id, _MAX_TEXT_LENGTH)
    return Record(at_ms, connection_id, "dropped", name, event_id, CONNECTION_FULL, facts, b"", subjects, found_by)


class DroppedBatch:
    """What the records of a batch's dropped events share: the identities, which are not kept, and what is known."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.values = identity_values_of(batch)
        self.identities = tuple(sorted(identities_by_type(batch.user_identities, [])))
        platform = text_of(batch.device_info.platform) if batch.device_info is not None else None
        self.platform = kept_text(platform or "", _MAX_PLATFORM_LENGTH, self.values)


def dropped_record(drop: DroppedEvent, subjects: tuple[int, ...], at_ms: int, sender: DroppedBatch) -> Record:
    """Return the record of a dropped event. It has no name at TikTok: `source` names it in mParticle's words."""
    dropped, values = drop.dropped, sender.values
    source = _source_of(drop.event, values)
    event_id = kept_text(dropped.event_id, _MAX_TEXT_LENGTH, values) or source.event_id
    received = None
    if drop.event is not None and (known := kept_name(drop.event, values)) is not None:
        received = ReceivedEvent(*known, sender.platform, sender.identities)
    facts = Facts(detail=dropped.detail, source=source.words, received=received)
    found_by = source.name.lower()
    return Record(at_ms, drop.connection_id, "dropped", "", event_id, dropped.reason, facts, b"", subjects, found_by)


def order_id_in(payload: bytes) -> str:
    """Return the order number that an event object sends to TikTok, empty without one."""
    # JSON text escapes quotes, so these bytes cannot occur anywhere else.
    return _ORDERED.decode(payload).properties.order_id if b'"order_id":' in payload else ""


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
        order_id = order_id_in(event.payload)
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
            order_id=order_id,
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


def refused_record(input_name: str, reason: str, place: str, at_ms: int) -> Record:
    """Return the record of a message that can never be accepted. `place` is where it is in Kafka."""
    return Record(at_ms, SERVICE, "refused", reason=reason, facts=Facts(detail=f"{place}; input {input_name}"))


def _attempt_facts(attempt: Attempt) -> Facts:
    return Facts(
        detail=attempt.note,
        verdict=attempt.verdict,
        answer=attempt.answer,
        group_events=len(attempt.events),
        seconds=round(attempt.seconds, 3),
    )


class _Source(Struct, frozen=True):
    """An event in mParticle's words, such as `commerce_event refund`; its name alone, and the sender's ID of it."""

    words: str = ""
    name: str = ""
    event_id: str = ""


def _source_of(event: Event | None, values: IdentityValues | None) -> _Source:
    if event is None:
        return _Source()
    kind = kept_text(flag_text(event.event_type) or "", _MAX_TEXT_LENGTH, values)
    data = event.data
    if data is None:
        return _Source(kind)
    action = text_of(data.product_action.action) if data.product_action is not None else None
    given = action or text_of(data.event_name) or text_of(data.screen_name) or ""
    event_id = text_of(data.source_message_id) or text_of(data.event_id) or ""
    # Each alone: a long kind must not cost the name.
    name = kept_text(given, _MAX_TEXT_LENGTH, values)
    return _Source(f"{kind} {name}".strip()[:_MAX_TEXT_LENGTH], name, kept_text(event_id, _MAX_TEXT_LENGTH, values))
