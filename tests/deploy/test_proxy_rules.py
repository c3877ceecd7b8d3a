"""The rules of the Caddyfile: which paths lead where, and which requests may be sent twice."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.composed_nodes import Proxy, proxy
from tests.deploy.routes import EVENT_PATHS, OTHER_PATHS
from tiktok_forwarder.intake.refusals import Refusal, later, stopping

BODY = b'{"events":[]}' + b" " * 500_000

pytestmark = pytest.mark.slow


class Node:
    """A server that is ready, and answers what is posted, or breaks the connection when it has read everything."""

    def __init__(self, *, breaks: bool = False, refuses_for: str = "") -> None:
        """`refuses_for` is the `Retry-After` of a refusal."""
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path != "/readyz":
                    node.paths.append(self.path)
                self._answer(200)

            def do_POST(self) -> None:
                node.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                if breaks:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    self._answer(503 if refuses_for else 202)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                if refuses_for:
                    self.send_header("Retry-After", refuses_for)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@contextmanager
def serving(*nodes: Node) -> Iterator[None]:
    with ExitStack() as stack:
        for node in nodes:
            thread = threading.Thread(target=node.server.serve_forever, args=(0.05,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(node.server.server_close)
            stack.callback(node.server.shutdown)
        yield


def test_events_whose_node_fails_are_sent_to_another_with_their_body(tmp_path: Path) -> None:
    """The first node may have stored them: an event that is received twice is stored once."""
    broken, sound = Node(breaks=True), Node()
    nodes = f"{broken.address} {sound.address}"
    with serving(broken, sound), proxy(tmp_path, INGEST_NODES=nodes, CONSOLE_NODES=sound.address) as running:
        statuses = [running.request("POST", "/v2/events", BODY).status for _ in range(10)]
    assert statuses == [202] * 10
    assert broken.bodies and set(broken.bodies + sound.bodies) == {BODY}
    assert len(sound.bodies) == 10


@pytest.mark.parametrize(("refusal", "statuses"), [(stopping(), {202}), (later("full", "store_full"), {202, 503})])
def test_only_the_refusal_of_a_node_that_stops_is_not_passed_on(
    tmp_path: Path, refusal: Refusal, statuses: set[int]
) -> None:
    """Another node can do what it refused; what a store refuses would be refused by every node."""
    refusing, sound = Node(refuses_for=dict(refusal.headers)[b"retry-after"].decode()), Node()
    nodes = f"{refusing.address} {sound.address}"
    with serving(refusing, sound), proxy(tmp_path, INGEST_NODES=nodes, CONSOLE_NODES=sound.address) as running:
        assert {running.request("POST", "/v2/events", BODY).status for _ in range(10)} == statuses
    assert set(refusing.bodies + sound.bodies) == {BODY}


def test_change_through_the_api_is_never_sent_twice(tmp_path: Path) -> None:
    """The node may have made it before it failed, and a person who sees the error decides what to do."""
    broken, sound = Node(breaks=True), Node()
    nodes = f"{broken.address} {sound.address}"
    with serving(broken, sound), proxy(tmp_path, INGEST_NODES=sound.address, CONSOLE_NODES=nodes) as running:
        statuses = [running.request("POST", "/api/keys", BODY).status for _ in range(10)]
    assert statuses.count(503) == len(broken.bodies) > 0
    assert statuses.count(202) == len(sound.bodies)
    assert len(broken.bodies) + len(sound.bodies) == 10


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Proxy, Node, Node]]:
    ingest, console = Node(), Node()
    folder = tmp_path_factory.mktemp("routed")
    variables = {"INGEST_NODES": ingest.address, "CONSOLE_NODES": console.address, "SCRIPT_STEM": "/shop"}
    with serving(ingest, console), proxy(folder, **variables) as running:
        yield running, ingest, console


@pytest.mark.parametrize("path", [*EVENT_PATHS, "/shop.js", "/shop.0123456789abcdef.js"])
def test_path_of_senders_and_browsers_leads_to_a_node_that_receives(
    routed: tuple[Proxy, Node, Node], path: str
) -> None:
    """Every other node refuses it; the script's path is a setting."""
    running, ingest, console = routed
    before = len(ingest.paths)
    assert running.request("GET", path).status == 200
    assert ingest.paths[before:] == [path] and path not in console.paths


@pytest.mark.parametrize("path", OTHER_PATHS)
def test_other_path_leads_to_a_node_with_a_console(routed: tuple[Proxy, Node, Node], path: str) -> None:
    """Every other node refuses it."""
    running, ingest, console = routed
    assert running.request("GET", path).status == 200
    assert path in console.paths and path not in ingest.paths
