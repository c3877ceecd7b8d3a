"""Refused events: a poison event sinks nobody, and a fault that is not the events' costs none of them."""

import asyncio
from math import ceil, log2

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.integration.delivery_rig import (
    PATIENT,
    QUICK,
    Received,
    Rig,
    answer,
    delivery_rig,
    ids,
    payload,
    refuse,
)
from tiktok_forwarder.domain.outcome import WireFormName

NAMED = [
    pytest.param("Batch.{}.properties.contents.0.content_id: Not a valid string", "1.0", 50, id="1.0"),
    pytest.param("Invalid value for data.{}.event_id", "2.0", 1000, id="2.0"),
    pytest.param("Invalid value for data. {} .event_id: not a valid string.", "2.0", 1000, id="2.0 with spaces"),
]


async def deliver(rig: Rig, event_ids: list[str], wire_form: WireFormName = "2.0") -> list[str]:
    """Store, deliver, and return the ids in the order in which TikTok took them."""
    judge, taken = rig.tiktok.judge, []

    def note(received: Received) -> web.StreamResponse:
        response = judge(received)
        assert isinstance(response, web.Response)
        assert isinstance(response.body, bytes)
        if b'"code": 0' in response.body:
            taken.extend(received.event_ids)
        return response

    rig.tiktok.judge = note
    await rig.accept(event_ids, wire_form=wire_form)
    await rig.until_empty()
    return taken


@pytest.mark.parametrize(("message", "wire_form", "size"), NAMED)
async def test_a_named_event_costs_two_requests(message: str, wire_form: WireFormName, size: int) -> None:
    """The event that TikTok names is a dead letter at once, and the rest goes out in order."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = refuse("e17", named=message)
        taken = await deliver(rig, ids(size), wire_form)
        dead = await rig.dead_letters()
    assert len(rig.tiktok.requests) == 2
    assert taken == [event_id for event_id in ids(size) if event_id != "e17"]
    assert [(letter.event_id, letter.reason, letter.payload) for letter in dead] == [
        ("e17", "refused", payload("e17", wire_form))
    ]
    assert dead[0].answer is not None
    assert dead[0].answer.message == message.format(17)
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (size - 1, 1)


async def test_several_named_events_cost_one_request_each() -> None:
    """More named events than would look suspicious unnamed are still only dead letters."""
    bad = ids(60)[10:40]
    async with delivery_rig() as rig:
        rig.tiktok.judge = refuse(*bad, named="Invalid value for data.{}.event")
        await deliver(rig, ids(60))
    assert len(rig.tiktok.requests) == 31
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (30, 30)
    assert not rig.deliverer.status("c").is_paused


@pytest.mark.parametrize(
    ("size", "wire_form", "bad", "most_requests"),
    [
        (50, "1.0", [17], 14),
        (50, "2.0", [0], 14),
        (50, "2.0", [49], 14),
        (1000, "2.0", [517], 22),
        (1000, "2.0", [3, 500, 501, 999], None),
        (2, "2.0", [0, 1], None),
    ],
)
async def test_unnamed_events_are_found_by_halving(
    size: int, wire_form: WireFormName, bad: list[int], most_requests: int | None
) -> None:
    """Bisecting costs at most 2k log2 n + 2 requests, loses only the bad events and keeps the order."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = refuse(*(f"e{index}" for index in bad))
        taken = await deliver(rig, ids(size), wire_form)
        dead = await rig.dead_letters()
    assert taken == [f"e{index}" for index in range(size) if index not in bad]
    assert [letter.event_id for letter in dead] == [f"e{index}" for index in bad]
    assert len(rig.tiktok.requests) <= (most_requests or 2 * len(bad) * ceil(log2(size)) + 2)


async def test_an_index_outside_the_group_names_nobody() -> None:
    """A number that fits no event is not believed."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = refuse("e3", named="Invalid value for data.9{}.event")
        taken = await deliver(rig, ids(8))
        dead = await rig.dead_letters()
    assert taken == [event_id for event_id in ids(8) if event_id != "e3"]
    assert [letter.event_id for letter in dead] == ["e3"]


@pytest.mark.parametrize("size", [1, 8])
async def test_index_one_beyond_the_group_names_no_event(size: int) -> None:
    """TikTok's documentation does not say from where it counts; an index that fits no event leads to halving."""

    def judge(received: Received) -> web.Response:
        if "e0" not in received.event_ids:
            return answer(0)
        return answer(40002, f"Invalid value for data.{len(received.event_ids)}.event_id")

    async with delivery_rig() as rig:
        rig.tiktok.judge = judge
        await deliver(rig, ids(size))
        dead = await rig.dead_letters()
    assert [(letter.event_id, letter.reason) for letter in dead] == [("e0", "refused")]
    assert await rig.total("delivered") == size - 1
    assert rig.witness.failures == []


