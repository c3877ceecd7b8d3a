"""The API's endpoints of the service itself: its state and its API keys."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import structs

from tiktok_forwarder.access.api_keys import ApiKey, NewApiKey
from tiktok_forwarder.access.audit import AuditEntry
from tiktok_forwarder.api.endpoint import Call, Endpoint
from tiktok_forwarder.api.types import AuditQuery, ConnectionStatus, NewKeyBody, RemovedView, StatusView
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.mapping.connection import Connection, warnings_on
from tiktok_forwarder.operations.key_rotation import Rotation
from tiktok_forwarder.store.events import QueueCounts, StoreSnapshot, TotalsRow


async def _status(call: Call) -> StatusView:
    books: StoreSnapshot = await call.parts.store.snapshot()
    statuses: Mapping[str, DeliveryStatus] = call.parts.deliverer.statuses()
    connections = [
        _status_of(each, books.totals, books.counts.get(each.id), statuses.get(each.id))
        for each in call.parts.connections.all()
    ]
    return StatusView(call.parts.deliverer.is_running, list(await call.parts.store.troubles()), connections)


def _status_of(
    connection: Connection, totals: Sequence[TotalsRow], queue: QueueCounts | None, delivery: DeliveryStatus | None
) -> ConnectionStatus:
    rows = [row for row in totals if row.connection_id == connection.id]
    dropped = {row.reason: row.count for row in rows if row.counter == "dropped"}
    books = {row.counter: row.count for row in rows if row.counter != "dropped"}
    return ConnectionStatus(
        connection.id,
        connection.name,
        {**books, "dropped": sum(dropped.values())},
        dropped,
        queue,
        delivery,
        warnings_on(connection),
    )


async def _keys(call: Call) -> list[ApiKey]:
    keys: list[ApiKey] = call.parts.api_keys.all()
    return keys


async def _make_key(call: Call) -> NewApiKey:
    given: NewKeyBody = call.body
    key: NewApiKey = await call.parts.api_keys.make(given.name, given.scope, call.who)
    return key


async def _revoke_key(call: Call) -> RemovedView:
    revoked = await call.parts.api_keys.revoke(call.path["name"], call.who)
    return RemovedView(revoked.id, revoked.name)


async def _audit(call: Call) -> list[AuditEntry]:
    entries: list[AuditEntry] = await call.parts.audit.latest(call.query.limit)
    return entries


async def _rotate_encryption_key(call: Call) -> Rotation:
    rotation: Rotation = await call.parts.key_rotation.rotate()
    await call.parts.audit.record("rotate_encryption_key", call.who, structs.asdict(rotation))
    return rotation


SERVICE_ENDPOINTS: Final = (
    Endpoint("GET", "/api/status", "status", "Books, queues and delivery by connection.", "read", StatusView, _status),
    Endpoint("GET", "/api/keys", "list_api_keys", "The API keys there are.", "admin", list[ApiKey], _keys),
    Endpoint(
        "POST",
        "/api/keys",
        "make_api_key",
        "Make an API key, which is shown this once.",
        "admin",
        NewApiKey,
        _make_key,
        body=NewKeyBody,
        status=201,
        can_refuse=True,
    ),
    Endpoint(
        "GET",
        "/api/audit",
        "list_audit",
        "Who erased, replayed, discarded and changed the encryption key, and when; newest first.",
        "admin",
        list[AuditEntry],
        _audit,
        query=AuditQuery,
    ),
    Endpoint(
        "POST",
        "/api/encryption-key/rotate",
        "rotate_encryption_key",
        "Seal every stored secret with a new key; backups made before still need the old one.",
        "admin",
        Rotation,
        _rotate_encryption_key,
        can_refuse=True,
    ),
    Endpoint(
        "DELETE",
        "/api/keys/{name}",
        "revoke_api_key",
        "Revoke an API key, by name or id.",
        "admin",
        RemovedView,
        _revoke_key,
        can_miss=True,
    ),
)
