"""The API's endpoint of received events by name: how many, and what becomes of them."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.activity.event_names import MAX_NAME_LENGTH
from tiktok_forwarder.api.endpoint import Call, Endpoint
from tiktok_forwarder.mapping.explanation.targets import can_be_mapped, targets_of


class ReceivedEventsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """An optional connection; without one, the events of all."""

    connection: str | None = None


class ReceivedEventView(Struct, frozen=True):
    """Events of one type and name that a connection received, counted from the first one on.

    `unmapped` ones were dropped because no mapping was for them, `dropped` ones for other reasons, last for
    `last_reason`. `tiktok_events` is what the connection's present mappings make of them, if conditions are met; empty
    is nothing. `can_be_mapped`: a custom mapping can name them. An empty type stands for all events whose names were
    too many at the same time.
    """

    connection_id: str
    connection: str
    event_type: str
    event_name: str
    first_seen_ms: int
    last_seen_ms: int
    mapped: int
    unmapped: int
    dropped: int
    last_reason: str
    tiktok_events: list[str]
    can_be_mapped: bool


class ReceivedEventsView(Struct, frozen=True):
    """The names that existing connections received within 15 days, at most 500 of each; those seen last come first."""

    events: list[ReceivedEventView]


async def _received(call: Call[ReceivedEventsQuery, None]) -> ReceivedEventsView:
    connections = {each.id: each for each in call.services.connections.all()}
    name = call.query.connection
    wanted = call.services.connections.get(name) if name is not None else None
    rows = await call.services.activity.names(wanted.id if wanted is not None else None)
    rows = sorted(rows, key=lambda row: (-row.counts.last_ms, row.event_type, row.event_name))
    return ReceivedEventsView(
        [
            ReceivedEventView(
                connection.id,
                connection.name,
                row.event_type,
                row.event_name,
                row.counts.first_ms,
                row.counts.last_ms,
                row.counts.mapped,
                row.counts.unmapped,
                row.counts.dropped,
                row.counts.last_reason,
                targets_of(connection, row.event_type, row.event_name),
                can_be_mapped(row.event_type, row.event_name, MAX_NAME_LENGTH),
            )
            for row in rows
            if (connection := connections.get(row.connection_id)) is not None
        ]
    )


LIST_RECEIVED_EVENTS: Final = Endpoint(
    "GET",
    "/api/received-events",
    "list_received_events",
    "List received events by mParticle's type and name: how many, and what becomes of them.",
    "read",
    _received,
    can_miss=True,
)
