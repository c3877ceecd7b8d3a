"""Services of different roles over one database: one receives, another delivers, a third has console and API."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_process import ServiceProcess
from tests.integration.service_rig import BASIC, Service, fresh_batch, running_service
from tests.patience import wait_until
from tests.ports import free_port
from tests.unit.cli.running import Run
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_sandbox import Sandbox

TAKEOVER_SECONDS = 5
RETRIED = 503  # senders try again after it


class Nodes:
    """Services over one database with one encryption key, and TikTok's stand-in. Each role may run more than once."""

    def __init__(self, database: str, folder: Path, sandbox: Sandbox, stack: AsyncExitStack) -> None:
        self.sandbox = sandbox
        self._database = database
        self._folder = folder
        self._stack = stack

    async def start(self, role: str, **settings: Any) -> Service:
        return await self._stack.enter_async_context(
            running_service(
                self._folder / role,
                self.sandbox.url,
                store=self._database,
                encryption_key_file=self._folder / "encryption.key",
                role=role,
                log_level="error",
                **settings,
            )
        )

    async def start_process(self, role: str, number: int) -> ServiceProcess:
        """One that a test can kill."""
        folder = self._folder / f"{role}{number}"
        folder.mkdir()
        variables = {
            "TIKTOK_FORWARDER_STORE": self._database,
            "TIKTOK_FORWARDER_ENCRYPTION_KEY_FILE": str(self._folder / "encryption.key"),
            "TIKTOK_FORWARDER_ROLE": role,
        }
        node = await asyncio.to_thread(ServiceProcess, folder / "data", self.sandbox.url, **variables)
        self._stack.callback(_end, node)
        return node


def _end(node: ServiceProcess) -> None:
    if node.process.poll() is None:
        node.end(signal.SIGKILL)


@pytest.fixture
async def nodes(empty_database: str, tmp_path: Path) -> AsyncIterator[Nodes]:
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        yield Nodes(empty_database, tmp_path, sandbox, stack)


async def until_known(node: Service, connection_id: str) -> None:
    async def is_known() -> bool:
        return node.services.connections.find(connection_id) is not None

    await wait_until(is_known)


async def ask(node: Service, method: str, path: str, body: object = None) -> Any:
    """As a command does on the node's data directory."""
    return await asyncio.to_thread(call_running, node.application.base.settings, method, path, body)


async def test_event_is_received_delivered_and_shown_by_a_node_each(nodes: Nodes) -> None:
    """The node that delivers comes last: until then the event waits, and the console shows that nothing delivers."""
    console = await nodes.start("console")
    ingest = await nodes.start("ingest")
    connection_id = await console.add_connection()
    await until_known(ingest, connection_id)
    assert (await ingest.post(body=fresh_batch("e1"))).status == 202
    await asyncio.sleep(0.3)
    waiting = await console.status()
    assert nodes.sandbox.requests() == [] and not waiting["running"]
    assert waiting["connections"][0]["queue"]["waiting"] == 1
    deliver = await nodes.start("deliver")
    await console.until_delivered(nodes.sandbox, 1)
    shown = await console.status()
    (connection,) = shown["connections"]
    assert shown["running"] and connection["totals"]["delivered"] == 1
    assert connection["delivery"]["condition"] == "live" and connection["delivery"]["is_elsewhere"]
    await ask(console, "POST", f"/api/connections/{connection_id}/pause", {"reason": "stocktaking"})

    async def is_paused() -> bool:
        return deliver.services.deliverer.status(connection_id).condition == "paused"

    await wait_until(is_paused)


async def test_topics_are_consumed_by_nodes_that_receive(nodes: Nodes) -> None:
    """The others show the state of those consumers, also of an input that was added on another node."""
    console = await nodes.start("console")
    deliver = await nodes.start("deliver")
    kafka = {"servers": [f"127.0.0.1:{free_port()}"], "topics": ["batches"], "security": "plaintext"}
    await ask(console, "POST", "/api/inputs", {"name": "events", "kind": "kafka", "kafka": kafka})
    await asyncio.sleep(1)
    (before,) = (await console.status())["kafka_inputs"]
    assert (before["consumers"], before["state"]) == (0, "connecting")
    ingest = await nodes.start("ingest")

    async def is_shown() -> bool:
        found = [each for node in (console, deliver, ingest) for each in (await node.status())["kafka_inputs"]]
        return [(each["consumers"], each["state"]) for each in found] == [(1, "failed")] * 3

    await wait_until(is_shown, 30)


