"""The de-duplication keys of the last 48 hours."""

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final

import apsw

from tiktok_forwarder.store.events import NewEvent
from tiktok_forwarder.store.rules import DUPLICATE_WINDOW_MS
from tiktok_forwarder.store.sqlite.statements import SEEN_SLOTS, rows, run, run_wide

# All turns but the current one make up the window, so that at least 48 hours are always kept.
_TURN_MS: Final = DUPLICATE_WINDOW_MS // (SEEN_SLOTS - 1)
_KEY_BYTES: Final = 16


def event_key(event: NewEvent) -> bytes:
    """Return the event's key. Lengths separate its parts, since any character may occur in them."""
    names = f"{len(event.connection_id)}:{event.connection_id}{len(event.event_name)}:{event.event_name}"
    return blake2b(f"{names}{event.event_id}".encode(), digest_size=_KEY_BYTES).digest()


class SeenEvents:
    """De-duplication keys of the last 48 hours: tracks which tables contain keys, and which is being filled.

    A turn ends after its hours of the wall clock in either direction, so that a clock set far ahead and back costs the
    oldest table, and not the keys of recent events.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._generations: list[tuple[int, int]] = rows(connection, "seen_generations")

    def turn_is_over(self, now_ms: int) -> bool:
        return not self._generations or abs(now_ms - self._generations[-1][1]) >= _TURN_MS

    def begin_turn(self, now_ms: int) -> Callable[[], None]:
        """Begin a turn inside a transaction; return a function that undoes it in memory, for a rollback."""
        before = self._generations
        generation = self._generations[-1][0] + 1 if self._generations else 0
        run(self._connection, f"empty_seen_{generation % SEEN_SLOTS}")
        run(self._connection, "end_generation", (generation - SEEN_SLOTS,))
        run(self._connection, "begin_generation", (generation, now_ms))
        self._generations = rows(self._connection, "seen_generations")
        return partial(setattr, self, "_generations", before)

    def repeats(self, keys: Sequence[tuple[bytes, int]]) -> set[bytes]:
        """Return the keys that were accepted within the window before the time beside them, `_ms`."""
        times = dict(keys)
        wanted = [(key,) for key in times]
        return {
            key
            for generation, _ in self._generations
            for key, at_ms in run_wide(self._connection, f"seen_in_{generation % SEEN_SLOTS}", wanted)
            if at_ms > times[key] - DUPLICATE_WINDOW_MS
        }

    def remember(self, keys: Sequence[tuple[bytes, int]]) -> None:
        """Store accepted keys, each with the time beside it."""
        current, _ = self._generations[-1]
        # Sorted, keys that are on one page are written together.
        run_wide(self._connection, f"remember_in_{current % SEEN_SLOTS}", sorted(keys))
