"""The API's endpoints of the activity: what happened to recent events, one event's records, and figures by time."""

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from tiktok_forwarder.activity.event_names import MAX_NAME_LENGTH, UNMAPPED_REASONS
from tiktok_forwarder.activity.figures import (
    SERVICE,
    FigureSet,
    InputFigureSet,
    Traffic,
    figure_set,
    traffic_by_input,
)
from tiktok_forwarder.activity.gathering import MINUTE_MS
from tiktok_forwarder.activity.records import (
    KeptRecord,
    MinuteFigures,
    ReceivedEvent,
    Record,
    RecordFilter,
    RecordOutcome,
)
from tiktok_forwarder.api.endpoint import Call, Endpoint, PlainCall
from tiktok_forwarder.api.explained import explained
from tiktok_forwarder.api.services import Services
from tiktok_forwarder.api.types import Number
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName
from tiktok_forwarder.domain.outcome import Answer
from tiktok_forwarder.mapping.explanation.advice import Advice, AdviceKind, advice_on
from tiktok_forwarder.mapping.explanation.explain import Explanation
from tiktok_forwarder.mapping.explanation.targets import can_be_mapped

_HOUR_MS: Final = 3_600_000
_MAX_STEPS: Final = 2000
# Stands for an empty event name in a path: a dropped event has no name at TikTok.
NO_NAME: Final = "-"
_RECORD_NO: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class ActivityQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Every condition given must be met.

    `before` is the last `record_no` of the previous page; `after` the newest one already known. `source_name` is
    mParticle's name of accepted and dropped events, in any case, `order_id` an order number sent to TikTok, as a
    property or as the event ID.
    """

    connection: str | None = None
    event: str | None = None
    outcome: RecordOutcome | None = None
    reason: str | None = None
    since_ms: Number | None = None
    before: Number | None = None
    after: Number | None = None
    event_id: str | None = None
    source_name: str | None = None
    order_id: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class RecordView(Struct, frozen=True):
    """One thing that happened. `event` is TikTok's name, empty for events dropped before they had one.

    `source` names accepted and dropped events in mParticle's words. `received` is what else is known of a dropped
    event, and `can_be_mapped` whether it lacked a mapping that one can make. `verdict` and `answer` are from the
    request that led to it. `payload` is the event object with digests, IP address and user agent. If one event's
    records are requested, `explanation` shows where each field came from, by the connection's settings of
    `connection_revision`.
    """

    record_no: int
    at_ms: int
    connection_id: str
    connection: str
    outcome: RecordOutcome
    event: str
    event_id: str
    reason: str
    detail: str
    source: str
    warnings: list[str]
    verdict: str
    answer: Answer | None
    group_events: int
    seconds: float
    attempts: int
    accepted_at_ms: int | None
    due_ms: int | None
    payload: Any
    connection_revision: int
    explanation: list[Explanation]
    advice: Advice | None
    received: ReceivedEvent | None
    can_be_mapped: bool


class ActivityView(Struct, frozen=True):
    """Records, newest first.

    `before` requests the next page, None at the end; `newest`, as `after`, requests later records.

    `lost_records` could not be kept.
    """

    records: list[RecordView]
    before: int | None
    newest: int
    lost_records: int


class FiguresQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The time range in whole minutes; by default the last hour. `step_minutes` 0 gives one sum per connection."""

    connection: str | None = None
    from_ms: Number | None = None
    until_ms: Number | None = None
    step_minutes: Annotated[int, Meta(ge=0, le=100_000)] = 0


class FiguresStep(Struct, frozen=True):
    from_ms: int
    figures: FigureSet


class ConnectionFigures(Struct, frozen=True):
    """One connection's figures. `steps` in which nothing happened are omitted."""

    connection_id: str
    connection: str
    total: FigureSet
    steps: list[FiguresStep]


class FiguresView(Struct, frozen=True):
    from_ms: int
    until_ms: int
    connections: list[ConnectionFigures]


class InputFiguresQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The time range in whole minutes; by default the last hour. Without a name, all inputs."""

    input: str | None = None
    from_ms: Number | None = None
    until_ms: Number | None = None


class InputAtConnection(Struct, frozen=True):
    """What came of one input's events at one connection."""

    connection_id: str
    connection: str
    figures: InputFigureSet


class InputFigures(Struct, frozen=True):
    """One input's figures: what it received, and what came of that at each connection. Removed inputs are included."""

    input: str
    traffic: Traffic
    connections: list[InputAtConnection]


