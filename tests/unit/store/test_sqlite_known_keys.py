"""Known keys in memory, in their log and in their tables, beside a model of a few lines."""

import tempfile
from collections.abc import Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conformance.rig import HOUR, T0, event
from tiktok_forwarder.database.file import transaction
from tiktok_forwarder.store.encoding import event_key
from tiktok_forwarder.store.rules import is_repeat
from tiktok_forwarder.store.sqlite.file import open_writer, store_limits
from tiktok_forwarder.store.sqlite.known_keys import KeyTables, KnownKeys
from tiktok_forwarder.store.sqlite.statements import SEEN_SLOTS

LIMITS = store_limits(10_000_000, 0.2)
SLICES = 4096
TURN_MS = 48 * HOUR // 5
# Of a few slices side by side, so that at most moments the next slice to be merged has keys.
KEYS = [
    ((SLICES - 6 + number // 4) % SLICES << 4).to_bytes(2, "big") + number.to_bytes(14, "big") for number in range(60)
]
MAX_RECENT = st.sampled_from([0, 1, 5, 20, 100])
FILLED = [blake2b(b"%d" % number, digest_size=16).digest() for number in range(6400)]
PICKS = st.lists(st.sampled_from(KEYS), max_size=12, unique=True)


class Undone(Exception):
    """Makes a transaction roll back."""


class KnownKeysMachine(RuleBasedStateMachine):
    """The model: when each key was last accepted, and the turns in which keys must not be forgotten."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now_ms = T0
        self.next_event_no = 1
        self.accepted: dict[bytes, int] = {}
        self.turns: list[tuple[int, set[bytes]]] = []
        self.largest = 0

    def open(self) -> None:
        self.connection = open_writer(Path(self.folder.name) / "events.db", LIMITS)
        self.known = KnownKeys(self.connection, self.max_recent)

    @initialize(max_recent=MAX_RECENT)
    def begin(self, max_recent: int) -> None:
        """Few keys may be in memory, so that slices are merged in nearly every run."""
        self.max_recent = max_recent
        self.open()

    @rule(batches=st.lists(PICKS, min_size=1, max_size=3), is_undone=st.booleans())
    def commit(self, batches: Sequence[Sequence[bytes]], is_undone: bool) -> None:
        """Several requests of one transaction, of which each sees what the ones before it have added."""
        accepted, turns, event_no = dict(self.accepted), list(self.turns), self.next_event_no
        undo = []
        try:
            with transaction(self.connection):
                for batch in batches:
                    if self.known.tables.turn_is_over(self.now_ms):
                        undo.append(self.known.tables.begin_turn(self.now_ms))
                        self.turns = [*self.turns, (self.now_ms, set())][-SEEN_SLOTS:]
                    latest = self.known.latest(batch)
                    if new := {key: self.now_ms for key in batch if not is_repeat(latest.get(key), self.now_ms)}:
                        undo.append(self.known.add(new, self.next_event_no))
                        self.next_event_no += len(new)
                        self.accepted.update(new)
                        started_ms, keys = self.turns[-1]
                        self.turns[-1] = (started_ms, keys | new.keys())
                        self.largest = max(self.largest, len(new))
                if is_undone:
                    raise Undone
        except Undone:
            for each in reversed(undo):
                each()
            self.accepted, self.turns, self.next_event_no = accepted, turns, event_no

    @rule(hours=st.sampled_from([1, 5, 9.6, 20, 47, 49, 500]), sign=st.sampled_from([1, 1, 1, -1]))
    def set_clock(self, hours: float, sign: int) -> None:
        self.now_ms += sign * round(hours * HOUR)

    @rule(max_recent=MAX_RECENT)
    def restart(self, max_recent: int) -> None:
        """Nothing is known that was not before, and nothing is forgotten; there may be less space than before."""
        before = self.known.latest(KEYS)
        self.connection.close()
        self.largest, self.max_recent = max(self.largest, self.known._recent), max_recent
        self.open()
        assert self.known.latest(KEYS) == before

    @invariant()
    def latest_times_are_known(self) -> None:
        latest = self.known.latest(KEYS)
        assert latest.items() <= self.accepted.items()
        kept = set().union(*[keys for _, keys in self.turns])
        assert {key: self.accepted[key] for key in kept} == {key: latest.get(key) for key in kept}

    @invariant()
    def start_would_find_the_same(self) -> None:
        """Whenever the process is killed, the log has each key that is in memory only, and no other."""
        restarted = KnownKeys(self.connection, self.max_recent)
        assert restarted._slices == self.known._slices
        assert (restarted._recent, restarted._merged_slices) == (self.known._recent, self.known._merged_slices)

    @invariant()
    def memory_and_log_are_bounded(self) -> None:
        """A row is kept for as long as one of its keys may be in memory only."""
        assert sum(map(len, self.known._slices)) == 24 * self.known._recent
        assert self.known._recent <= max(self.max_recent, self.largest)
        logged: list[Any] = self.connection.execute("SELECT merged_slices FROM key_log").fetchall()
        assert all(merged_before > self.known._merged_slices - SLICES for (merged_before,) in logged)

    def teardown(self) -> None:
        self.connection.close()
        self.folder.cleanup()


TestKnownKeys = KnownKeysMachine.TestCase
TestKnownKeys.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture
def connection(tmp_path: Path) -> "apsw.Connection":
    return open_writer(tmp_path / "events.db", LIMITS)


def filled(connection: apsw.Connection, commits: int, max_recent: int) -> tuple[KnownKeys, int]:
    """Known keys after commits of 16 keys each, and the largest number of keys that a commit has merged."""
    known = KnownKeys(connection, max_recent)
    keys = FILLED[: 16 * commits]
    largest = 0
    with transaction(connection):
        known.tables.begin_turn(T0)
    for first in range(0, len(keys), 16):
        merged = _merged(connection)
        with transaction(connection):
            known.add(dict.fromkeys(keys[first : first + 16], T0), first + 1)
        largest = max(largest, _merged(connection) - merged)
    assert known.latest(keys) == dict.fromkeys(keys, T0)
    return known, largest


def _merged(connection: apsw.Connection) -> int:
    ((merged,),) = connection.execute("SELECT count(*) FROM seen_0")
    return int(merged)


def test_undone_commit_leaves_all_keys_as_they_were(connection: apsw.Connection) -> None:
    """Also one whose event was accepted again after 48 hours, and those that it has merged."""
    with closing(connection):
        known, _ = filled(connection, 3, 40)
        later = dict.fromkeys([*KEYS[:30], *FILLED[20:48]], T0 + 49 * HOUR)
        with pytest.raises(Undone), transaction(connection):
            undo = known.add(later, 100)
            assert known.latest(later) == later
            raise Undone
        undo()
        assert known.latest([*KEYS, *FILLED]) == dict.fromkeys(FILLED[:48], T0)
        assert KnownKeys(connection, 40).latest([*KEYS, *FILLED]) == dict.fromkeys(FILLED[:48], T0)


@pytest.mark.parametrize("is_known", [False, True])
def test_bytes_of_two_entries_are_no_key(connection: apsw.Connection, is_known: bool) -> None:
    """A key that happens to be the end of one entry and the beginning of the next is known if it has one itself."""
    one, two = bytes(16), bytes(15) + b"2"
    across = T0.to_bytes(8, "big") + two[:8]
    own = {across: T0 + 1} if is_known else {}
    with closing(connection), transaction(connection):
        known = KnownKeys(connection, 40)
        known.tables.begin_turn(T0)
        known.add({**own, one: T0, two: T0 + 2}, 1)
        assert known.latest([across]) == own


def test_row_of_the_log_is_kept_until_all_its_keys_are_merged(connection: apsw.Connection) -> None:
    """After each commit a start would find the same, also when only the last key of the oldest row is not merged."""
    with closing(connection):
        known = KnownKeys(connection, 20)
        with transaction(connection):
            known.tables.begin_turn(T0)
        for number in range(1, 300):
            in_slice = ((SLICES - 6 + number * 7 % 15) % SLICES << 4).to_bytes(2, "big")
            with transaction(connection):
                known.add({in_slice + bytes([key]) + number.to_bytes(13, "big"): T0 for key in range(2)}, 2 * number)
            assert KnownKeys(connection, 20)._slices == known._slices


def test_commit_merges_about_as_many_keys_as_it_adds(connection: apsw.Connection) -> None:
    """No sender waits for the merging of many keys that others have sent."""
    with closing(connection):
        known, largest = filled(connection, 400, 2000)
        assert known._recent <= 2000
        assert _merged(connection) == 6400 - known._recent
        assert largest <= 16 + 8


def test_memory_that_is_too_full_is_emptied_in_steps(connection: apsw.Connection) -> None:
    """At a start on a smaller disk no commit merges all keys that are too many."""
    with closing(connection):
        filled(connection, 100, 2000)
        known = KnownKeys(connection, 16)
        for number, key in enumerate(FILLED[1600:1800]):
            merged = _merged(connection)
            with transaction(connection):
                known.add({key: T0}, 2000 + number)
            assert _merged(connection) - merged <= 2 + 8
        assert known._recent <= 1600 - 200


def test_no_key_leaves_the_memory_before_it_is_full(connection: apsw.Connection) -> None:
    """Each key that is merged by itself would cost a page."""
    with closing(connection):
        filled(connection, 50, 800)
        assert _merged(connection) == 0
        assert [row for (row,) in connection.execute("SELECT merged_slices FROM key_log")] == [0] * 50


def test_keys_of_the_last_48_hours_are_in_five_full_tables_and_one_that_fills(connection: apsw.Connection) -> None:
    """A table is emptied for reuse when the sixth turn after its own begins, and all its keys are older by then."""
    assert SEEN_SLOTS == 6
    with closing(connection):
        tables = KeyTables(connection)
        assert tables.turn_is_over(0)
        with transaction(connection):
            tables.begin_turn(T0)
        assert [tables.turn_is_over(T0 + passed) for passed in (0, TURN_MS - 1, TURN_MS)] == [False, False, True]
        assert [tables.turn_is_over(T0 - passed) for passed in (TURN_MS - 1, TURN_MS)] == [False, True]


def test_key_tells_parts_apart() -> None:
    """Moving characters between connection, name and id makes another key."""
    keys = {event_key(event(i, c, name=n)) for c, n, i in (("a", "bc", "d"), ("ab", "c", "d"), ("a", "b", "cd"))}
    assert len(keys) == 3
    assert {len(key) for key in keys} == {16}


@pytest.mark.parametrize(("size", "keys"), [(1_048_576, 419), (200_000_000, 80_000), (10**9, 100_000)])
def test_small_store_keeps_fewer_keys_in_memory(size: int, keys: int) -> None:
    """Their log takes up about a tenth of the space for events, at most; a large store keeps 100,000."""
    assert store_limits(size, 0.2).max_recent_keys == keys
