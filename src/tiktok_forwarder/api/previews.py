"""The API's endpoints for custom mappings: recently received events, and previews of their mapping."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.activity.seen_names import SeenEvent
from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.services import Services
from tiktok_forwarder.api.types import Number, Settings
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.explanation.advice import Advice, AdviceKind, all_advice
from tiktok_forwarder.operations.previews import Comparison, KeptOutcome, PreviewedOutcome


class SeenQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """An optional connection; without one, the events that any input received."""

    connection: str | None = None


class SeenView(Struct, frozen=True):
    """Seen events, the latest first. Names only; since the service's start."""

    events: list[SeenEvent]


class PreviewBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings and batches to preview.

    `settings` are changes of the named connection, or those of a new one; no token is needed. `batches` is what a
    sender would send: JSON of any form, or a text that contains it.
    """

    batches: Any
    connection: str | None = None
    settings: Settings = {}
    received_at_ms: Number | None = None


class PreviewView(Struct, frozen=True):
    outcomes: list[PreviewedOutcome]


class DevelopmentQuery(Struct, frozen=True, forbid_unknown_fields=True):
    connection: str


class DevelopmentView(Struct, frozen=True):
    """Development events, the latest first; at most `limit` are kept, 0 keeps none."""

    limit: int
    events: list[KeptOutcome]


class ComparisonBody(Struct, frozen=True, forbid_unknown_fields=True):
    connection: str
    settings: Settings


class AdviceView(Struct, frozen=True):
    """Advice by kind, then by reason."""

    dropped: dict[str, Advice]
    dead_letter: dict[str, Advice]
    warning: dict[str, Advice]


def _get_connection(services: Services, name: str) -> Connection:
    return services.connections.get(name)


async def _seen(call: Call[SeenQuery, None]) -> SeenView:
    query = call.query
    inputs = call.services.inputs.all()
    names = [each.name for each in inputs]
    if query.connection is not None:
        fed_by = [name.lower() for name in _get_connection(call.services, query.connection).inputs]
        names = [name for name in names if not fed_by or name.lower() in fed_by]
    return SeenView(await call.services.seen_names.list_for_inputs(names))


async def _preview(call: Call[Nothing, PreviewBody]) -> PreviewView:
    given = call.body
    draft = call.services.previews.draft(given.connection, given.settings)
    body = given.batches.encode() if isinstance(given.batches, str) else msgspec.json.encode(given.batches)
    return PreviewView(await call.services.previews.outcomes(draft, body, given.received_at_ms))


async def _development(call: Call[DevelopmentQuery, None]) -> DevelopmentView:
    kept = await call.services.previews.kept(_get_connection(call.services, call.query.connection))
    return DevelopmentView(call.services.development_events.limit, kept)


async def _compare(call: Call[Nothing, ComparisonBody]) -> Comparison:
    given = call.body
    connection = _get_connection(call.services, given.connection)
    return await call.services.previews.comparison(
        connection, call.services.previews.draft(connection.id, given.settings)
    )


async def _advice(_call: PlainCall) -> AdviceView:
    kinds: dict[AdviceKind, dict[str, Advice]] = {kind: dict(found) for kind, found in all_advice().items()}
    return AdviceView(**kinds)


LIST_SEEN: Final = Endpoint(
    "GET",
    "/api/seen",
    "list_seen",
    "List recently received events by name, with the names of their attributes.",
    "read",
    _seen,
    can_miss=True,
)
PREVIEW: Final = Endpoint(
    "POST",
    "/api/preview",
    "preview",
    "Preview the TikTok events that batches map to, field by field. Nothing is stored or sent.",
    "read",
    _preview,
    can_miss=True,
    can_refuse=True,
)
LIST_DEVELOPMENT_EVENTS: Final = Endpoint(
    "GET",
    "/api/development-events",
    "list_development_events",
    "List a connection's latest development events with their raw input, if the service keeps any.",
    "operate",
    _development,
    can_miss=True,
)
COMPARE_DEVELOPMENT_EVENTS: Final = Endpoint(
    "POST",
    "/api/preview/development",
    "compare_development_events",
    "Show the effect of changed settings on the kept development events.",
    "operate",
    _compare,
    can_miss=True,
    can_refuse=True,
)
LIST_ADVICE: Final = Endpoint(
    "GET",
    "/api/advice",
    "list_advice",
    "Explain each drop reason, dead-letter reason and warning, and how to fix it.",
    "read",
    _advice,
)

PREVIEW_ENDPOINTS: Final = (
    LIST_SEEN,
    PREVIEW,
    LIST_DEVELOPMENT_EVENTS,
    COMPARE_DEVELOPMENT_EVENTS,
    LIST_ADVICE,
)
