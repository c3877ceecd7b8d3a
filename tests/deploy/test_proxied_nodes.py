"""The services of the compose file over one database, behind the Caddyfile: who answers what, also while nodes fail."""

import asyncio
import base64
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

import pytest

from tests.deploy.compose_file import Compose
from tests.deploy.composed_nodes import ComposedNodes
from tests.integration.service_process import CONNECTION, SandboxThread, command
from tests.integration.service_rig import BASIC, fresh_batch
from tests.integration.test_browser_routes import KEY, ORIGIN, PAGE
from tests.postgres_server import shared_server
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.settings import load_settings

# Addresses of this machine that differ from Caddy's.
OUTER_PROXY: Final = "127.0.0.9"
VISITOR: Final = "127.0.0.10"
VARIABLES: Final = {
    "DOMAIN": "forwarder.example.com",
    "OUTER_PROXIES": f"{OUTER_PROXY}/32",
    # Caddy's and the outer proxy's.
    "TRUSTED_PROXIES": f"127.0.0.1/32, {OUTER_PROXY}/32",
}
SENDERS: Final = 4
ACCEPTED: Final = 202

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Deployment:
    """The services of the compose file, with an input of each kind and a connection, and TikTok's stand-in."""

    def __init__(self, composed: ComposedNodes, sandbox: SandboxThread) -> None:
        self.composed = composed
        self.proxy = composed.proxy
        self._sandbox = sandbox

    def api(self, method: str, path: str, body: object = None) -> Any:
        """As a command does in the console's container."""
        settings = load_settings(None, {}, data_dir=self.composed.data_dir("console"))
        return call_running(settings, method, path, body)

    def post(self, path: str, *event_ids: str) -> int:
        return self.proxy.request("POST", path, json.dumps(fresh_batch(*event_ids)).encode(), BASIC).status

    def delivered(self) -> dict[str, dict[str, Any]]:
        """The events that reached TikTok, by ID."""
        events = self._sandbox.ask(lambda sandbox: sandbox.events())
        return {str(event.event_id): json.loads(event.payload) for event in events}

    def until_delivered(self, *event_ids: str) -> dict[str, dict[str, Any]]:
        deadline = time.monotonic() + 30
        while missing := set(event_ids) - self.delivered().keys():
            assert time.monotonic() < deadline, missing
            time.sleep(0.05)
        return self.delivered()


@contextmanager
def deployed(folder: Path) -> Iterator[Deployment]:
    """Start the services as the guide says: secrets as files, then in the order of the compose file."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    for name, text in (
        ("encryption_key", base64.b64encode(os.urandom(32)).decode()),
        ("pgpass", "*:*:*:*:not-asked-for"),
    ):
        (secrets / name).write_text(f"{text}\n")
        (secrets / name).chmod(0o400)
    server = shared_server()
    database = asyncio.run(server.create_database())
    store = f"{server.address(database)}&passfile=/run/secrets/pgpass"
    compose = Compose.load({**VARIABLES, "STORE": store, "SECRETS": str(secrets)})
    with SandboxThread() as sandbox:
        composed = ComposedNodes(compose, folder, sandbox.url)
        try:
            composed.start()
            configure(composed.data_dir("console"))
            wait_until_known(composed)
            yield Deployment(composed, sandbox)
        finally:
            composed.stop()
            asyncio.run(server.drop_database(database))


def configure(data_dir: Path) -> None:
    """As the guide does, with commands in the console's container."""
    file = data_dir.parent / "shop.toml"
    file.write_text(CONNECTION)
    shop = ("--name", "shop", "--key", "key-of-the-shop", "--secret", "secret-of-the-shop")
    web = ("--name", "web", "--kind", "browser", "--key", KEY, "--origin", ORIGIN)
    for arguments in (("inputs", "add", *shop), ("inputs", "add", *web), ("connections", "add", str(file))):
        done = command(*arguments, "--data-dir", str(data_dir), SHOP_TOKEN="access-token-0123456789")
        assert done.returncode == 0, done.stderr


def wait_until_known(composed: ComposedNodes) -> None:
    """Until every node that receives knows the connection, and so the inputs before it."""
    for name in ("ingest-1", "ingest-2"):
        settings = load_settings(None, {}, data_dir=composed.data_dir(name))
        deadline = time.monotonic() + 10
        while not call_running(settings, "GET", "/api/connections", None):
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("deployment")) as running:
        yield running


def answered_202(metrics: str) -> int:
    found = re.findall(r'^tiktok_forwarder_requests_total\{[^}]*status="202"[^}]*\} (\d+)', metrics, re.MULTILINE)
    return sum(map(int, found))


def test_events_reach_the_nodes_that_receive_and_are_delivered(deployment: Deployment) -> None:
    """Also with doubled slashes, as one of mParticle's SDKs makes them; the other nodes get none of them."""
    before = {name: answered_202(deployment.composed.metrics(name)) for name in deployment.composed.nodes}
    paths = ("/v2/events", "/v2/events", "//v2/events", "/v2//events")
    event_ids = [f"routed-{number}" for number in range(len(paths))]
    assert [deployment.post(*each) for each in zip(paths, event_ids, strict=True)] == [202] * len(paths)
    deployment.until_delivered(*event_ids)
    after = {name: answered_202(deployment.composed.metrics(name)) for name in deployment.composed.nodes}
    received = {name: after[name] - before[name] for name in after}
    shares = [received.pop("ingest-1"), received.pop("ingest-2")]
    assert sum(shares) == len(paths) and min(shares) > 0
    assert set(received.values()) == {0}


