"""The de-duplication keys of the last 48 hours: recent ones in memory and in a log, older ones in tables.

A key is a hash, so each key that is written to a table by itself costs a page of its own. Recent keys are therefore
kept in memory, and on disk in one row a commit. When there are too many, they are merged into a table slice by slice,
in the order of keys: the keys of one page are then written together.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from struct import Struct
from typing import Final

import apsw

from tiktok_forwarder.store.encoding import EVENT_KEY_BYTES
from tiktok_forwarder.store.rules import DUPLICATE_WINDOW_MS
from tiktok_forwarder.store.sqlite.statements import SEEN_SLOTS, rows, run, run_wide

# All turns but the current one make up the window, so that at least 48 hours are always kept.
_TURN_MS: Final = DUPLICATE_WINDOW_MS // (SEEN_SLOTS - 1)

# By the first 12 bits of a key. So few keys are in a slice that no commit has to write many more than it adds.
_SLICES: Final = 4096
# A key and the time when its event was last accepted.
_ENTRY: Final = Struct(f">{EVENT_KEY_BYTES}sq")
ENTRY_BYTES: Final = _ENTRY.size
_PACKED_ENTRY: Final = Struct(f"{_ENTRY.size}s")


class KeyTables:
    """Six tables of keys that take turns, so that forgetting keys is emptying a table.

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

    def latest(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """Return when each of the keys was last accepted, `_ms`; a key that no table holds is left out."""
        found: dict[bytes, int] = {}
        if not keys:
            return found
        wanted = (apsw.carray(keys),)
        for generation, _ in self._generations:
            # In order: a key that was accepted again is in a later turn's table with its later time.
            found.update(run(self._connection, f"seen_in_{generation % SEEN_SLOTS}", wanted))
        return found

    def add(self, keys: Sequence[tuple[bytes, int]]) -> None:
        """Write keys, each with its time, to the table whose turn it is.

        In their order, those of one page are written together. A key's time must be later than the table's.
        """
        current, _ = self._generations[-1]
        run_wide(self._connection, f"remember_in_{current % SEEN_SLOTS}", keys)


class KnownKeys:
    """When the event of each key was last accepted.

    Recent keys are in slices, in their log's form and in the order in which they were added. Slices take turns to be
    merged into the tables. A row of the log has the number of slices that had been merged before its keys were added,
    so that a start knows which of them are in the tables already; it is deleted when all slices have been merged since.
    """

    def __init__(self, connection: apsw.Connection, max_recent: int) -> None:
        self.tables = KeyTables(connection)
        self._connection = connection
        self._max_recent = max_recent
        self._slices = [b""] * _SLICES
        self._merged_slices: int = next((slices for (slices,) in rows(connection, "merged_slices")), 0)
        self._read_log()

    def _read_log(self) -> None:
        for merged_before, logged in run(self._connection, "key_log"):
            merged_since = self._merged_slices - merged_before
            for (entry,) in _PACKED_ENTRY.iter_unpack(logged):
                index = _slice_of(entry)
                if (index - merged_before) % _SLICES >= merged_since:
                    self._slices[index] += entry
        self._recent = sum(map(len, self._slices)) // _ENTRY.size

    def latest(self, keys: Iterable[bytes]) -> dict[bytes, int]:
        """Return when each of the keys was last accepted, `_ms`; an unknown key is left out."""
        found: dict[bytes, int] = {}
        older = []
        for key in keys:
            accepted_at_ms = _find_latest(self._slices[_slice_of(key)], key)
            if accepted_at_ms is None:
                older.append(key)
            else:
                # A time in the tables is earlier.
                found[key] = accepted_at_ms
        return found | self.tables.latest(tuple(older))

    def add(self, accepted: Mapping[bytes, int], first_event_no: int) -> Callable[[], None]:
        """Add the keys of accepted events, each with its time, inside a transaction.

        `first_event_no` is the lowest number of the events. Return a function that undoes it in memory, for a rollback.
        """
        leaving = self._leaving_slices(len(accepted))
        self.tables.add([key for index in leaving for key in _sorted_keys(self._slices[index])])
        merged_slices = self._merged_slices + len(leaving)
        entries = [_ENTRY.pack(key, accepted_at_ms) for key, accepted_at_ms in accepted.items()]
        run(self._connection, "log_keys", (first_event_no, merged_slices, b"".join(entries)))
        if leaving:
            run(self._connection, "forget_merged_keys", (merged_slices - _SLICES,))
        return self._change_slices(entries, leaving)

    def _leaving_slices(self, added: int) -> Sequence[int]:
        """Return the slices to be merged: of a full memory, about as many keys leave as are added.

        There may be far too many, if an earlier start had more space: then twice as many leave.
        """
        leaving: list[int] = []
        excess = min(self._recent + added - self._max_recent, 2 * added)
        while excess > 0 and len(leaving) < _SLICES:
            leaving.append((self._merged_slices + len(leaving)) % _SLICES)
            excess -= len(self._slices[leaving[-1]]) // _ENTRY.size
        return leaving

    def _change_slices(self, entries: Sequence[bytes], leaving: Sequence[int]) -> Callable[[], None]:
        recent, merged_slices = self._recent, self._merged_slices
        before = {index: self._slices[index] for index in leaving}
        self._merged_slices += len(leaving)
        for index in leaving:
            self._recent -= len(self._slices[index]) // _ENTRY.size
            self._slices[index] = b""
        self._recent += len(entries)
        for entry in entries:
            index = _slice_of(entry)
            before.setdefault(index, self._slices[index])
            self._slices[index] += entry

        def undo() -> None:
            self._recent, self._merged_slices = recent, merged_slices
            for index, slice_before in before.items():
                self._slices[index] = slice_before

        return undo


def logged_keys(logged: bytes) -> Iterator[tuple[bytes, int]]:
    """Return the keys of a row of the log, each with its time."""
    return _ENTRY.iter_unpack(logged)


def _slice_of(key: bytes) -> int:
    return key[0] << 4 | key[1] >> 4


def _sorted_keys(entries: bytes) -> list[tuple[bytes, int]]:
    """Return the keys in order, each with its latest time."""
    return sorted(dict(_ENTRY.iter_unpack(entries)).items())


def _find_latest(entries: bytes, key: bytes) -> int | None:
    start = entries.rfind(key)
    # Bytes across the border of two entries may be those of the key.
    while start > 0 and start % _ENTRY.size:
        start = entries.rfind(key, 0, start + EVENT_KEY_BYTES - 1)
    if start < 0:
        return None
    _, accepted_at_ms = _ENTRY.unpack_from(entries, start)
    return int(accepted_at_ms)