@pytest.mark.parametrize("answers", [1, 2, 3, 4, 5])
async def test_divided_group_stops_when_a_person_pauses_the_connection(answers: int) -> None:
    """Not one request more leaves, and no event is given up on for a refusal that nobody has confirmed."""
    async with delivery_rig() as rig:

        async def judge(_: Received) -> web.Response:
            if len(rig.tiktok.requests) == answers:
                await rig.deliverer.pause("c", "stocktaking", "ann")
            return answer(40002, "A parameter is wrong.")

        rig.tiktok.judge = judge
        await rig.accept(ids(8))
        await rig.wait_until(lambda: rig.deliverer.status("c").is_paused)
        await rig.give_time()
        assert len(rig.tiktok.requests) == answers
        assert (await rig.waiting(), await rig.leased(), await rig.dead_letters()) == (8, 0, [])


async def test_divided_group_keeps_what_was_taken_when_a_person_pauses_the_connection() -> None:
    """The parts that TikTok has taken are delivered, and what was refused before them is refused."""
    finder = refuse("e0", "e7")

    async with delivery_rig() as rig:

        async def judge(received: Received) -> web.StreamResponse:
            reply = finder(received)
            if received.event_ids == ["e1"]:
                await rig.deliverer.pause("c", "stocktaking", "ann")
            assert isinstance(reply, web.StreamResponse)
            return reply

        rig.tiktok.judge = judge
        await rig.accept(ids(8))
        await rig.wait_until(lambda: rig.deliverer.status("c").is_paused)
        await rig.give_time()
        dead = await rig.dead_letters()
        assert [letter.event_id for letter in dead] == ["e0"]
        assert (await rig.waiting(), await rig.leased(), await rig.total("delivered")) == (6, 0, 1)


async def test_a_single_refused_event_is_a_dead_letter() -> None:
    """One refused event on a quiet connection does not wait for others to be judged."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = refuse("bad")
        await deliver(rig, ["bad"])
        await deliver(rig, ["good"])
    assert rig.tiktok.groups == [["bad"], ["good"]]
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (1, 1)


@pytest.mark.parametrize("size", [20, 50, 1000])
async def test_an_envelope_fault_pauses_and_loses_nothing(size: int) -> None:
    """When every event is refused and nothing is named, the connection is paused, without dead letters."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        await rig.accept(ids(size))
        status = await rig.until_paused()
        assert (status.code, status.by) == (40002, "service")
        assert "20 events in a row" in status.reason
        assert len(rig.tiktok.requests) <= 2 * 20 + 2 * 10 + 2
        assert (await rig.waiting(), await rig.leased()) == (size, 0)
        assert await rig.dead_letters() == []


async def test_an_envelope_fault_on_a_quiet_connection_gives_its_dead_letters_back() -> None:
    """Refused one at a time, events are dead letters until their number is suspicious: then they wait again."""
    async with delivery_rig(replace(QUICK, refusals_before_pause=4)) as rig:
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        for number, event_id in enumerate(ids(4), start=1):
            await rig.accept([event_id])
            await rig.until_requests(number)
        await rig.until_paused()
        assert (await rig.waiting(), await rig.dead_letters()) == (4, [])
        assert rig.witness.taken_back == 3
        rig.tiktok.judge = lambda _: answer(0)
        await rig.deliverer.resume("c", "ann")
        await rig.wait_until(lambda: rig.witness.outcomes["c", "delivered"] == 3)
        assert await rig.dead_letters() == []
        assert await rig.waiting() == 1  # the last one refused comes after a probe


async def test_event_refused_beside_a_success_is_not_taken_back_with_a_later_run() -> None:
    """TikTok took its neighbor, so the refusal was its own fault, whatever is refused afterward."""
    async with delivery_rig(replace(QUICK, refusals_before_pause=3)) as rig:
        rig.tiktok.judge = refuse("bad")
        await deliver(rig, ["good", "bad"])
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        for number, event_id in enumerate(ids(3), start=4):
            await rig.accept([event_id])
            await rig.until_requests(number)
        await rig.until_paused()
        dead = await rig.dead_letters()
    assert [letter.event_id for letter in dead] == ["bad"]
    assert rig.witness.taken_back == 2


