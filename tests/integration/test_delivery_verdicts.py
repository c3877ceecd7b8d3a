"""Every verdict from end to end: stored events, a real request, and what becomes of the events."""

import json
import math

import pytest
from aiohttp import web
from msgspec.structs import replace

from tests.golden.cases import connection_of
from tests.integration.delivery_rig import PATIENT, QUICK, Received, answer, delivery_rig, ids, payload
from tests.strict_json import read_strictly
from tests.unit.mapping.batches import RECEIVED_AT_MS, URL, Members, batch_of, order, purchase
from tiktok_forwarder.domain.outcome import Answer, Mapped, WireFormName
from tiktok_forwarder.mapping.event import Mapper
from tiktok_forwarder.mparticle.parse import Bounds, parse_body
from tiktok_forwarder.store.queue import GroupLimits


async def test_events_leave_as_one_group() -> None:
    """What arrives together goes out together, in order, as the stored bytes."""
    async with delivery_rig() as rig:
        payloads = await rig.accept(ids(120))
        await rig.until_empty()
        (request,) = rig.tiktok.requests
    assert request.path == "/open_api/v1.3/event/track/"
    assert request.headers["Access-Token"] == "token-c"
    assert request.body == b'{"event_source":"web","event_source_id":"pixel-c","data":[' + b",".join(payloads) + b"]}"
    assert await rig.total("delivered") == 120
    assert rig.witness.attempts == [("c", "accepted", 0, 120)]
    assert rig.witness.outcomes == {("c", "delivered"): 120}


async def test_large_backlogs_leave_in_full_groups() -> None:
    """2.0 takes 1,000 events a request, and full groups do not wait for more."""
    async with delivery_rig(replace(QUICK, max_wait_seconds=0.3)) as rig:
        await rig.accept(ids(2500))
        await rig.until_empty()
    assert sorted(map(len, rig.tiktok.groups)) == [500, 1000, 1000]


async def test_1_0_events_leave_in_batches_of_50() -> None:
    """The old wire form has its own path and size."""
    async with delivery_rig() as rig:
        await rig.accept(ids(120), wire_form="1.0")
        await rig.until_empty()
    assert sorted(map(len, rig.tiktok.groups)) == [20, 50, 50]
    assert {request.path for request in rig.tiktok.requests} == {"/open_api/v1.3/pixel/batch/"}
    assert sorted(rig.tiktok.event_ids) == sorted(ids(120))


@pytest.mark.parametrize(("size", "groups"), [(1_048_576, [1, 4]), (1_048_577, [2, 3])])
async def test_group_holds_at_most_four_mebibytes_of_events(size: int, groups: list[int]) -> None:
    """Large events leave in smaller groups, so that no request is refused for its size."""
    payloads = {event_id: payload(event_id)[:-1] for event_id in ids(5)}
    filled = {
        event_id: start + b',"x":"' + b"x" * (size - len(start) - 8) + b'"}' for event_id, start in payloads.items()
    }
    assert {len(each) for each in filled.values()} == {size}
    async with delivery_rig() as rig:
        await rig.accept_payloads(filled)
        await rig.until_empty()
    assert sorted(map(len, rig.tiktok.groups)) == groups


async def test_1_0_test_events_leave_one_by_one() -> None:
    """With a test event code, 1.0 events are no batch."""
    async with delivery_rig(start=False) as rig:
        rig.connections.change("c", test_event_code="TEST1")
        await rig.deliverer.start()
        await rig.accept(ids(3), wire_form="1.0")
        await rig.until_empty()
    assert {request.path for request in rig.tiktok.requests} == {"/open_api/v1.3/pixel/track/"}
    assert [request.envelope["test_event_code"] for request in rig.tiktok.requests] == ["TEST1"] * 3


async def test_both_wire_forms_of_a_connection_are_delivered() -> None:
    """Events mapped before the connection changed its API version keep their form."""
    async with delivery_rig() as rig:
        await rig.accept(ids(3, "old"), wire_form="1.0")
        await rig.accept(ids(3, "new"), wire_form="2.0")
        await rig.until_empty()
    assert {request.path for request in rig.tiktok.requests} == {
        "/open_api/v1.3/pixel/batch/",
        "/open_api/v1.3/event/track/",
    }


