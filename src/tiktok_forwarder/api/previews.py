"""The API's endpoints for whoever makes a mapping: what came in lately, and what it would become."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.activity.seen_names import SeenEvent
from tiktok_forwarder.api.endpoint import Call, Endpoint
from tiktok_forwarder.api.types import Number, Settings
from tiktok_forwarder.domain.errors import UnknownName
from tiktok_forwarder.mapping.advice import Advice, AdviceKind, all_advice
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.operations.previews import Comparison, KeptOutcome, PreviewedOutcome


class SeenQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Without a connection, what any input brought."""

    connection: str | None = None


class SeenView(Struct, frozen=True):
    """The latest first. Names only; since the service's start."""

    events: list[SeenEvent]


class PreviewBody(Struct, frozen=True, forbid_unknown_fields=True):
    """`settings` are changes of the named connection, or those of a new one; no token is needed. `batches` is what a
    sender would send: JSON of any form, or a text that holds it."""

    batches: Any
    connection: str | None = None
    settings: Settings = {}
    received_at_ms: Number | None = None


class PreviewView(Struct, frozen=True):
    outcomes: list[PreviewedOutcome]


class DevelopmentQuery(Struct, frozen=True, forbid_unknown_fields=True):
    connection: str


class DevelopmentView(Struct, frozen=True):
    """The latest first; at most `most` are kept, 0 none."""

    most: int
    events: list[KeptOutcome]


class ComparisonBody(Struct, frozen=True, forbid_unknown_fields=True):
    connection: str
    settings: Settings


class AdviceView(Struct, frozen=True):
    """By kind, then by reason."""

    dropped: dict[str, Advice]
    dead_letter: dict[str, Advice]
    warning: dict[str, Advice]


def _named(call: Call, name: str) -> Connection:
    found: Connection | None = call.parts.connections.find(name)
    if found is None:
        raise UnknownName(f"there is no connection named {name}")
    return found


async def _seen(call: Call) -> SeenView:
    query: SeenQuery = call.query
    inputs = call.parts.inputs.all()
    names = [each.name for each in inputs]
    if query.connection is not None:
        fed_by = [name.lower() for name in _named(call, query.connection).inputs]
        names = [name for name in names if not fed_by or name.lower() in fed_by]
    return SeenView(call.parts.seen_names.of_inputs(names))


async def _preview(call: Call) -> PreviewView:
    given: PreviewBody = call.body
    draft = call.parts.previews.draft(given.connection, given.settings)
    body = given.batches.encode() if isinstance(given.batches, str) else msgspec.json.encode(given.batches)
    return PreviewView(await call.parts.previews.outcomes(draft, body, given.received_at_ms))


async def _development(call: Call) -> DevelopmentView:
    kept = call.parts.previews.kept(_named(call, call.query.connection))
    return DevelopmentView(call.parts.development_events.most, kept)


async def _compare(call: Call) -> Comparison:
    given: ComparisonBody = call.body
    connection = _named(call, given.connection)
    comparison: Comparison = await call.parts.previews.comparison(
        connection, call.parts.previews.draft(connection.id, given.settings)
    )
    return comparison


async def _advice(_call: Call) -> AdviceView:
    kinds: dict[AdviceKind, dict[str, Advice]] = {kind: dict(found) for kind, found in all_advice().items()}
    return AdviceView(**kinds)


PREVIEW_ENDPOINTS: Final = (
    Endpoint(
        "GET",
        "/api/seen",
        "list_seen",
        "Which events came in lately, by name, with the names of their attributes.",
        "read",
        SeenView,
        _seen,
        query=SeenQuery,
        can_miss=True,
    ),
    Endpoint(
        "POST",
        "/api/preview",
        "preview",
        "What batches would become at TikTok, field by field; nothing is stored or sent.",
        "read",
        PreviewView,
        _preview,
        body=PreviewBody,
        can_miss=True,
        can_refuse=True,
    ),
    Endpoint(
        "GET",
        "/api/development-events",
        "list_development_events",
        "A connection's latest development events with their raw input, if the service keeps any.",
        "operate",
        DevelopmentView,
        _development,
        query=DevelopmentQuery,
        can_miss=True,
    ),
    Endpoint(
        "POST",
        "/api/preview/development",
        "compare_development_events",
        "What changed settings would change for the kept development events.",
        "operate",
        Comparison,
        _compare,
        body=ComparisonBody,
        can_miss=True,
        can_refuse=True,
    ),
    Endpoint(
        "GET",
        "/api/advice",
        "list_advice",
        "What each drop reason, dead-letter reason and warning means, and what to change.",
        "read",
        AdviceView,
        _advice,
    ),
)
