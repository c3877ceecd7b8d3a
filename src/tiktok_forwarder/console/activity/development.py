"""Kept development events for a page: the input, its outcomes, and the sources of the fields."""

from typing import Any

import msgspec
from msgspec import Struct

from tiktok_forwarder.console.activity.advice import AdviceCatalog, LinkedAdvice
from tiktok_forwarder.console.activity.fields import FieldRow, field_rows
from tiktok_forwarder.console.activity.labels import source_words
from tiktok_forwarder.console.rendering import sentence
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.operations.previews import KeptOutcome, PreviewedOutcome


class DevelopmentOutcome(Struct, frozen=True):
    """One outcome: mapped to TikTok's `event`, or dropped because of `advice`."""

    event: str
    event_id: str
    payload: Any
    fields: list[FieldRow]
    warnings: list[LinkedAdvice]
    detail: str
    advice: LinkedAdvice | None


class DevelopmentEvent(Struct, frozen=True):
    """One event as received. `raw` is JSON."""

    at_ms: int
    connection_id: str
    connection: str
    about: str
    outcomes: list[DevelopmentOutcome]
    raw: str


def development_event_of(kept: KeptOutcome, connection: Connection, catalog: AdviceCatalog) -> DevelopmentEvent:
    """Describe a kept event. Outcomes and explanations follow the connection's current settings."""
    return DevelopmentEvent(
        kept.at_ms,
        connection.id,
        connection.name,
        source_words(f"{kept.event_type} {kept.event_name}".strip()) or "Unreadable event",
        [_outcome_of(each, catalog) for each in kept.outcomes],
        msgspec.json.format(msgspec.json.encode(kept.batch), indent=2).decode(),
    )


def _outcome_of(outcome: PreviewedOutcome, catalog: AdviceCatalog) -> DevelopmentOutcome:
    return DevelopmentOutcome(
        outcome.event,
        outcome.event_id,
        outcome.payload,
        field_rows(outcome.payload, outcome.explanation) if outcome.payload is not None else [],
        [catalog.get(each) for each in outcome.warnings],
        sentence(outcome.detail),
        catalog.get(outcome.reason) if outcome.reason else None,
    )
