"""Random runs of every store beside a model of a few lines; restarts may strike anywhere."""

import asyncio
import random
import tempfile
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conformance.rig import NOTHING, T0, Rig, event
from tiktok_forwarder.domain.errors import LeaseLost
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry, Settlement
from tiktok_forwarder.store.dead_letters import DeadLetter, DeadLetterFilter
from tiktok_forwarder.store.queue import GroupLimits, Lease

ALL = DeadLetterFilter()
MOST_LEASES = 3
PICKS = st.lists(st.integers(0, 99), max_size=2)
# Drawn by a seed, for an even choice of all parts of a lease.
OUTCOMES = st.integers(0, 2**32).map(
    lambda seed: random.Random(seed).choices(("delivered", "later", "retry", "dead"), (4, 4, 1, 1), k=5)
)
T = TypeVar("T")


class Held(NamedTuple):
    """A lease and the IDs of its unsettled events by number; an empty one stands for an event that is gone."""

    lease: Lease
    unsettled: dict[int, str]


class StoreMachine(RuleBasedStateMachine):
    """The model: where each event is, who holds it, and the books that follow."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.rig = self.run(Rig(self.kind, Path(self.folder.name)).open())
        self.now_ms = T0
        self.state: dict[str, str] = {}
        self.due_ms: dict[str, int] = {}
        self.replayed = 0
        self.leases: list[Held] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def ids(self, state: str) -> list[str]:
        return sorted(event_id for event_id, found in self.state.items() if found == state)

    def due(self, now_ms: int) -> set[str]:
        return {each for each in self.ids("waiting") if self.due_ms[each] <= now_ms} - self.held_ids()

    def held_ids(self) -> set[str]:
        return {event_id for held in self.leases for event_id in held.unsettled.values() if event_id}

    @initialize()
    def begin(self) -> None:
        """An empty store has empty books; the rules begin with some events."""
        assert self.run(self.rig.books()) == {"waiting": 0}
        self.append(10, [])

    @rule(new=st.integers(3, 8), known=PICKS)
    def append(self, new: int, known: list[int]) -> None:
        """Events that are new and events that were taken before, wherever they are now."""
        first = len(self.state)
        ids = [*self.picked(known), *[str(n) for n in range(first, first + new)]]
        events = [event(each, subjects=(int(each),)) for each in ids]
        admissions = self.run(self.rig.append(*events, now_ms=self.now_ms))
        assert admissions == ["duplicate" if each in self.state else "stored" for each in ids]
        for each in ids[-new:]:
            self.state[each], self.due_ms[each] = "waiting", 0

    def picked(self, picks: Iterable[int]) -> list[str]:
        return sorted({str(pick % len(self.state)) for pick in picks if self.state})

    @precondition(lambda self: len(self.leases) < MOST_LEASES and self.due(self.now_ms + 5000))
    @rule(most=st.integers(3, 5), later_ms=st.sampled_from([0, 999, 1000, 5000]), outcomes=OUTCOMES)
    def take(self, most: int, later_ms: int, outcomes: list[str]) -> None:
        self.now_ms += later_ms
        lease = self.run(self.rig.lease(now_ms=self.now_ms, limits=GroupLimits({"2.0": most})))
        due = self.due(self.now_ms)
        ids = [each.event_id for each in lease.events] if lease is not None else []
        assert set(ids) <= due
        assert len(ids) == len(set(ids)) == min(most, len(due))
        if lease is not None:
            self.leases.append(Held(lease, {each.event_no: each.event_id for each in lease.events}))
            self.settle_part(self.leases[-1], outcomes)

    @precondition(lambda self: self.leases)
    @rule(which=st.integers(0, MOST_LEASES - 1), outcomes=OUTCOMES)
    def settle(self, which: int, outcomes: list[str]) -> None:
        self.settle_part(self.leases[which % len(self.leases)], outcomes)

    def settle_part(self, held: Held, outcomes: list[str]) -> None:
        """Events that were settled before may be among them, for which it means nothing."""
        kinds: dict[str, Settlement] = {
            "delivered": Delivered(),
            "retry": Retry(self.now_ms + 1000),
            "dead": DeadLettered("refused", Answer(200, 40002)),
        }
        numbers = [each.event_no for each in held.lease.events]
        chosen = {no: kind for no, kind in zip(numbers, outcomes, strict=False) if kind != "later"}
        self.run(self.rig.store.settle(held.lease, {no: kinds[kind] for no, kind in chosen.items()}, self.now_ms))
        for event_no, kind in chosen.items():
            event_id = held.unsettled.pop(event_no, "")
            if event_id and kind == "retry":
                self.due_ms[event_id] = self.now_ms + 1000
            elif event_id:
                self.state[event_id] = kind
        if not held.unsettled:
            self.leases.remove(held)
            self.assert_lost(held)

    def assert_lost(self, held: Held) -> None:
        try:
            self.run(self.rig.store.settle(held.lease, {held.lease.events[0].event_no: Delivered()}, self.now_ms))
        except LeaseLost:
            return
        raise AssertionError("a lease that has ended settled an event")

    @precondition(lambda self: self.leases)
    @rule(how=st.sampled_from(["released", "expired", "restarted"]))
    def end_leases(self, how: str) -> None:
        if how == "restarted" and self.rig.is_durable:
            self.run(self.rig.reopen())
        elif how == "expired":
            self.rig.clock.seconds += 61
        else:
            for held in self.leases:
                self.run(self.rig.store.release(held.lease))
        lost, self.leases = self.leases, []
        for held in lost:
            self.assert_lost(held)

    @precondition(lambda self: self.ids("dead"))
    @rule(chosen=st.lists(st.booleans(), min_size=5, max_size=5), is_replay=st.booleans())
    def choose_letters(self, chosen: list[bool], is_replay: bool) -> None:
        """Replay or discard any of the first five dead letters by their numbers or, if none is chosen, all of them."""
        letters = self.letters()
        which = ALL
        if any(chosen):
            letters = [each for each, is_chosen in zip(letters, chosen, strict=False) if is_chosen]
            which = DeadLetterFilter(event_nos=[each.event_no for each in letters])
        change = self.rig.store.replay if is_replay else self.rig.store.discard
        assert self.run(change(which, self.now_ms)) == len(letters)
        for each in letters:
            self.state[each.event_id], self.due_ms[each.event_id] = "waiting" if is_replay else "discarded", 0
        self.replayed += len(letters) if is_replay else 0

    @precondition(lambda self: self.ids("dead"))
    @rule(age_ms=st.sampled_from([0, 1, 5_000, 60_000]))
    def expire(self, age_ms: int) -> None:
        before_ms = self.now_ms - age_ms
        expired = [each.event_id for each in self.letters() if each.dead_lettered_at_ms < before_ms]
        assert self.run(self.rig.store.expire(before_ms)) == ({"a": len(expired)} if expired else {})
        self.state.update(dict.fromkeys(expired, "expired"))

    def letters(self) -> Sequence[DeadLetter]:
        """All dead letters, which are those of the model."""
        letters: Sequence[DeadLetter] = self.run(self.rig.store.dead_letters(ALL, limit=1000))
        assert sorted(each.event_id for each in letters) == self.ids("dead")
        return letters

    @precondition(lambda self: self.ids("waiting"))
    @rule(picks=PICKS)
    def erase(self, picks: list[int]) -> None:
        picked = self.picked(picks)
        gone = [each for each in picked if self.state[each] in ("waiting", "dead")]
        assert self.run(self.rig.store.erase([int(each) for each in picked], self.now_ms)) == len(gone)
        self.leave_the_queue(gone, "erased")

    @precondition(lambda self: self.leases)
    @rule(is_deleted=st.sampled_from([False, False, False, True]))
    def delete_connection(self, is_deleted: bool) -> None:
        """Seldom, since it ends what the other rules work on."""
        if is_deleted:
            waiting = self.ids("waiting")
            assert self.run(self.rig.store.dead_letter_all("a", "connection_deleted", self.now_ms)) == len(waiting)
            self.leave_the_queue(waiting, "dead")

    def leave_the_queue(self, ids: list[str], state: str) -> None:
        self.state.update(dict.fromkeys(ids, state))
        for held in self.leases:
            held.unsettled.update({no: "" for no, event_id in held.unsettled.items() if event_id in ids})

    @invariant()
    def books_balance(self) -> None:
        found = self.run(self.rig.books())
        states = ("waiting", "delivered", "dead", "discarded", "expired", "erased")
        numbers = {state: len(self.ids(state)) for state in states}
        dead_lettered = numbers.pop("dead") + numbers["discarded"] + numbers["expired"]
        expected = {**numbers, "accepted": len(self.state), "dead_lettered": dead_lettered, "replayed": self.replayed}
        assert {name: found.get(name, 0) for name in expected} == expected
        counts = self.run(self.rig.store.counts()).get("a", NOTHING)
        assert counts.leased == len(self.held_ids())

    def teardown(self) -> None:
        """Look at what is there event by event: nothing is missing, and nothing is left over."""
        try:
            waiting, dead = self.run(self.rig.held())
            assert (sorted(waiting), sorted(dead)) == (self.ids("waiting"), self.ids("dead"))
        finally:
            self.run(self.rig.close())
            self.loop.close()
            self.folder.cleanup()


class SqliteMachine(StoreMachine):
    """The same runs with restarts."""

    kind = "sqlite"


class PostgresMachine(StoreMachine):
    """The same, over a server."""

    kind = "postgres"


SETTINGS = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestMemoryStore = StoreMachine.TestCase
TestMemoryStore.settings = SETTINGS
TestSqliteStore = SqliteMachine.TestCase
TestSqliteStore.settings = SETTINGS
# Each of its steps is several round trips to a server.
TestPostgresStore = pytest.mark.slow(pytest.mark.timeout(300)(PostgresMachine.TestCase))
TestPostgresStore.settings = SETTINGS
