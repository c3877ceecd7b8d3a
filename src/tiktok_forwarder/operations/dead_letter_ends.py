"""When dead letters end: so many days after they became dead letters, and not without a week's warning.

Ages are counted by clocks, which may be wrong. So the store keeps a time before which no dead letter ends. It is a week
after the first start that knows of ends, so that what an earlier version has kept does not end then; and a week after
this machine's clock was last found to be wrong, since letters of that time have wrong times. A restored backup and the
target of a migration have no such time yet, so a week passes there too.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.domain.clock import Clock
from tiktok_forwarder.store.expiring import ExpiringDocument, ExpiringKind, ExpiringPut, ExpiringStore

DAY_MS: Final = 86_400_000
WARNING_MS: Final = 7 * DAY_MS
_KIND: Final[ExpiringKind] = "retention"
_ID: Final = "dead_letters"
# As long as any store lasts.
_KEPT_MS: Final = 100 * 365 * DAY_MS


class _Stored(Struct, frozen=True):
    not_before_ms: int


class EndRule(Struct, frozen=True):
    """When dead letters end: after `days` (0: never), and none before `not_before_ms`."""

    days: int
    not_before_ms: int

    def end_of(self, dead_lettered_at_ms: int) -> int | None:
        """Return from when on this dead letter may be deleted, in ms since 1970; None if it has no end."""
        if not self.days:
            return None
        return max(self.not_before_ms, dead_lettered_at_ms + self.days * DAY_MS)


class DeadLetterEnds:
    """The rule of this store. Its methods raise `StoreUnavailable`."""

    def __init__(self, store: ExpiringStore, clock: Clock, days: int) -> None:
        self._store = store
        self._clock = clock
        self._days = days

    async def rule(self) -> EndRule:
        """Return the rule; before a node has established it, the earliest that it can be."""
        now_ms = self._clock.now_ms()
        document = await self._store.get_expiring(_KIND, _ID, now_ms)
        return EndRule(self._days, _not_before_ms(document) if document else now_ms + WARNING_MS)

    async def establish(self, now_ms: int) -> EndRule:
        """Return the rule, established at this time if it was not. Raises `RevisionConflict` if another node did so."""
        document = await self._store.get_expiring(_KIND, _ID, now_ms)
        if document is None:
            return await self._put(None, now_ms)
        return EndRule(self._days, _not_before_ms(document))

    async def put_off(self, now_ms: int) -> None:
        """Let no dead letter end within a week. Repeated, it stores once a day. Raises `RevisionConflict`."""
        document = await self._store.get_expiring(_KIND, _ID, now_ms)
        if document is None or _not_before_ms(document) < now_ms + WARNING_MS - DAY_MS:
            await self._put(document, now_ms)

    async def _put(self, document: ExpiringDocument | None, now_ms: int) -> EndRule:
        rule = EndRule(self._days, now_ms + WARNING_MS)
        body = msgspec.json.encode(_Stored(rule.not_before_ms))
        revision = document.revision if document else 0
        await self._store.put_expiring([ExpiringPut(_KIND, _ID, body, now_ms + _KEPT_MS, revision)], now_ms)
        return rule


def end_warnings(first_end_ms: int | None) -> list[str]:
    """Return a connection's warning for people, if a dead letter ends soon."""
    if first_end_ms is None:
        return []
    end = datetime.fromtimestamp(first_end_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return [f"dead letters end soon: the oldest is deleted after {end}; replay what should still be delivered"]


def _not_before_ms(document: ExpiringDocument) -> int:
    return msgspec.json.decode(document.body, type=_Stored).not_before_ms
