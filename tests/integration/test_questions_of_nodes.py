"""What one node received or delivered is shown by the other node."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import Service, fresh_batch
from tests.integration.test_two_nodes import Nodes, two_nodes
from tests.patience import wait_until
from tiktok_forwarder.activity.records import RecordFilter
from tiktok_forwarder.operations.erasure import Person
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def nodes(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Nodes]:
    async with two_nodes(tmp_path, tiktok_base_url=sandbox.url, development_events_kept=5) as running:
        yield running


async def delivered(nodes: Nodes, sandbox: Sandbox, **members: Any) -> str:
    """The connection of two events that each node has received one of, and one of them has delivered."""
    one, two = nodes
    connection_id = await one.add_connection("Shop")
    await wait_until(lambda: two.services.connections.find("Shop") is not None)
    for number, node in enumerate(nodes):
        assert (await node.post(body=fresh_batch(f"e{number}", **members))).status == 202
    await one.until_delivered(sandbox, 2)
    return connection_id


async def test_delivery_is_shown_as_the_node_knows_it_that_delivers(nodes: Nodes, sandbox: Sandbox) -> None:
    """Both show TikTok's last answer; metrics count the requests once."""
    connection_id = await delivered(nodes, sandbox)
    shown = [(await node.status())["connections"][0]["delivery"] for node in nodes]
    assert [each["last_answer"]["message"] for each in shown] == ["OK", "OK"]
    assert sorted(each["is_elsewhere"] for each in shown) == [False, True]
    assert {each["connection_id"] for each in shown} == {connection_id}


async def test_activity_of_an_event_is_complete_on_both_nodes(nodes: Nodes, sandbox: Sandbox) -> None:
    """Its acceptance on one node and its delivery on another are one timeline."""
    connection_id = await delivered(nodes, sandbox)

    async def is_complete() -> bool:
        found = [
            [
                [each.record.outcome for each in await node.services.activity.way(connection_id, "PlaceAnOrder", name)]
                for name in ("e0", "e1")
            ]
            for node in nodes
        ]
        return found == [[["accepted", "delivered"]] * 2] * 2

    await wait_until(is_complete)
    records = [await node.services.activity.recent(RecordFilter()) for node in nodes]
    assert [each.record_no for each in records[0]] == [each.record_no for each in records[1]] != []


async def test_results_and_names_of_both_nodes_add_up(nodes: Nodes, sandbox: Sandbox) -> None:
    """Whichever node received or delivered an event, both show the same figures, names and counts of the menu."""
    connection_id = await delivered(nodes, sandbox)
    one, two = nodes
    for node in nodes:
        signup = {"event_type": "custom_event", "data": {"event_name": "Signup"}}
        assert (await node.post(body={**fresh_batch(), "events": [signup]})).status == 202
    await two.services.deliverer.pause(connection_id, "stocktaking", "test")

    async def shown(node: Service) -> list[Any]:
        paths = ("/api/results", "/api/received-events", "/api/attention")
        views = [json.loads((await asgi_call(node.application.api, "GET", path, b""))[1]) for path in paths]
        views[0].pop("now_ms")
        return views

    async def is_complete() -> bool:
        results, names, attention = await shown(one)
        ((event,),) = [each["events"] for each in results["connections"]] or [[{"today": {}}]]
        counts = (event["today"].get("mapped"), event["today"].get("delivered"))
        return counts == (2, 2) and len(names["events"]) == 2 and attention["stopped_connections"] == 1

    await wait_until(is_complete)
    assert await shown(one) == await shown(two)
    results, names, _ = await shown(one)
    assert results["connections"][0]["events"][0]["today"]["values"][0]["millionths"] == 25_000_000
    assert {each["event_name"]: (each["mapped"], each["unmapped"]) for each in names["events"]} == {
        "purchase": (2, 0),
        "Signup": (0, 2),
    }


async def test_development_events_of_both_nodes_are_shown_and_forgotten(nodes: Nodes, sandbox: Sandbox) -> None:
    """The latest first; an erasure on one node deletes those in the other's memory."""
    connection_id = await delivered(nodes, sandbox, environment="development")
    for node in nodes:
        kept = await node.services.development_events.get(connection_id)
        assert [event.data.source_message_id for each in kept if (event := each.event) and event.data] == ["e1", "e0"]
    await nodes[0].services.person_erasure.erase(Person(email="nobody@example.com"), "test")
    for node in nodes:
        assert await node.services.development_events.get(connection_id) == []


async def test_names_that_either_node_received_are_suggested_on_both(nodes: Nodes, sandbox: Sandbox) -> None:
    """Counts add up."""
    await delivered(nodes, sandbox)
    for node in nodes:
        (seen,) = await node.services.seen_names.list_for_inputs(["shop"])
        assert (seen.event_type, seen.count) == ("commerce_event", 2)
