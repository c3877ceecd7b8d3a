"""Two nodes over one database: what is changed on one is in force on the other within a second."""

import asyncio
import math
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.postgres_server import shared_server
from tiktok_forwarder.access.console_access import LoggedIn
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_sandbox import Sandbox

ADA, BEN = "correct horse battery", "another good one"
HERE = "203.0.113.7"
SEARCH = {"event": "Search", "event_type": "custom_event", "event_name": "Site Search"}


@asynccontextmanager
async def two_nodes(folder: Path, **settings: object) -> AsyncIterator[tuple[Service, Service]]:
    """Two services on directories of their own, with the same database and encryption key."""
    server = shared_server()
    database = await server.create_database()
    shared: dict[str, Any] = {
        "store": server.address(database),
        "encryption_key_file": folder / "encryption.key",
        "log_level": "error",
        **settings,
    }
    try:
        async with (
            running_service(folder / "one", **shared) as one,
            running_service(folder / "two", **shared) as two,
        ):
            yield one, two
    finally:
        await server.drop_database(database)


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[Service, Service]]:
    async with two_nodes(tmp_path) as running:
        yield running


Nodes = tuple[Service, Service]


def searched(event_id: str) -> dict[str, Any]:
    """A batch with an event that only a custom mapping maps."""
    batch = fresh_batch(event_id)
    data = batch["events"][0]["data"]
    del data["product_action"]
    data |= {"event_name": "Site Search", "custom_attributes": {"term": "shoes"}}
    batch["events"][0]["event_type"] = "custom_event"
    return batch


async def at_the_same_time(*works: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*works, return_exceptions=True)


async def test_change_is_in_force_within_a_second(nodes: Nodes) -> None:
    """Usually within a third of it."""
    one, two = nodes
    seconds = []
    for number in range(5):
        await one.add_connection(f"Shop {number}")
        seconds.append(await wait_until(lambda: len(two.services.connections.all()) == number + 1))  # noqa: B023
    assert statistics.median(seconds) < 1


# --- connections and inputs ---


async def test_connection_is_known_changed_and_removed_on_the_other_node(nodes: Nodes) -> None:
    """With its mapping, under the same order as on the node that made it."""
    one, two = nodes
    await one.add_connection("First")
    connection_id = await one.add_connection("Shop")
    await wait_until(lambda: two.services.connections.find("Shop") is not None)
    assert [each.name for each in two.services.connections.all()] == ["First", "Shop"]
    mappers = two.services.connections.mappers_of("shop")
    changes = {"pixel_id": "ANOTHER"}
    await two.services.connections.set("Shop", changes, expected_revision=None, changed_by="test")
    await wait_until(lambda: one.services.connections.all()[1].pixel_id == "ANOTHER")
    assert two.services.connections.mappers_of("shop") != mappers
    await one.services.deletion.delete("Shop", "test")
    await wait_until(lambda: two.services.connections.find(connection_id) is None)
    assert (await two.post(body=fresh_batch("e1"))).status == 202
    totals = {row.connection_id for row in await two.services.store.totals()}
    assert connection_id not in totals


async def test_new_mapping_is_applied_by_the_other_node(nodes: Nodes) -> None:
    """To the next request that it receives."""
    one, two = nodes
    await one.add_connection("Shop")
    await wait_until(lambda: two.services.connections.find("Shop") is not None)
    assert (await two.post(body=searched("e1"))).status == 202
    changes = {"custom_mappings": [SEARCH]}
    await one.services.connections.set("Shop", changes, expected_revision=None, changed_by="test")

    async def is_mapped() -> bool:
        await two.post(body=searched("e2"))
        return await two.waiting() == 1

    await wait_until(is_mapped)


async def test_input_is_refused_on_the_other_node_once_it_was_removed(nodes: Nodes) -> None:
    """Its secret lets no one in, whatever header the other node had remembered."""
    one, two = nodes
    assert (await two.post(body=fresh_batch("e1"))).status == 202
    await one.services.inputs.remove("shop", "test")

    async def is_refused() -> bool:
        return (await two.post(body=fresh_batch("e2"))).status == 403

    await wait_until(is_refused)


async def add_connection(node: Service, name: str) -> object:
    return await node.add_connection(name)


async def add_input(node: Service, name: str) -> object:
    return await node.services.inputs.add(name, key=None, secret=None, authorization=None, changed_by="test")


async def add_user(node: Service, name: str) -> object:
    return await node.services.console_access.users.add(name, "viewer", "test")


