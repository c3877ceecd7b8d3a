"""Delivery to the sandbox, which checks requests like TikTok and notes a fault for an event sent too often."""

import random

import pytest
from msgspec.structs import replace

from tests.integration.delivery_rig import QUICK, delivery_rig, ids
from tiktok_forwarder.domain.outcome import WireFormName
from tiktok_forwarder.store.queue import GroupLimits
from tiktok_sandbox import Code, Http, Reset, Sandbox, SandboxOptions, Wire
from tiktok_sandbox.steps import AnyStep

PASSING_TROUBLE: list[AnyStep] = [
    Code(code=50000),
    Code(code=50002, status=500),
    Code(code=60001),
    Http(status=502, body="<html>Bad gateway</html>"),
    Http(status=503),
    Http(body='{"code": 0, "mess', content_type="application/json"),
    Reset(when="after_body"),
    Wire(text="HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
]


def draw_script(rng: random.Random) -> tuple[list[AnyStep], bool]:
    """Passing trouble half of the time, then a success or, one time in five, a refusal; and whether it is a success."""
    steps: list[AnyStep] = []
    while rng.random() < 0.5 and len(steps) < 6:
        steps.append(rng.choice(PASSING_TROUBLE))
    succeeds = rng.random() < 0.8
    steps.append(Code(code=0) if succeeds else Code(code=40002, message="Invalid value for data.{i}.event_id"))
    return steps, succeeds


@pytest.mark.parametrize("wire_form", ["1.0", "2.0"])
async def test_the_sandbox_accepts_what_is_sent(wire_form: WireFormName) -> None:
    """Both wire forms pass TikTok's checks and arrive once each."""
    async with Sandbox(SandboxOptions(watch_repeats=True)) as sandbox, delivery_rig(url=sandbox.url) as rig:
        await rig.accept(ids(120), wire_form=wire_form)
        await rig.until_empty()
        events = sandbox.events(limit=1000)
        assert sandbox.faults() == []
    assert sorted(event.event_id or "" for event in events) == sorted(ids(120))
    assert {(event.event_source_id, event.code) for event in events} == {("pixel-c", 0)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_passing_trouble_loses_nothing(seed: int) -> None:
    """Every event is sent exactly as its script asks: until its final answer, and never after it."""
    rng = random.Random(seed)
    groups_of_one = replace(QUICK, limits=GroupLimits({"1.0": 1, "2.0": 1}))
    async with (
        Sandbox(SandboxOptions(watch_repeats=True)) as sandbox,
        delivery_rig(groups_of_one, url=sandbox.url) as rig,
    ):
        successes = 0
        attempts = 0
        for event_id in ids(300):
            steps, succeeds = draw_script(rng)
            sandbox.script.for_event(event_id, *steps)
            successes += succeeds
            attempts += len(steps)
        await rig.accept(ids(300))
        await rig.until_empty(seconds=30)
        assert sandbox.faults() == []
        assert sandbox.counts().requests == attempts
        assert rig.witness.failures == []
    assert await rig.total("delivered") == successes
    assert await rig.total("dead_lettered") == 300 - successes


@pytest.mark.slow
async def test_poison_events_in_full_groups_sink_nobody() -> None:
    """Named and unnamed bad events scattered over 2,000 others are dead letters, and only they."""
    rng = random.Random(7)
    bad = rng.sample(ids(2000), 20)
    async with Sandbox() as sandbox, delivery_rig(url=sandbox.url) as rig:
        for number, event_id in enumerate(bad):
            sandbox.script.poison(event_id, names_index=bool(number % 2))
        await rig.accept(ids(2000))
        await rig.until_empty(seconds=30)
        dead = await rig.dead_letters()
    assert sorted(letter.event_id for letter in dead) == sorted(bad)
    assert await rig.total("delivered") == 1980