async def test_a_group_waits_for_more_events_only_so_long() -> None:
    """Events that trickle in share a request, which leaves when the first has waited its time."""
    async with delivery_rig(replace(QUICK, max_wait_seconds=60.0, recheck_seconds=0.01)) as rig:
        for event_id in ids(5):
            await rig.accept([event_id])
        rig.clock.advance(50)
        await rig.give_time()
        assert rig.tiktok.requests == []
        rig.clock.advance(10)
        await rig.until_empty()
    assert rig.tiktok.groups == [ids(5)]


async def test_a_full_group_does_not_wait() -> None:
    """As soon as a request's worth is there, it leaves."""
    limits = GroupLimits({"2.0": 10})
    async with delivery_rig(replace(QUICK, max_wait_seconds=60.0, limits=limits)) as rig:
        await rig.accept(ids(9))
        await rig.give_time()
        assert rig.tiktok.requests == []
        await rig.accept(["e9"])
        await rig.until_empty()
    assert rig.tiktok.groups == [ids(10)]


PASSING_TROUBLE = [
    pytest.param(answer(50000), id="50000"),
    pytest.param(answer(60001, status=503), id="60001 on 503"),
    pytest.param(web.Response(status=502, text="<html>", content_type="text/html"), id="502 HTML"),
    pytest.param(web.Response(status=504), id="504"),
    pytest.param(web.Response(status=204), id="204"),
    pytest.param(web.Response(body=b'{"code":0,'), id="truncated"),
    pytest.param(web.json_response({"code": "0"}), id="code as text"),
    pytest.param(web.json_response({"code": False}), id="code false"),
    pytest.param(web.json_response({"code": 0}, content_type="text/html"), id="says it is a page"),
]


@pytest.mark.parametrize("trouble", PASSING_TROUBLE)
async def test_passing_trouble_is_tried_again_with_the_same_bytes(trouble: web.Response) -> None:
    """After a failed attempt the same event objects are sent again, and the attempts are counted."""
    async with delivery_rig() as rig:
        replies = [trouble, answer(50002)]
        rig.tiktok.judge = lambda _: replies.pop(0) if replies else answer(0)
        await rig.accept(ids(3))
        await rig.until_empty()
    assert [request.body for request in rig.tiktok.requests] == [rig.tiktok.requests[0].body] * 3
    assert await rig.total("delivered") == 3
    assert rig.witness.outcomes == {("c", "retry"): 6, ("c", "delivered"): 3}
    assert not rig.deliverer.status("c").is_paused


@pytest.mark.parametrize(
    ("code", "note"), [(20001, "TikTok accepted part of the group"), (40050, "received this request before")]
)
async def test_a_success_with_a_remark_is_a_success(code: int, note: str) -> None:
    """20001 and 40050 count as delivered; the remark is kept for people."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: answer(code, "Partially successful")
        await rig.accept(ids(3))
        await rig.until_empty()
        status = rig.deliverer.status("c")
    assert await rig.total("delivered") == 3
    assert note in status.last_note
    assert rig.witness.notes == [status.last_note]


async def test_the_last_answer_is_shown() -> None:
    """The status holds TikTok's words, for people."""
    async with delivery_rig(PATIENT) as rig:
        rig.tiktok.judge = lambda _: answer(50000, "System error", 500)
        await rig.accept(ids(1))
        await rig.wait_until(lambda: rig.witness.outcomes["c", "retry"] == 1)
        status = rig.deliverer.status("c")
    assert status.last_answer == Answer(500, 50000, "System error", "r-1")
    assert status.requests_in_flight == 0


async def test_an_oversized_group_is_halved() -> None:
    """40061 splits the group until TikTok takes the parts, in order."""

    def judge(received: Received) -> web.Response:
        return answer(40061) if len(received.events) > 3 else answer(0)

    async with delivery_rig() as rig:
        rig.tiktok.judge = judge
        await rig.accept(ids(10))
        await rig.until_empty()
    delivered = [event_id for group in rig.tiktok.groups if len(group) <= 3 for event_id in group]
    assert delivered == ids(10)
    assert await rig.total("delivered") == 10


