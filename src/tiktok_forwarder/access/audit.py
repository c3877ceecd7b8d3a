"""The audit: who did what, for actions that no other history records. Entries are added and never changed."""

import secrets
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.documents import DocumentStore

AuditedAction = Literal[
    "erase",
    "replay",
    "discard",
    "rotate_encryption_key",
    "login",
    "login_failed",
    "login_refused",
    "set_password",
    "console_link",
]
"""Changes of connections, inputs, users and API keys, and pauses, are in their own histories.

`login_failed` and `login_refused` are of the current password on the account page too. `login_refused` is a throttled
attempt, the first of a series: its password was not checked.
"""


class AuditEntry(Struct, frozen=True):
    """An audit entry. `what` contains counts and conditions; never an identity or a secret."""

    at_ms: int
    by: str
    action: AuditedAction
    what: Mapping[str, Any]


class Audit:
    def __init__(self, documents: DocumentStore, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    async def record(self, action: AuditedAction, by: str, what: Mapping[str, Any]) -> None:
        entry = AuditEntry(self._clock.now_ms(), by, action, what)
        await self._documents.put_document(
            "audit",
            f"au_{secrets.token_hex(8)}",
            msgspec.json.encode(entry),
            expected_revision=0,
            changed_by=by,
            now_ms=entry.at_ms,
        )

    async def latest(self, limit: int) -> list[AuditEntry]:
        """Return the latest entries, newest first."""
        documents = await self._documents.list_documents("audit")
        return [msgspec.json.decode(each.body, type=AuditEntry) for each in documents[: -limit - 1 : -1]]
