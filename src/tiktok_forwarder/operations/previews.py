"""Previews: maps batches under settings that are not saved yet. Nothing is stored or sent."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, ParamSpec, TypeVar

import msgspec
from msgspec import Struct

from tiktok_forwarder.activity.development_events import DevelopmentEvents, KeptEvent
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.mapping.connection import Connection, read_connection
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mapping.explanation.advice import Advice, advice_on
from tiktok_forwarder.mapping.explanation.differences import differences
from tiktok_forwarder.mapping.explanation.explain import Explanation, explain, omitted_fields
from tiktok_forwarder.mapping.explanation.rule_results import RuleResult, TracingMapper
from tiktok_forwarder.mapping.redaction.memory import forget_texts
from tiktok_forwarder.mapping.sources import Occurrence
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.mparticle.values import flag_text

_BOUNDS: Final = Bounds(max_body_bytes=1024 * 1024, max_events=200)
_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_NAMELESS: Final = {"name": "Draft", "pixel_id": "DRAFT"}


class PreviewedOutcome(Struct, frozen=True):
    """One outcome of a preview.

    A mapped one has a payload, its warnings and an explanation of each field; a dropped one a reason, a sentence about
    this event (`detail`) and what to change (`advice`). Both have the result of each forwarding rule, unless an earlier
    check dropped the event.
    """

    batch_index: int
    event_index: int
    outcome: str
    event: str = ""
    event_id: str = ""
    payload: Any = None
    warnings: Sequence[str] = ()
    explanation: Sequence[Explanation] = ()
    reason: str = ""
    detail: str = ""
    advice: Advice | None = None
    rules: Sequence[RuleResult] = ()


class KeptOutcome(Struct, frozen=True):
    """A kept development event with its raw input and its outcome under the connection's current settings."""

    at_ms: int
    event_type: str
    event_name: str
    batch: Any
    outcomes: Sequence[PreviewedOutcome]


class ChangedEvent(Struct, frozen=True):
    """A kept development event whose outcome would change. `differences` are lines such as a: 1 → 2."""

    at_ms: int
    event_type: str
    event_name: str
    differences: Sequence[str]


class Comparison(Struct, frozen=True):
    kept: int
    unchanged: int
    changed: Sequence[ChangedEvent]


class Previews:
    def __init__(self, connections: Connections, development_events: DevelopmentEvents, clock: Clock) -> None:
        self._connections = connections
        self._development_events = development_events
        self._clock = clock

    def draft(self, name_or_id: str | None, settings: Mapping[str, object]) -> Connection:
        """Return the connection with these changes, or a new one with these settings. Raises `ConfigurationError`."""
        if name_or_id is not None:
            return self._connections.draft(name_or_id, settings)
        return read_connection({**_NAMELESS, **settings}, needs_token=False).connection

    async def outcomes(self, connection: Connection, body: bytes, received_at_ms: int | None) -> list[PreviewedOutcome]:
        """Return the outcomes of the batches in the body. Raises `UnreadableBody`."""
        at_ms = received_at_ms if received_at_ms is not None else self._clock.now_ms()
        # Run in a thread: explaining takes many times as long as mapping, and senders are waiting.
        return await _in_thread(_outcomes, connection, body, at_ms)

    async def kept(self, connection: Connection) -> list[KeptOutcome]:
        """Return the connection's development events, the latest first."""
        return await _in_thread(_kept_outcomes, connection, await self._development_events.get(connection.id))

    async def comparison(self, connection: Connection, draft: Connection) -> Comparison:
        """Return what the draft would change for the kept events. Raises `ConfigurationError` if none can be kept."""
        if not self._development_events.limit:
            raise ConfigurationError(["development_events_kept is 0: the service keeps no development events"])
        return await _in_thread(_compared, await self._development_events.get(connection.id), connection, draft)


async def _in_thread(work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs) -> _Result:
    try:
        return await asyncio.to_thread(work, *given, **named)
    finally:
        forget_texts()


def _outcomes(connection: Connection, body: bytes, at_ms: int) -> list[PreviewedOutcome]:
    batches = parse_body(body, _BOUNDS)
    return [outcome for index, batch in enumerate(batches) for outcome in _previewed(connection, index, batch, at_ms)]


def _compared(kept: Sequence[KeptEvent], connection: Connection, draft: Connection) -> Comparison:
    before, after = Mapper(connection), Mapper(draft)
    changed: list[ChangedEvent] = []
    for each in kept:
        lines = differences(_outcomes_of(before, each), _outcomes_of(after, each))
        if lines:
            changed.append(ChangedEvent(each.at_ms, *_named(each), lines))
    return Comparison(len(kept), len(kept) - len(changed), changed)


def _outcomes_of(mapper: Mapper, kept: KeptEvent) -> list[Outcome]:
    return mapper.map_batch(kept.batch, kept.at_ms, allows_purchases=kept.allows_purchases)


def _previewed(
    connection: Connection, batch_index: int, batch: Batch, at_ms: int, *, allows_purchases: bool = True
) -> list[PreviewedOutcome]:
    traced = TracingMapper(connection).trace_batch(batch, at_ms, allows_purchases=allows_purchases)
    return [_preview_of(connection, batch_index, outcome, rules) for outcome, rules in traced]


def _preview_of(
    connection: Connection, batch_index: int, outcome: Outcome, rules: Sequence[RuleResult]
) -> PreviewedOutcome:
    if isinstance(outcome, Mapped):
        return PreviewedOutcome(
            batch_index,
            outcome.event_index,
            "mapped",
            outcome.event,
            outcome.event_id,
            msgspec.Raw(outcome.payload),
            outcome.warnings,
            [
                *explain(outcome.payload, connection, outcome.sources, outcome.event_index),
                *omitted_fields(connection),
            ],
            rules=rules,
        )
    return PreviewedOutcome(
        batch_index,
        outcome.event_index,
        "dropped",
        reason=outcome.reason,
        detail=outcome.detail,
        advice=advice_on("dropped", outcome.reason),
        rules=rules,
    )


def _kept_outcomes(connection: Connection, kept: Sequence[KeptEvent]) -> list[KeptOutcome]:
    return [_kept_outcome(connection, each) for each in kept]


def _kept_outcome(connection: Connection, kept: KeptEvent) -> KeptOutcome:
    outcomes = _previewed(connection, 0, kept.batch, kept.at_ms, allows_purchases=kept.allows_purchases)
    return KeptOutcome(kept.at_ms, *_named(kept), msgspec.Raw(kept.raw), outcomes)


def _named(kept: KeptEvent) -> tuple[str, str]:
    """Return type and name as in mParticle."""
    event = kept.event
    if event is None:
        return "", ""
    event_type = (flag_text(event.event_type) or "").lower()
    name = Occurrence(kept.batch, event, event.data, event_type).name if event.data is not None else None
    return event_type, name or ""