def test_script_for_sites_is_served_at_both_of_its_paths(deployment: Deployment) -> None:
    """The one that pages with an integrity hash use has the hash in its name."""
    script = deployment.api("GET", "/api/site-script")
    assert script["path"] != script["pinned_path"]
    for path in (script["path"], script["pinned_path"]):
        answer = deployment.proxy.request("GET", path)
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/javascript"), path


def test_console_and_api_are_served_by_the_node_with_the_console(deployment: Deployment) -> None:
    """The page knows itself by the URL of the compose file, and the API authenticates keys."""
    key = deployment.api("POST", "/api/keys", {"name": "ops", "scope": "read"})["key"]
    page = deployment.proxy.request("GET", "/login", headers={"Host": VARIABLES["DOMAIN"]})
    assert page.status == 200 and b"<form" in page.body
    status = deployment.proxy.request("GET", "/api/status", headers={"Authorization": f"Bearer {key}"})
    assert status.status == 200 and [each["name"] for each in status.json["connections"]] == ["Shop"]
    assert deployment.proxy.request("GET", "/api/status").status == 401


def test_metrics_are_not_public(deployment: Deployment) -> None:
    """Neither at Caddy nor, should it pass them on, at a node that is asked by another machine."""
    assert deployment.proxy.request("GET", "/metrics").status == 404
    assert deployment.proxy.request("GET", "//metrics").status in (403, 404)


def test_readiness_is_that_of_the_nodes_that_receive(deployment: Deployment) -> None:
    """A monitor outside learns whether events are accepted."""
    answer = deployment.proxy.request("GET", "/readyz")
    assert (answer.status, answer.json) == (200, {"ready": True, "reasons": []})


@pytest.mark.parametrize(
    ("source", "forwarded", "expected"),
    [
        (VISITOR, None, VISITOR),
        (VISITOR, "198.51.100.66", VISITOR),
        (OUTER_PROXY, "198.51.100.7", "198.51.100.7"),
        (OUTER_PROXY, "198.51.100.66, 198.51.100.8", "198.51.100.8"),
    ],
    ids=["direct", "forged", "through-a-proxy", "forged-through-a-proxy"],
)
def test_visitors_address_is_what_a_trusted_proxy_reports(
    deployment: Deployment, request: pytest.FixtureRequest, source: str, forwarded: str | None, expected: str
) -> None:
    """A visitor may write anything into the header; only what declared proxies add to it counts."""
    event_id = f"visitor-{request.node.callspec.id}"
    headers = dict(PAGE) | ({} if forwarded is None else {"X-Forwarded-For": forwarded})
    body = json.dumps(fresh_batch(event_id)).encode()
    answer = deployment.proxy.request("POST", f"/v3/JS/{KEY}/events", body, headers, source)
    assert answer.status == 202
    assert deployment.until_delivered(event_id)[event_id]["user"]["ip"] == expected


# --- while nodes fail ---


class Senders:
    """Threads that send one event after the other over kept connections, and never one twice."""

    def __init__(self, port: int) -> None:
        self.statuses: dict[str, int | str] = {}
        self._port = port
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()

    def _send(self, number: int) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        count = 0
        while not self._stopping.wait(0.005):
            event_id = f"sent-{number}-{(count := count + 1)}"
            try:
                connection.request("POST", "/v2/events", json.dumps(fresh_batch(event_id)), BASIC)
                answer = connection.getresponse()
                text = answer.read().decode()
                self.statuses[event_id] = answer.status if answer.status == ACCEPTED else f"{answer.status} {text}"
            except (OSError, HTTPException) as error:
                self.statuses[event_id] = repr(error)
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_every_request_is_accepted_while_a_node_that_receives_ends(tmp_path: Path, number: signal.Signals) -> None:
    """What it left unanswered is sent to the other node, and an event that it had stored is not stored again."""
    with deployed(tmp_path) as deployment:
        senders = Senders(deployment.proxy.port)
        time.sleep(2)
        deployment.composed.nodes["ingest-1"].end(number)
        time.sleep(3)
        senders.stop()
        sent = senders.statuses
        assert {event_id: status for event_id, status in sent.items() if status != ACCEPTED} == {}
        deployment.until_delivered(*sent)
        (connection,) = deployment.api("GET", "/api/status")["connections"]
        assert connection["totals"]["accepted"] == connection["totals"]["delivered"] == len(sent)
        # Senders repeat what no node could receive.
        deployment.composed.nodes["ingest-2"].end(signal.SIGKILL)
        body = json.dumps(fresh_batch("late")).encode()
        answer = deployment.proxy.request("POST", "/v2/events", body, BASIC)
        assert (answer.status, answer.json["errors"][0]["code"]) == (503, "UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
        assert deployment.proxy.request("GET", "/readyz").status == 503
        assert deployment.proxy.request("GET", "/login", headers={"Host": VARIABLES["DOMAIN"]}).status == 200
