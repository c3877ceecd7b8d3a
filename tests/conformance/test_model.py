"""Random runs of every store beside a model of a few lines; restarts may strike anywhere."""

import asyncio
import tempfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.conformance.rig import NOTHING, T0, Rig, event
from tiktok_forwarder.domain.errors import LeaseLost
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry, Settlement
from tiktok_forwarder.store.events import DeadLetter, DeadLetterFilter, GroupLimits, Lease

ALL = DeadLetterFilter()
MOST_LEASES = 3
CHOICES = st.lists(st.booleans(), min_size=5, max_size=5)
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
        self.rig = Rig(self.kind, Path(self.folder.name))
        self.now_ms = T0
        self.state: dict[str, str] = {}
        self.due_ms: dict[str, int] = {}
        self.replayed = 0
        self.leases: list[Held] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def ids(self, state: str) -> list[str]:
        return sorted(event_id for event_id, found in self.state.items() if found == state)

    def held_ids(self) -> set[str]:
        return {event_id for held in self.leases for event_id in held.unsettled.values() if event_id}

    @initialize()
    def begin(self) -> None:
        """An empty store has empty books."""
        assert self.run(self.rig.books()) == {"waiting": 0}

    @rule(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=8))
    def append(self, numbers: list[int]) -> None:
        events = [event(str(n), subjects=(n,)) for n in numbers]
        admissions = self.run(self.rig.append(*events, now_ms=self.now_ms))
        for each, admission in zip(events, admissions, strict=True):
            assert admission == ("duplicate" if each.event_id in self.state else "stored")
            if admission == "stored":
                self.state[each.event_id] = "waiting"
                self.due_ms[each.event_id] = 0

    @precondition(lambda self: len(self.leases) < MOST_LEASES)
    @rule(most=st.integers(1, 5))
    def take(self, most: int) -> None:
        lease = self.run(self.rig.lease(now_ms=self.now_ms, limits=GroupLimits({"2.0": most})))
        waiting = (each for each in self.ids("waiting") if self.due_ms[each] <= self.now_ms)
        due = set(waiting) - self.held_ids()
        ids = [each.event_id for each in lease.events] if lease is not None else []
        assert set(ids) <= due
        assert len(ids) == len(set(ids)) == min(most, len(due))
        if lease is not None:
            self.leases.append(Held(lease, {each.event_no: each.event_id for each in lease.events}))

    @precondition(lambda self: self.leases)
    @rule(
        which=st.integers(0, 2), outcomes=st.lists(st.sampled_from(["delivered", "retry", "dead", "later"]), min_size=5)
    )
    def settle(self, which: int, outcomes: list[str]) -> None:
        """Settle any part of a lease; events of it that were settled before are so again, which means nothing."""
        held = self.leases[which % len(self.leases)]
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
    @rule(which=st.integers(0, 2))
    def release(self, which: int) -> None:
        held = self.leases.pop(which % len(self.leases))
        self.run(self.rig.store.release(held.lease))
        self.assert_lost(held)

    @rule()
    def expire(self) -> None:
        self.rig.clock.seconds += 61
        lost, self.leases = self.leases, []
        for held in lost:
            self.assert_lost(held)

    @rule(milliseconds=st.sampled_from([1, 999, 1000, 5000]))
    def time_passes(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    def letters(self) -> Sequence[DeadLetter]:
        """All dead letters, which are those of the model."""
        letters: Sequence[DeadLetter] = self.run(self.rig.store.dead_letters(ALL, limit=100))
        assert sorted(each.event_id for each in letters) == self.ids("dead")
        return letters

    @rule(chosen=CHOICES)
    def replay(self, chosen: list[bool]) -> None:
        which, ids = self.selected(chosen)
        assert self.run(self.rig.store.replay(which, self.now_ms)) == len(ids)
        for event_id in ids:
            self.state[event_id], self.due_ms[event_id] = "waiting", 0
        self.replayed += len(ids)

    @rule(chosen=CHOICES)
    def discard(self, chosen: list[bool]) -> None:
        which, ids = self.selected(chosen)
        assert self.run(self.rig.store.discard(which, self.now_ms)) == len(ids)
        self.state.update(dict.fromkeys(ids, "discarded"))

    def selected(self, chosen: list[bool]) -> tuple[DeadLetterFilter, list[str]]:
        """Any of the first five dead letters by their numbers or, if none is chosen, all there are."""
        letters = self.letters()
        if not any(chosen):
            return ALL, [each.event_id for each in letters]
        some = [each for each, is_chosen in zip(letters, chosen, strict=False) if is_chosen]
        return DeadLetterFilter(event_nos=[each.event_no for each in some]), [each.event_id for each in some]

    @rule(numbers=st.sets(st.integers(0, 30), min_size=1, max_size=4))
    def erase(self, numbers: set[int]) -> None:
        there = [str(n) for n in numbers if self.state.get(str(n)) in ("waiting", "dead")]
        assert self.run(self.rig.store.erase(numbers, self.now_ms)) == len(there)
        self.leave_the_queue(there, "erased")

    @precondition(lambda self: self.leases)
    @rule()
    def dead_letter_all(self) -> None:
        waiting = self.ids("waiting")
        assert self.run(self.rig.store.dead_letter_all("a", "connection_deleted", self.now_ms)) == len(waiting)
        self.leave_the_queue(waiting, "dead")

    def leave_the_queue(self, ids: list[str], state: str) -> None:
        self.state.update(dict.fromkeys(ids, state))
        for held in self.leases:
            for event_no, event_id in held.unsettled.items():
                if event_id in ids:
                    held.unsettled[event_no] = ""

    @rule()
    def restart(self) -> None:
        if self.rig.is_durable:
            self.run(self.rig.reopen())
            self.leases = []

    @invariant()
    def books_balance(self) -> None:
        found = self.run(self.rig.books())
        numbers = {state: len(self.ids(state)) for state in ("waiting", "delivered", "dead", "discarded", "erased")}
        dead_lettered = numbers.pop("dead") + numbers["discarded"]
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
            self.run(self.rig.store.close())
            self.loop.close()
            self.folder.cleanup()


class SqliteMachine(StoreMachine):
    """The same runs with restarts."""

    kind = "sqlite"


SETTINGS = settings(
    max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestMemoryStore = StoreMachine.TestCase
TestMemoryStore.settings = SETTINGS
TestSqliteStore = SqliteMachine.TestCase
TestSqliteStore.settings = SETTINGS
