"""The API's endpoints of the service itself: its state and its API keys."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import structs

from tiktok_forwarder.access.api_keys import ApiKey, NewApiKey
from tiktok_forwarder.access.audit import AuditEntry
from tiktok_forwarder.api.endpoint import Call, Endpoint, Nothing, PlainCall
from tiktok_forwarder.api.types import (
    AttentionView,
    AuditQuery,
    ConnectionStatus,
    NewKeyBody,
    RemovedView,
    SiteScriptView,
    StatusView,
)
from tiktok_forwarder.connections.connections import idle_input_warnings
from tiktok_forwarder.delivery.clock_comparison import clock_warning
from tiktok_forwarder.delivery.condition import is_stopped
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.mapping.connection import Connection, warnings_on
from tiktok_forwarder.operations.dead_letter_ends import end_warnings
from tiktok_forwarder.operations.key_rotation import Rotation
from tiktok_forwarder.operations.quotas import quota_warnings
from tiktok_forwarder.store.totals import QueueCounts, TotalsRow


async def _status(call: PlainCall) -> StatusView:
    books = await call.services.store.snapshot()
    statuses = await call.services.deliverer.statuses_of_nodes()
    ends: Mapping[str, int] = {}
    if any(each.dead_letters for each in books.counts.values()):
        ends = await call.services.dead_letters.ending_soon()
    connections = [
        structs.replace(
            _status_of(each, books.totals, books.counts.get(each.id), statuses.get(each.id), ends.get(each.id)),
            first_steps_put_away=call.services.first_steps.is_put_away(each.id),
        )
        for each in call.services.connections.all()
    ]
    difference_seconds = call.services.clock_comparison.difference_seconds
    warnings = [*call.services.setting_warnings, *(risk.message for risk in await call.services.risks.risks())]
    if warning := clock_warning(difference_seconds):
        warnings.append(warning)
    warnings += idle_input_warnings(call.services.connections.idle_inputs())
    return StatusView(
        call.services.deliverer.is_running or bool(statuses),
        list(await call.services.store.problems()),
        connections,
        difference_seconds,
        warnings,
        await call.services.kafka.statuses(),
    )


def _status_of(
    connection: Connection,
    totals: Sequence[TotalsRow],
    queue: QueueCounts | None,
    delivery: DeliveryStatus | None,
    first_end_ms: int | None,
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
        [*warnings_on(connection), *quota_warnings(queue), *end_warnings(first_end_ms)],
    )


async def _attention(call: PlainCall) -> AttentionView:
    connection_ids = call.services.connections.connection_ids()
    statuses = await call.services.deliverer.stored_statuses()
    counts = await call.services.store.counts()
    dead_letters = sum(each.dead_letters for key, each in counts.items() if key in connection_ids)
    return AttentionView(
        paused_connections=sum(each.is_paused for each in statuses),
        dead_letters=dead_letters,
        stopped_connections=sum(is_stopped(each) for each in statuses),
    )


async def _site_script(call: PlainCall) -> SiteScriptView:
    script = call.services.site_script
    return SiteScriptView(script.path, script.pinned_path, script.integrity)


async def _keys(call: PlainCall) -> list[ApiKey]:
    return call.services.api_keys.all()


async def _make_key(call: Call[Nothing, NewKeyBody]) -> NewApiKey:
    given = call.body
    return await call.services.api_keys.make(given.name, given.scope, call.who)


async def _revoke_key(call: PlainCall) -> RemovedView:
    revoked = await call.services.api_keys.revoke(call.path["name"], call.who)
    return RemovedView(revoked.id, revoked.name)


async def _audit(call: Call[AuditQuery, None]) -> list[AuditEntry]:
    return await call.services.audit.latest(call.query.limit)


async def _rotate_encryption_key(call: PlainCall) -> Rotation:
    rotation = await call.services.key_rotation.rotate()
    await call.services.audit.record("rotate_encryption_key", call.who, structs.asdict(rotation))
    return rotation


STATUS: Final = Endpoint(
    "GET",
    "/api/status",
    "status",
    "Show totals, queues and delivery state per connection.",
    "read",
    _status,
)
ATTENTION: Final = Endpoint(
    "GET",
    "/api/attention",
    "attention",
    "Count what may need an operator: connections that are paused or refused, and dead letters.",
    "read",
    _attention,
)
SHOW_SITE_SCRIPT: Final = Endpoint(
    "GET",
    "/api/site-script",
    "show_site_script",
    "Show the paths of the script for sites, and the integrity hash of its present version.",
    "read",
    _site_script,
)
LIST_API_KEYS: Final = Endpoint("GET", "/api/keys", "list_api_keys", "List the API keys.", "admin", _keys)
MAKE_API_KEY: Final = Endpoint(
    "POST",
    "/api/keys",
    "make_api_key",
    "Create an API key. It is not shown again.",
    "admin",
    _make_key,
    status=201,
    can_refuse=True,
)
LIST_AUDIT: Final = Endpoint(
    "GET",
    "/api/audit",
    "list_audit",
    "List who erased, replayed, discarded and rotated the encryption key, and when; newest first.",
    "admin",
    _audit,
)
ROTATE_ENCRYPTION_KEY: Final = Endpoint(
    "POST",
    "/api/encryption-key/rotate",
    "rotate_encryption_key",
    "Encrypt every stored secret with a new key. Earlier backups still need the old key.",
    "admin",
    _rotate_encryption_key,
    can_refuse=True,
)
REVOKE_API_KEY: Final = Endpoint(
    "DELETE",
    "/api/keys/{name}",
    "revoke_api_key",
    "Revoke an API key, by name or ID.",
    "admin",
    _revoke_key,
    can_miss=True,
)

SERVICE_ENDPOINTS: Final = (
    STATUS,
    ATTENTION,
    SHOW_SITE_SCRIPT,
    LIST_API_KEYS,
    MAKE_API_KEY,
    LIST_AUDIT,
    ROTATE_ENCRYPTION_KEY,
    REVOKE_API_KEY,
)