async def test_run_of_refusals_ends_when_a_person_resumes_the_connection() -> None:
    """What was refused before the pause says nothing about the settings after it, and stays refused."""
    async with delivery_rig(replace(QUICK, refusals_before_pause=3)) as rig:
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        for event_id in ids(2, "before"):
            await deliver(rig, [event_id])
        await rig.deliverer.pause("c", "another pixel", "ann")
        await rig.deliverer.resume("c", "ann")
        for event_id in ids(2, "after"):
            await deliver(rig, [event_id])
        assert not rig.deliverer.status("c").is_paused
        assert len(await rig.dead_letters()) == 4
    assert rig.witness.taken_back == 0


@pytest.mark.parametrize("size", [1, 19])
async def test_fewer_refusals_than_twenty_are_dead_letters(size: int) -> None:
    """So few may each have a fault of their own: they are given up on, and the connection goes on."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: answer(40002, "A parameter is wrong.")
        await deliver(rig, ids(size))
        assert not rig.deliverer.status("c").is_paused
        assert len(await rig.dead_letters()) == size


async def test_a_success_between_ends_the_run_of_refusals() -> None:
    """Bad events now and then never add up to a pause."""
    async with delivery_rig(replace(QUICK, refusals_before_pause=3)) as rig:
        rig.tiktok.judge = refuse(*ids(9, "bad"))
        for number in range(9):
            await deliver(rig, [f"bad{number}"])
            if number % 2:
                await deliver(rig, [f"good{number}"])
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (4, 9)
    assert not rig.deliverer.status("c").is_paused


@pytest.mark.parametrize("bad", [range(30), range(34, 64), range(10, 50)])
async def test_many_bad_events_together_do_not_look_like_an_envelope_fault(bad: range) -> None:
    """Before the connection is blamed, other events of the group are tried."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = refuse(*(f"e{index}" for index in bad))
        await deliver(rig, ids(64))
        assert not rig.deliverer.status("c").is_paused
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (64 - len(bad), len(bad))


@pytest.mark.parametrize("field", ["event_source_id", "pixel_code", "test_event_code"])
async def test_a_named_field_of_the_envelope_pauses_at_once(field: str) -> None:
    """One request is enough when TikTok says that the fault is not in the events."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: answer(40002, f"Invalid value for {field}: not a valid string.")
        await rig.accept(ids(50))
        status = await rig.until_paused()
        assert field in status.reason
        await rig.give_time()
        assert len(rig.tiktok.requests) == 1
        assert (await rig.waiting(), await rig.dead_letters()) == (50, [])


async def test_trouble_while_halving_keeps_what_is_settled() -> None:
    """When TikTok fails in the middle, parts that were taken stay taken and the rest is sent later."""

    def judge(received: Received) -> web.Response:
        rig.tiktok.judge = refuse("e6") if len(rig.tiktok.requests) > 2 else rig.tiktok.judge
        return answer(40002) if len(rig.tiktok.requests) == 1 else answer(50000)

    async with delivery_rig() as rig:
        rig.tiktok.judge = judge
        await rig.accept(ids(8))
        await rig.until_empty()
    assert rig.tiktok.groups[:2] == [ids(8), ids(4)]
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (7, 1)


async def test_being_throttled_while_halving_loses_no_progress() -> None:
    """Halving goes on after the wait that TikTok asks for."""
    finder = refuse("e6")

    def judge(received: Received) -> web.StreamResponse:
        if len(rig.tiktok.requests) == 4:
            return answer(40100, Retry_After="1")
        response = finder(received)
        assert isinstance(response, web.StreamResponse)
        return response

    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = judge
        await rig.accept(ids(8))
        await rig.until_empty()
        requests = rig.tiktok.requests
    assert rig.tiktok.groups[3] == rig.tiktok.groups[4] == ["e4", "e5"]
    assert requests[4].at - requests[3].at >= 1.0
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (7, 1)


async def test_a_long_halving_keeps_its_lease() -> None:
    """A lease shorter than the whole work is renewed while it goes on."""

    async def judge(received: Received) -> web.Response:
        if len(received.events) > 1:
            await asyncio.sleep(0.12)
        return answer(40002) if "e1" in received.event_ids else answer(0)

    async with delivery_rig(replace(QUICK, send_timeout_seconds=0.1, lease_margin_seconds=0.1)) as rig:
        rig.tiktok.judge = judge
        await rig.accept(ids(16))
        await rig.until_empty()
    assert len(rig.tiktok.event_ids) == 16 + 8 + 8 + 4 + 4 + 2 + 2 + 1 + 1
    assert (await rig.total("delivered"), await rig.total("dead_lettered")) == (15, 1)
    assert rig.witness.failures == []