async def test_a_single_event_that_is_too_large_is_a_dead_letter() -> None:
    """What cannot be halved any more is given up, with TikTok's answer."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: answer(40061)
        await rig.accept(ids(1))
        await rig.until_empty()
        (dead,) = await rig.dead_letters()
    assert (dead.reason, dead.payload) == ("refused", payload("e0"))
    assert dead.answer is not None
    assert dead.answer.code == 40061


async def test_a_request_that_tiktok_fails_on_is_given_up_after_five_attempts() -> None:
    """40700 ends as refused."""
    async with delivery_rig() as rig:
        rig.tiktok.judge = lambda _: answer(40700)
        await rig.accept(ids(2))
        await rig.until_empty()
        dead = await rig.dead_letters()
    assert len(rig.tiktok.requests) == 5
    assert [letter.reason for letter in dead] == ["refused"] * 2
    assert [letter.attempts for letter in dead] == [5, 5]


async def test_requests_are_strict_json() -> None:
    """What leaves can be read by any JSON decoder, in either wire form and with a test event code."""
    async with delivery_rig(start=False) as rig:
        rig.connections.add("t", test_event_code='TEST"1')
        await rig.deliverer.start()
        for connection_id in ("c", "t"):
            await rig.accept(ids(3), connection_id)
            await rig.accept(ids(3, "b"), connection_id, wire_form="1.0")
            await rig.until_empty(connection_id)
    events = [read_strictly(request.body) for request in rig.tiktok.requests]
    assert len(events) == 2 + 1 + 3


# --- payloads that the mapping makes of extreme numbers --------------------------------------------------------------

EXTREME_NUMBERS: list[object] = [
    1.7976931348623157e308,
    5e-324,
    -0.0,
    1e22,
    123456789.123456789,
    2**53 + 1,
    2**63,
    10**30,
    10**400,
    math.nan,
    math.inf,
    -math.inf,
    "NaN",
    "-Infinity",
    "1e308",
    "1e999",
    "0x10",
    "\u0661\u0662",
]


def custom_mapping(event: str, event_name: str, *properties: str) -> Members:
    """A mapping that fills these properties from the attribute `number`."""
    sources = {name: {"attribute": "number"} for name in properties}
    return {"event": event, "event_type": "custom_event", "event_name": event_name, "properties": sources}


CUSTOM_MAPPINGS = [
    custom_mapping("Search", "look", "query", "description"),
    custom_mapping("Subscribe", "look", "value"),
    custom_mapping("AddToCart", "look", "price", "quantity", "content_id"),
]


def events_with(number: object) -> list[Members]:
    """Events with this number wherever a sender may put one."""
    product = {"id": number, "name": number, "price": number, "quantity": number, "total_product_amount": number}
    largest = {"price": 1e308, "quantity": 1e308}
    attributes = {"custom_attributes": {"number": number}, "custom_flags": {"TikTok.URL": URL}}
    return [
        order(total_amount=number, transaction_id=number, products=[product] * 2),
        order(products=[{"id": "a", "price": number, "quantity": 3}, largest, largest]),
        purchase(timestamp_unixtime_ms=number),
        {"event_type": "custom_event", "data": {"event_name": "look", **attributes}},
    ]


def extreme_payloads(events_api: WireFormName) -> dict[str, bytes]:
    """What the mapping makes of extreme numbers in a body as senders write it, by made-up event IDs."""
    body = json.dumps(batch_of(*(event for number in EXTREME_NUMBERS for event in events_with(number)))).encode()
    (batch,) = parse_body(body, Bounds())
    connection = connection_of({"events_api": events_api, "custom_mappings": CUSTOM_MAPPINGS})
    outcomes = Mapper(connection).map_batch(batch, RECEIVED_AT_MS)
    payloads = [outcome.payload for outcome in outcomes if isinstance(outcome, Mapped)]
    return {f"m{number}": payload for number, payload in enumerate(payloads)}


@pytest.mark.parametrize("wire_form", ["1.0", "2.0"])
async def test_requests_with_extreme_numbers_are_strict_json(wire_form: WireFormName) -> None:
    """One number that a JSON reader refuses, or a null in its place, would cost all events of its request."""
    payloads = extreme_payloads(wire_form)
    async with delivery_rig() as rig:
        await rig.accept_payloads(payloads, wire_form=wire_form)
        await rig.until_empty()
    assert not any(b"null" in request.body for request in rig.tiktok.requests)
    requests = [read_strictly(request.body) for request in rig.tiktok.requests]
    events = [event for request in requests for event in request["data" if wire_form == "2.0" else "batch"]]
    assert len(events) == len(payloads) > 5 * len(EXTREME_NUMBERS)
    assert {event["event"] for event in events} == {"PlaceAnOrder", "Search", "Subscribe", "AddToCart"}
