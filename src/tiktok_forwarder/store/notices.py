"""The interface of stored notices: the open incidents, and the messages about them to recipients.

An incident is opened and closed once, whichever process does it: its notices are stored with that, in one transaction.
The methods raise `StoreUnavailable` when the store cannot be used, and no error of the underlying library.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from msgspec import Struct

NoticeState = Literal["waiting", "sent", "failed"]

MAX_NOTICES: Final = 1000
"""How many notices are kept. A new one beyond that replaces the oldest that is not waiting, or else the oldest."""
KEPT_MS: Final = 24 * 3_600_000
"""How long a notice is kept after it was created, sent or not."""


class StoredIncident(Struct, frozen=True):
    """An open incident. Kind and subject identify it. `away_since_ms`: it has not been found since then, but is open.

    The body is opaque here.
    """

    kind: str
    subject: str
    opened_at_ms: int
    body: bytes
    away_since_ms: int | None = None


class StoredNotice(Struct, frozen=True):
    """A message to one recipient. `due_ms` is the time of the next attempt while it is waiting.

    `reason` is why the last attempt failed; `settled_at_ms` is when it was sent, or given up. The body is opaque here.
    """

    id: str
    recipient_id: str
    created_at_ms: int
    body: bytes
    state: NoticeState = "waiting"
    due_ms: int = 0
    attempts: int = 0
    reason: str = ""
    settled_at_ms: int | None = None


class NoticeStore(Protocol):
    """Open incidents and recent notices. Every process that shares the store sees a change immediately."""

    async def incidents(self) -> Sequence[StoredIncident]:
        """Return the open incidents, the one that was opened first comes first."""
        ...

    async def open_incident(self, incident: StoredIncident, notices: Sequence[StoredNotice]) -> bool:
        """Store an incident with its notices; return False, and store nothing, if it is open already."""
        ...

    async def mark_incident(self, kind: str, subject: str, away_since_ms: int | None) -> None:
        """Record since when an open incident has been away; None: it was found again."""
        ...

    async def close_incident(self, kind: str, subject: str, notices: Sequence[StoredNotice]) -> bool:
        """Delete an incident, and store its notices; return False, and store nothing, if it is not open."""
        ...

    async def add_notices(self, notices: Sequence[StoredNotice]) -> None:
        """Store notices that are about no incident; those that are stored already stay as they are."""
        ...

    async def notices(self, limit: int) -> Sequence[StoredNotice]:
        """Return the newest notices, newest first."""
        ...

    async def notice(self, notice_id: str) -> StoredNotice | None: ...

    async def due_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        """Return the waiting notices that are due, oldest first."""
        ...

    async def settle_notice(self, notice: StoredNotice) -> None:
        """Store the outcome of an attempt: state, next time, attempts and reason. Does nothing if it is gone."""
        ...

    async def delete_old_notices(self, now_ms: int) -> Sequence[StoredNotice]:
        """Delete the notices that were created more than `KEPT_MS` ago; return those that were never sent.

        Of several callers, one gets a notice.
        """
        ...