async def add_key(node: Service, name: str) -> object:
    return await node.services.api_keys.make(name, "read", "test")


@pytest.mark.parametrize("add", [add_connection, add_input, add_user, add_key])
async def test_name_that_is_given_on_two_nodes_at_the_same_time_is_given_once(
    nodes: Nodes, add: Callable[[Service, str], Awaitable[object]]
) -> None:
    """The others get the message that they always get."""
    for number in range(3):
        outcomes = await at_the_same_time(*[add(node, f"name{number}") for node in nodes for _ in range(3)])
        refused = [each for each in outcomes if isinstance(each, ConfigurationError)]
        assert len(refused) == 5 and all("already exists" in str(each) for each in refused)


async def test_form_that_is_saved_on_two_nodes_at_the_same_time_is_saved_once(nodes: Nodes) -> None:
    """The other is told that its view is outdated, as on one node."""
    one, two = nodes
    await one.add_connection("Shop")
    await wait_until(lambda: two.services.connections.find("Shop") is not None)
    for revision in range(1, 5):
        outcomes = await at_the_same_time(
            *[
                node.services.connections.set(
                    "Shop", {"pixel_id": f"PIXEL{revision}"}, expected_revision=revision, changed_by="test"
                )
                for node in nodes
            ]
        )
        assert sum(isinstance(each, RevisionConflict) for each in outcomes) == 1


async def test_input_is_not_removed_under_a_connection_that_names_it(nodes: Nodes) -> None:
    """A connection that is added at the same time finds the input, or finds that it is gone."""
    one, two = nodes
    for number in range(5):
        await add_input(one, f"in{number}")
        removed, added = await at_the_same_time(
            one.services.inputs.remove(f"in{number}", "test"), two.add_connection(f"C{number}", inputs=[f"in{number}"])
        )
        assert not isinstance(removed, Exception)
        assert isinstance(added, str | ConfigurationError)


# --- pauses ---


async def test_pause_of_one_node_stops_the_other(tmp_path: Path) -> None:
    """Until either resumes it; the status of both says who paused it and why."""
    async with Sandbox() as sandbox, two_nodes(tmp_path, tiktok_base_url=sandbox.url) as (one, two):
        connection_id = await one.add_connection("Shop")
        await wait_until(lambda: connection_id in two.services.deliverer.statuses())
        await one.services.deliverer.pause(connection_id, "stocktaking", "ann")
        await wait_until(lambda: two.services.deliverer.status(connection_id).condition == "paused")
        status = two.services.deliverer.status(connection_id)
        assert (status.reason, status.by) == ("stocktaking", "ann")
        await two.post(body=fresh_batch("e1"))
        await asyncio.sleep(0.3)
        assert sandbox.requests() == [] and await one.waiting() == 1
        await two.services.deliverer.resume(connection_id, "ben")
        await wait_until(lambda: not one.services.deliverer.status(connection_id).is_paused)
        await two.until_delivered(sandbox, 1)


def reasons_on(nodes: Nodes, connection_id: str) -> set[str]:
    return {node.services.deliverer.status(connection_id).reason for node in nodes}


@pytest.mark.slow
async def test_pause_by_hand_is_not_undone_by_the_service_of_the_other_node(nodes: Nodes) -> None:
    """Whichever is stored first: the person's pause holds on both."""
    one, two = nodes
    connection_id = await one.add_connection("Shop")
    await wait_until(lambda: connection_id in two.services.deliverer._pauses)
    for number in range(4):
        service = two.services.deliverer._pauses[connection_id]
        await at_the_same_time(
            one.services.deliverer.pause(connection_id, f"by ann {number}", "ann"),
            service.pause_by_service("misconfigured", "wrong token", 40105, 1),
            service.resume("service"),
        )
        await wait_until(lambda: reasons_on(nodes, connection_id) == {f"by ann {number}"})  # noqa: B023
        await two.services.deliverer.resume(connection_id, "ben")
        await wait_until(lambda: not one.services.deliverer.status(connection_id).is_paused)


# --- TikTok's answers, and the steps to the first event ---


async def conditions_on(nodes: Nodes, connection_id: str) -> list[tuple[str, str, str]]:
    """Condition, reason and TikTok's message, as the status of each node shows them."""
    shown = [(await node.status())["connections"] for node in nodes]
    deliveries = [each["delivery"] for found in shown for each in found if each["id"] == connection_id]
    return [(each["condition"], each["reason"], each["tiktok_message"]) for each in deliveries]


