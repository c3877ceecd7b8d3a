"""What was accepted within 48 hours: rotating tables of 128-bit keys, so that forgetting is emptying a table."""

from hashlib import blake2b
from typing import Final

from tiktok_forwarder.adapters.sqlite_writer import Transaction
from tiktok_forwarder.ports import NewEvent
from tiktok_forwarder.sql import SEEN_SLOTS

# TikTok ignores repeats for 48 hours; so do we.
WINDOW_MS: Final = 48 * 3_600_000
_PERIOD_MS: Final = 12 * 3_600_000
_PERIODS_IN_WINDOW: Final = WINDOW_MS // _PERIOD_MS
_KEY_BYTES: Final = 16


def key_of(event: NewEvent) -> bytes:
    identity = f"{event.connection_id}\0{event.event_name}\0{event.event_id}"
    return blake2b(identity.encode(), digest_size=_KEY_BYTES).digest()


class SeenKeys:
    """Knows which table holds which period. Used in the writer's thread only."""

    def __init__(self, periods: dict[int, int]) -> None:
        self._periods = periods

    def is_repeat(self, transaction: Transaction, key: bytes, now_ms: int) -> bool:
        """Whether the key was noted within the window; if not, it is noted now."""
        period = now_ms // _PERIOD_MS
        slot = self._slot(transaction, period)
        for other, held in self._periods.items():
            if other != slot and held >= period - _PERIODS_IN_WINDOW:
                row = transaction.execute(f"seen_at_{other}", (key,)).fetchone()
                if row is not None and row[0] > now_ms - WINDOW_MS:
                    return True
        transaction.execute(f"note_seen_{slot}", (key, now_ms))
        return transaction.changes() == 0

    def _slot(self, transaction: Transaction, period: int) -> int:
        slot = period % SEEN_SLOTS
        if self._periods.get(slot) != period:
            transaction.execute(f"empty_seen_{slot}")
            transaction.execute("set_seen_period", {"slot": slot, "period": period})
            self._periods[slot] = period
        return slot