class InputFiguresView(Struct, frozen=True):
    from_ms: int
    until_ms: int
    inputs: list[InputFigures]


def _id_of(services: Services, name_or_id: str) -> str:
    """Return the connection's ID. A deleted connection is found by its ID."""
    found = services.connections.find(name_or_id)
    return found.id if found is not None else name_or_id


def _names(services: Services) -> Mapping[str, str]:
    return {each.id: each.name for each in services.connections.all()}


async def _recent(call: Call[ActivityQuery, None]) -> ActivityView:
    query = call.query
    connection_id = _id_of(call.services, query.connection) if query.connection is not None else None
    which = RecordFilter(
        connection_id,
        query.event,
        query.outcome,
        query.reason,
        query.since_ms,
        query.before,
        query.limit,
        query.event_id,
        query.after,
        query.source_name.strip().lower() if query.source_name is not None else None,
        query.order_id,
    )
    newest = await call.services.activity.newest()
    kept = await call.services.activity.recent(which)
    names = _names(call.services)
    before = kept[-1].record_no if len(kept) == query.limit else None
    newest = max(newest, kept[0].record_no if kept else 0)
    return ActivityView([_view(each, names) for each in kept], before, newest, call.services.activity.lost_records)


async def _record(call: PlainCall) -> RecordView:
    text = call.path["record_no"]
    kept = await call.services.activity.one(int(text)) if _RECORD_NO.fullmatch(text) else None
    if kept is None:
        raise UnknownName(f"record {text} not found: it is too old, or was erased")
    return _view(kept, _names(call.services))


async def _way(call: PlainCall) -> list[RecordView]:
    name = call.path["event"] if call.path["event"] != NO_NAME else ""
    event_id = call.path["event_id"]
    kept = await call.services.activity.way(_id_of(call.services, call.path["connection"]), name, event_id)
    if not kept:
        raise UnknownName(
            f"the activity holds no {name or 'dropped event'} with the id {event_id} of {call.path['connection']}: "
            "it never came, was left out of the sample, or is too long ago"
        )
    names = _names(call.services)
    return [_view(each, names, await _explanation(call.services, each)) for each in kept]


async def _explanation(services: Services, kept: KeptRecord) -> list[Explanation]:
    record, facts = kept.record, kept.record.facts
    return await explained(
        services, record.connection_id, facts.connection_revision, record.payload, facts.field_sources
    )


async def _figures(call: Call[FiguresQuery, None]) -> FiguresView:
    query = call.query
    from_ms, until_ms = _time_of(call.services, query)
    _check_time(from_ms, until_ms, query.step_minutes)
    connection_id = _id_of(call.services, query.connection) if query.connection is not None else None
    minutes = await call.services.activity.figures(from_ms, until_ms, connection_id)
    names = _names(call.services)
    connections = [
        ConnectionFigures(
            each, names.get(each, each), figure_set(m.figures for m in found), _steps(found, query.step_minutes)
        )
        for each, found in _by_connection(minutes)
        if each != SERVICE
    ]
    return FiguresView(from_ms, until_ms, connections)


async def _input_figures(call: Call[InputFiguresQuery, None]) -> InputFiguresView:
    query = call.query
    from_ms, until_ms = _time_of(call.services, query)
    _check_time(from_ms, until_ms, 0)
    traffic: dict[str, Traffic] = {}
    connections: dict[str, list[InputAtConnection]] = {}
    names = _names(call.services)
    for connection_id, minutes in _by_connection(await call.services.activity.figures(from_ms, until_ms)):
        figures = [each.figures for each in minutes]
        if connection_id == SERVICE:
            traffic = traffic_by_input(figures)
            continue
        for name, found in figure_set(figures).inputs.items():
            at = InputAtConnection(connection_id, names.get(connection_id, connection_id), found)
            connections.setdefault(name, []).append(at)
    inputs = [
        InputFigures(name, traffic.get(name, Traffic()), connections.get(name, []))
        for name in sorted({*traffic, *connections})
        if query.input is None or name.lower() == query.input.lower()
    ]
    return InputFiguresView(from_ms, until_ms, inputs)


def _time_of(services: Services, query: FiguresQuery | InputFiguresQuery) -> tuple[int, int]:
    until_ms = query.until_ms if query.until_ms is not None else services.activity.now_ms()
    return query.from_ms if query.from_ms is not None else max(0, until_ms - _HOUR_MS), until_ms