@pytest.mark.parametrize("role", ["deliver", "console"])
async def test_node_that_does_not_receive_has_senders_try_again(nodes: Nodes, role: str) -> None:
    """Whoever they are, since no one is authenticated; nothing is accepted, and the metrics count it."""
    node = await nodes.start(role)
    await node.add_connection()
    for path in ("/v2/events", "/v2/bulkevents", "/webhook/shop", "/firehose/shop", "/v3/JS/k/events", "//v2/events"):
        for headers in (BASIC, {}):
            answer = await node.post(path, fresh_batch("e1"), headers)
            assert (answer.status, answer.json["errors"][0]["code"]) == (RETRIED, "UNAVAILABLE"), path
            assert int(answer.headers["Retry-After"]) > 0
    assert await node.waiting() == 0
    assert 'reason="role"' in await node.metrics()
    assert (await node.request("GET", "/tiktok-forwarder.js")).status == 404


@pytest.mark.parametrize("role", ["ingest", "deliver"])
async def test_node_without_console_serves_neither_pages_nor_api(nodes: Nodes, role: str) -> None:
    """Also with a valid key. 404 of the API would say that what was asked for does not exist."""
    node = await nodes.start(role)
    key = (await node.services.api_keys.make("ops", "admin", "test")).key
    answer = await node.request("GET", "/api/status", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status, answer.json["errors"][0]["code"]) == (RETRIED, "UNAVAILABLE")
    for path in ("/", "/login", "/static/console.css"):
        assert (await node.request("GET", path)).status == 404, path


async def test_node_serves_what_its_role_includes(nodes: Nodes) -> None:
    """Console and API on one, the script for sites on another."""
    console, ingest = await nodes.start("console"), await nodes.start("ingest")
    key = (await console.services.api_keys.make("ops", "read", "test")).key
    assert (await console.request("GET", "/api/status", headers={"Authorization": f"Bearer {key}"})).status == 200
    assert (await console.request("GET", "/login")).status == 200
    assert (await ingest.request("GET", "/tiktok-forwarder.js")).status == 200


@pytest.mark.parametrize("role", ["ingest", "deliver", "console"])
async def test_health_and_commands_are_those_of_every_role(nodes: Nodes, role: str) -> None:
    """The socket has the whole API, whatever the port serves. A pause is stored for the node that delivers."""
    node = await nodes.start(role)
    connection_id = await node.add_connection()
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await node.request("GET", path)).status == 200, path
    await ask(node, "POST", f"/api/connections/{connection_id}/pause", {"reason": "stocktaking"})
    stored = await node.services.store.get_document("delivery_state", connection_id)
    assert stored is not None and b"stocktaking" in stored.body


async def test_login_link_is_of_a_node_with_a_console(nodes: Nodes) -> None:
    """Elsewhere one line names where to run the command, and no user is added; a declared URL works everywhere."""
    ingest, console = await nodes.start("ingest"), await nodes.start("console")
    deliver = await nodes.start("deliver", console_url="https://forwarder.example.com")
    for path, body in (("/api/console-link", {}), ("/api/users", {"name": "Ada"})):
        with pytest.raises(ConfigurationError, match=r"role is ingest; set console_url, or run .* role console or all"):
            await ask(ingest, "POST", path, body)
    assert await ask(ingest, "GET", "/api/users") == []
    assert (await ask(console, "POST", "/api/console-link", {}))["base"] == console.url
    assert (await ask(deliver, "POST", "/api/console-link", {}))["base"] == "https://forwarder.example.com"


@pytest.mark.slow
async def test_killed_node_is_replaced_by_another_that_delivers(nodes: Nodes) -> None:
    """Within five seconds; nodes of other roles take nothing over."""
    ingest = await nodes.start("ingest")
    await ingest.add_connection()
    first = await nodes.start_process("deliver", 1)
    await ingest.post(body=fresh_batch("e1"))
    await ingest.until_delivered(nodes.sandbox, 1)
    await nodes.start_process("deliver", 2)
    first.end(signal.SIGKILL)
    killed_at = time.monotonic()
    assert (await ingest.post(body=fresh_batch("e2"))).status == 202
    await ingest.until_delivered(nodes.sandbox, 2)
    assert time.monotonic() - killed_at < TAKEOVER_SECONDS
    assert ingest.services.deliverer.statuses() == {}


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_role_of_a_service_that_shares_no_store_is_refused(run: Run, tmp_path: Path, store: str) -> None:
    """One line, before anything is created."""
    status, out, err = run("serve", "--role", "deliver", "--store", store, "--data-dir", tmp_path / "data")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"role must be all with the store {store}, not 'deliver'" in err
    assert not (tmp_path / "data").exists()
