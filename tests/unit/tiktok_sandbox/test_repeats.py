"""The watch over repeats: which answers are final for which events."""

import json

import pytest

from tests.unit.tiktok_sandbox.requests import EVENT_TRACK, NOW_SECONDS, event_2_0, event_track
from tiktok_sandbox import Code, Silence
from tiktok_sandbox.arrival import ENDPOINTS, read_arrival
from tiktok_sandbox.judge import Head, Judge
from tiktok_sandbox.options import SandboxOptions
from tiktok_sandbox.repeats import RepeatWatch
from tiktok_sandbox.script import Script
from tiktok_sandbox.steps import AnyStep


class Watched:
    def __init__(self, limit: int = 100) -> None:
        self.script = Script()
        self._judge = Judge(SandboxOptions(), None, self.script)
        self._watch = RepeatWatch(limit)

    def send(self, *event_ids: str, step: AnyStep | None = None) -> list[str]:
        """Faults found."""
        body = event_track(*[event_2_0(event_id=each) for each in event_ids])
        arrival = read_arrival(ENDPOINTS[EVENT_TRACK], json.dumps(body).encode())
        faults = self._watch.find_faults(arrival, self.script)
        verdict = self._judge.judge(arrival, Head("token", "application/json", NOW_SECONDS), step)
        self._watch.learn(arrival, verdict)
        return faults


@pytest.mark.parametrize("code", [0, 20001, 40050])
def test_a_delivered_event_must_not_come_again(code: int) -> None:
    """Success is final for every event of the request."""
    watched = Watched()
    assert watched.send("a", "b", step=Code(code=code)) == []
    assert watched.send("b", "c") == [f"event b was sent again after its final answer {code}"]


@pytest.mark.parametrize("step", [Code(code=50000), Code(code=40100), Code(code=40105), Code(code=40061), Silence()])
def test_what_may_pass_later_may_come_again(step: AnyStep) -> None:
    """Trouble, throttling, configuration, size and silence are no final answers."""
    watched = Watched()
    watched.send("a", step=step)
    assert watched.send("a") == []


def test_a_refusal_is_final_for_a_single_event() -> None:
    """It can be nobody else's fault."""
    watched = Watched()
    watched.send("a", step=Code(code=40002))
    assert watched.send("a") == ["event a was sent again after its final answer 40002"]


def test_a_refusal_of_a_group_is_final_for_the_event_it_names() -> None:
    """The others may come again; without a name, all may."""
    watched = Watched()
    watched.script.poison("b")
    watched.send("a", "b")
    assert watched.send("a") == []
    assert watched.send("b") == ["event b was sent again after its final answer 40002"]
    unnamed = Watched()
    unnamed.send("a", "b", step=Code(code=40002))
    assert unnamed.send("b") == []


def test_a_script_that_is_used_up_was_the_last_word() -> None:
    """Sent more often than scripted, though no answer was final."""
    watched = Watched()
    watched.script.for_event("a", Code(code=50000, times=2))
    assert watched.send("a") == []
    assert watched.send("a") == []
    assert watched.send("a") == ["event a was sent more often than scripted"]


def test_the_memory_is_bounded() -> None:
    """Beyond its limit it learns no more."""
    watched = Watched(limit=1)
    watched.send("a", "b")
    assert watched.send("a", "b") == ["event a was sent again after its final answer 0"]
