"""What one node received or delivered is shown by the other node."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import fresh_batch, wait_until
from tests.integration.test_two_nodes import Nodes, soon, two_nodes
from tiktok_forwarder.activity.records import RecordFilter
from tiktok_forwarder.operations.erasure import Person
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
    await soon(lambda: two.services.connections.find("Shop") is not None)
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