async def same_soon(nodes: Nodes, connection_id: str, condition: str) -> tuple[str, str, str]:
    async def is_same() -> bool:
        found = await conditions_on(nodes, connection_id)
        return len(found) == len(nodes) and set(found) == {found[0]} and found[0][0] == condition

    await wait_until(is_same)
    return (await conditions_on(nodes, connection_id))[0]


async def test_condition_is_the_same_on_both_nodes(tmp_path: Path) -> None:
    """Whichever node asks TikTok, and whichever delivers; a changed token makes the answer void on both."""
    good = "token-of-the-pixel-0123"
    async with (
        Sandbox(grants={good: None}) as sandbox,
        two_nodes(tmp_path, tiktok_base_url=sandbox.url) as nodes,
    ):
        one, two = nodes
        connection_id = await one.add_connection("Shop", access_token="token-of-nobody-0123")
        await same_soon(nodes, connection_id, "not_checked")
        for node in nodes:
            connection = node.services.connections.find(connection_id)
            assert connection is not None
            await node.services.connection_check.check(connection)
            _, reason, message = await same_soon(nodes, connection_id, "refused")
            assert reason.startswith("The access token is incorrect")
            assert message.startswith("Access token is incorrect")
        await two.services.connections.set(
            connection_id, {"access_token": good}, expected_revision=None, changed_by="test"
        )
        await same_soon(nodes, connection_id, "not_checked")
        await one.post(body=fresh_batch("e1"))
        await same_soon(nodes, connection_id, "live")
        await two.services.connections.set(
            connection_id, {"test_event_code": "TEST42"}, expected_revision=None, changed_by="test"
        )
        await same_soon(nodes, connection_id, "test")
        await one.services.deletion.delete(connection_id, "test")

        async def is_forgotten() -> bool:
            return not await two.services.store.list_documents("connection_check")

        await wait_until(is_forgotten)


async def test_steps_are_put_away_on_both_nodes(nodes: Nodes) -> None:
    """And shown again on both; a deleted connection leaves nothing behind."""
    one, two = nodes
    connection_id = await one.add_connection("Shop")
    await wait_until(lambda: two.services.connections.find("Shop") is not None)
    await two.services.first_steps.put_away("Shop", "test", is_put_away=True)
    await wait_until(lambda: one.services.first_steps.is_put_away(connection_id))
    await one.services.first_steps.put_away("Shop", "test", is_put_away=False)
    await wait_until(lambda: not two.services.first_steps.is_put_away(connection_id))
    await one.services.first_steps.put_away("Shop", "test", is_put_away=True)
    await one.services.deletion.delete("Shop", "test")

    async def is_forgotten() -> bool:
        return not await two.services.store.list_documents("first_steps")

    await wait_until(is_forgotten)


# --- access ---


async def test_revoked_api_key_opens_nothing_on_the_other_node(nodes: Nodes) -> None:
    """Within a second, and a new one opens it."""
    one, two = nodes
    key = (await one.services.api_keys.make("ops", "read", "test")).key
    headers = {"Authorization": f"Bearer {key}"}

    async def status_is(status: int) -> bool:
        return (await two.request("GET", "/api/status", headers=headers)).status == status

    await wait_until(lambda: status_is(200))
    await one.services.api_keys.revoke("ops", "test")
    await wait_until(lambda: status_is(401))


async def entered(node: Service, name: str, password: str) -> LoggedIn:
    found = await node.services.console_access.log_in(name, password, HERE)
    assert isinstance(found, LoggedIn)
    return found


async def page_status(node: Service, reference: str) -> int:
    """The answer of the node's console to a browser with this session."""
    cookie = {"Cookie": f"session-{node.port}={reference}"}
    async with node.client.get(f"{node.url}/account", headers=cookie, allow_redirects=False) as answer:
        return answer.status


@pytest.fixture
async def users(nodes: Nodes) -> Nodes:
    """Nodes with an administrator, Ada, and a viewer, Ben."""
    one, two = nodes
    await one.services.console_access.users.add_with_password("Ada", "admin", ADA, "test")
    await one.services.console_access.users.add_with_password("Ben", "viewer", BEN, "test")
    await wait_until(lambda: len(two.services.console_access.users.all()) == 2)
    return nodes


async def test_session_is_valid_on_both_nodes_until_the_log_out(users: Nodes) -> None:
    """A log-out on one ends it on the other immediately."""
    one, two = users
    entry = await entered(one, "Ada", ADA)
    assert [await page_status(node, entry.reference) for node in users] == [200, 200]
    await two.services.console_access.log_out(entry.reference)
    assert [await page_status(node, entry.reference) for node in users] == [303, 303]