def _by_connection(minutes: Sequence[MinuteFigures]) -> list[tuple[str, list[MinuteFigures]]]:
    """Return the minutes by connection ID, sorted."""
    by_connection: dict[str, list[MinuteFigures]] = {}
    for minute in minutes:
        by_connection.setdefault(minute.connection_id, []).append(minute)
    return sorted(by_connection.items())


def _check_time(from_ms: int, until_ms: int, step_minutes: int) -> None:
    if from_ms >= until_ms:
        raise ConfigurationError([f"from_ms must be before until_ms ({until_ms}), not {from_ms}"])
    if step_minutes and (until_ms - from_ms) // MINUTE_MS // step_minutes > _MAX_STEPS:
        raise ConfigurationError([f"step_minutes must give at most {_MAX_STEPS:,} steps; {step_minutes} gives more"])


def _steps(minutes: Sequence[MinuteFigures], step_minutes: int) -> list[FiguresStep]:
    """Return the figures by step. Steps begin at multiples of their length since 1970."""
    if not step_minutes:
        return []
    return [
        FiguresStep(step * step_minutes * MINUTE_MS, figure_set(each.figures for each in found))
        for step, found in groupby(minutes, key=lambda each: each.minute // step_minutes)
    ]


def _advice(record: Record) -> Advice | None:
    kinds: Mapping[str, AdviceKind] = {"dropped": "dropped", "dead_letter": "dead_letter"}
    kind = kinds.get(record.outcome)
    return advice_on(kind, record.reason) if kind is not None else None


def _view(kept: KeptRecord, names: Mapping[str, str], explanation: Sequence[Explanation] = ()) -> RecordView:
    record, facts = kept.record, kept.record.facts
    return RecordView(
        record_no=kept.record_no,
        at_ms=record.at_ms,
        connection_id=record.connection_id,
        connection=names.get(record.connection_id, record.connection_id),
        outcome=record.outcome,
        event=record.event_name,
        event_id=record.event_id,
        reason=record.reason,
        detail=facts.detail,
        source=facts.source,
        warnings=list(facts.warnings),
        verdict=facts.verdict,
        answer=facts.answer,
        group_events=facts.group_events,
        seconds=facts.seconds,
        attempts=facts.attempts,
        accepted_at_ms=facts.accepted_at_ms,
        due_ms=facts.due_ms,
        payload=msgspec.Raw(record.payload) if record.payload else None,
        connection_revision=facts.connection_revision,
        explanation=list(explanation),
        advice=_advice(record),
        received=facts.received,
        can_be_mapped=_can_be_mapped(record),
    )


def _can_be_mapped(record: Record) -> bool:
    received = record.facts.received
    is_unmapped = record.outcome == "dropped" and record.reason in UNMAPPED_REASONS
    if received is None or not is_unmapped:
        return False
    return can_be_mapped(received.event_type, received.event_name, MAX_NAME_LENGTH)


LIST_ACTIVITY: Final = Endpoint(
    "GET",
    "/api/activity",
    "list_activity",
    "List what happened to recent events, newest first.",
    "read",
    _recent,
)
SHOW_RECORD: Final = Endpoint(
    "GET",
    "/api/activity/record/{record_no:int}",
    "show_record",
    "Return one record of the activity, such as a dropped event without an ID.",
    "read",
    _record,
    can_miss=True,
)
SHOW_WAY: Final = Endpoint(
    "GET",
    "/api/activity/{connection}/{event}/{event_id}",
    "show_way",
    "List one event's records, oldest first. Use - as the event's name if it was dropped before it had one.",
    "read",
    _way,
    can_miss=True,
)
SHOW_FIGURES: Final = Endpoint(
    "GET",
    "/api/figures",
    "show_figures",
    "Return figures per connection for a period: counts, delivery times, match keys, warnings.",
    "read",
    _figures,
    can_refuse=True,
)
SHOW_INPUT_FIGURES: Final = Endpoint(
    "GET",
    "/api/figures/inputs",
    "show_input_figures",
    "Return figures per input for a period: events received, requests refused, purchases, match keys.",
    "read",
    _input_figures,
    can_refuse=True,
)

ACTIVITY_ENDPOINTS: Final = (
    LIST_ACTIVITY,
    SHOW_RECORD,
    SHOW_WAY,
    SHOW_FIGURES,
    SHOW_INPUT_FIGURES,
)
