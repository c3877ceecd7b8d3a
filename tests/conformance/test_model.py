"""Random runs of every store beside a model of a few lines; restarts may strike anywhere."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conformance.rig import T0, Rig, event
from tiktok_forwarder.domain.errors import LeaseLost
from tiktok_forwarder.domain.outcome import Answer, DeadLettered, Delivered, Retry, Settlement
from tiktok_forwarder.ports import DeadLetterFilter, GroupLimits, Lease

ALL = DeadLetterFilter()
T = TypeVar("T")


class StoreMachine(RuleBasedStateMachine):
    """The model: where each event is, and the books that follow."""

    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.rig = Rig(self.kind, Path(self.folder.name))
        self.now_ms = T0
        self.state: dict[str, str] = {}
        self.due_ms: dict[str, int] = {}
        self.books = {"accepted": 0, "delivered": 0, "dead_lettered": 0, "erased": 0}
        self.lease: Lease | None = None
        self.held: set[str] = set()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        """An empty store has empty books."""
        assert self.run(self.rig.books()) == {"waiting": 0}

    @rule(numbers=st.lists(st.integers(0, 30), min_size=1, max_size=4))
    def append(self, numbers: list[int]) -> None:
        events = [event(str(n), subjects=(n,)) for n in numbers]
        admissions = self.run(self.rig.append(*events, now_ms=self.now_ms))
        for each, admission in zip(events, admissions, strict=True):
            assert admission == ("duplicate" if each.event_id in self.state else "stored")
            if admission == "stored":
                self.state[each.event_id] = "waiting"
                self.due_ms[each.event_id] = 0
                self.books["accepted"] += 1

    @rule(most=st.integers(1, 5))
    def take(self, most: int) -> None:
        if self.lease is not None:
            return
        limits = GroupLimits(events_2_0=most)
        self.lease = self.run(self.rig.lease(now_ms=self.now_ms, limits=limits))
        due = {each for each, state in self.state.items() if state == "waiting" and self.due_ms[each] <= self.now_ms}
        ids = [each.event_id for each in self.lease.events] if self.lease is not None else []
        assert set(ids) <= due
        assert len(ids) == len(set(ids)) == min(most, len(due))
        self.held = set(ids)

    @rule(outcomes=st.lists(st.sampled_from(["delivered", "retry", "dead"]), min_size=5, max_size=5))
    def settle(self, outcomes: list[str]) -> None:
        if self.lease is None:
            return
        kinds: dict[str, Settlement] = {
            "delivered": Delivered(),
            "retry": Retry(self.now_ms + 1000),
            "dead": DeadLettered("refused", Answer(200, 40002)),
        }
        chosen = dict(zip([each.event_no for each in self.lease.events], outcomes, strict=False))
        self.run(self.rig.store.settle(self.lease, {no: kinds[kind] for no, kind in chosen.items()}, self.now_ms))
        for each in self.lease.events:
            if each.event_id not in self.held:
                continue  # erased while it was leased
            kind = chosen[each.event_no]
            if kind == "retry":
                self.due_ms[each.event_id] = self.now_ms + 1000
                continue
            self.state[each.event_id] = kind
            self.books["delivered" if kind == "delivered" else "dead_lettered"] += 1
        self.lease = None

    @rule()
    def expire(self) -> None:
        self.rig.clock.seconds += 61
        if self.lease is not None and self.held:
            late, self.lease = self.lease, None
            try:
                self.run(self.rig.store.settle(late, {late.events[0].event_no: Delivered()}, self.now_ms))
            except LeaseLost:
                return
            raise AssertionError("an expired lease settled an event")
        self.lease = None

    @rule(milliseconds=st.sampled_from([1, 999, 1000, 5000]))
    def time_passes(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    @rule()
    def replay(self) -> None:
        dead = [each for each, state in self.state.items() if state == "dead"]
        assert self.run(self.rig.store.replay(ALL, self.now_ms)) == len(dead)
        for each in dead:
            self.state[each], self.due_ms[each] = "waiting", 0
        self.books["dead_lettered"] -= len(dead)

    @rule(number=st.integers(0, 30))
    def erase(self, number: int) -> None:
        state = self.state.get(str(number))
        erased = self.run(self.rig.store.erase([number], self.now_ms))
        assert erased == (state in ("waiting", "dead"))
        if erased:
            self.books["dead_lettered"] -= state == "dead"
            self.books["erased"] += 1
            self.state[str(number)] = "erased"
            self.held.discard(str(number))

    @rule()
    def restart(self) -> None:
        if self.rig.is_durable:
            self.run(self.rig.reopen())
            self.lease = None

    @invariant()
    def books_balance(self) -> None:
        found = self.run(self.rig.books())
        waiting = sum(state == "waiting" for state in self.state.values())
        assert {name: found.get(name, 0) for name in self.books} == self.books
        assert found["waiting"] == waiting
        letters = self.run(self.rig.store.dead_letters(ALL, limit=100))
        assert {each.event_id for each in letters} == {each for each, state in self.state.items() if state == "dead"}

    def teardown(self) -> None:
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