async def test_deleted_user_is_out_on_the_other_node(users: Nodes) -> None:
    """Sessions end, and neither password nor link lets the user in."""
    one, two = users
    entry = await entered(two, "Ben", BEN)
    _, token = await two.services.console_access.link_for("Ben", "test")
    await one.services.console_access.remove("Ben", "test")
    assert await page_status(two, entry.reference) == 303
    assert await two.services.console_access.link_of(token) is None
    await wait_until(lambda: two.services.console_access.users.find("Ben") is None)
    assert not isinstance(await two.services.console_access.log_in("Ben", BEN, HERE), LoggedIn)


async def test_new_password_ends_sessions_that_are_opened_on_the_other_node(users: Nodes) -> None:
    """Also one that the old password opens at the same moment."""
    one, two = users
    token = (await one.services.console_access.link_for("Ben", "test"))[1]
    outcomes = await at_the_same_time(
        one.services.console_access.accept_link(token, "", "a third good one", HERE),
        *[two.services.console_access.log_in("Ben", BEN, f"192.0.2.{number}") for number in range(4)],
    )
    assert isinstance(outcomes[0], LoggedIn)
    old = [each for each in outcomes[1:] if isinstance(each, LoggedIn)]
    assert [await page_status(one, each.reference) for each in old] == [303] * len(old)
    assert await page_status(two, outcomes[0].reference) == 200


async def test_link_is_used_on_one_of_two_nodes(users: Nodes) -> None:
    """However close the two requests are."""
    for number in range(3):
        _, token = await users[0].services.console_access.link_for("Ben", "test")
        outcomes = await at_the_same_time(
            *[
                node.services.console_access.accept_link(token, "", f"good one of node {number} {place}", HERE)
                for place, node in enumerate(users)
            ]
        )
        assert sorted(type(each).__name__ for each in outcomes) == ["LoggedIn", "UnknownName"]


async def test_guesses_are_slowed_over_both_nodes(users: Nodes) -> None:
    """A wait on one holds on the other; of guesses at the same time on both, one is checked.

    On a slow machine they take so long that waits are over; each of these is twice as long as the one before.
    """
    attempts = [node.services.console_access.log_in("Ada", "a guess", HERE) for node in users for _ in range(5)]
    began = time.monotonic()
    found = await at_the_same_time(*attempts)
    checked = sum(each.wait_seconds == 0 for each in found)
    assert 1 <= checked <= 1 + math.log2(1 + time.monotonic() - began)


async def test_one_of_the_last_two_administrators_stays(users: Nodes) -> None:
    """Removed at the same time, each on another node."""
    one, two = users
    for _ in range(3):
        await one.services.console_access.set_role("Ben", "admin", "test")
        outcomes = await at_the_same_time(
            one.services.console_access.set_role("Ada", "viewer", "test"),
            two.services.console_access.set_role("Ben", "viewer", "test"),
        )
        assert sum(isinstance(each, ConfigurationError) for each in outcomes) == 1
        administrators = [each.name for each in one.services.console_access.users.all() if each.role == "admin"]
        if "Ada" not in administrators:
            await one.services.console_access.set_role("Ada", "admin", "test")
            await one.services.console_access.set_role("Ben", "viewer", "test")


# --- replays ---


async def test_progress_of_a_replay_is_shown_on_the_other_node(nodes: Nodes) -> None:
    """Under its number, and two replays at the same time have different ones."""
    one, two = nodes
    await one.add_connection("Shop")
    await one.post(body=fresh_batch("e1", "e2"))
    (connection,) = one.services.connections.all()
    await one.services.store.dead_letter_all(connection.id, "refused", 1)
    await wait_until(lambda: len(two.services.connections.all()) == 1)
    first, second = await asyncio.gather(*[node.services.dead_letters.replay(DeadLetterFilter()) for node in nodes])
    assert first.replay_no != second.replay_no
    for replay in (first, second):
        assert await one.services.dead_letters.progress(replay.replay_no) == await two.services.dead_letters.progress(
            replay.replay_no
        )


# --- the key ---


async def test_rewritten_secrets_are_read_again_on_the_other_node(nodes: Nodes) -> None:
    """Copies of the old bodies are worthless once another key seals them."""
    one, two = nodes
    await wait_until(lambda: two.services.inputs.find_by_name("shop") is not None)
    shop = two.services.inputs.find_by_name("shop")
    await one.services.store.rewrite_documents(["input"], lambda document: document.body)
    await wait_until(lambda: two.services.inputs.find_by_name("shop") is not shop)
