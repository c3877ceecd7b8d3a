"""What the service answers to peers that are not on its machine: really connected, over plain HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.service_process import ServiceProcess, command, serving
from tests.other_machines import PRIVATE, PUBLIC, OtherMachines, other_machines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sqlite_files("a network of its own does not reach the PostgreSQL server of the tests"),
]


@pytest.fixture(scope="module")
def network() -> Iterator[OtherMachines]:
    with other_machines() as network:
        yield network


@contextmanager
def listening(network: OtherMachines, data_dir: Path, **settings: str) -> Iterator[ServiceProcess]:
    """A service that listens on every address of the network, as one in a container does."""
    given = {f"TIKTOK_FORWARDER_{name.upper()}": value for name, value in settings.items()}
    given["TIKTOK_FORWARDER_HOST"] = "0.0.0.0"  # noqa: S104 - the network has no other machine
    with serving(data_dir, under=network.prefix, **given) as service:
        yield service


def key_of(data_dir: Path, name: str, scope: str) -> str:
    done = command("api-keys", "make", name, "--scope", scope, "--data-dir", str(data_dir))
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["key"])


def test_console_is_closed_to_other_machines_by_default(network: OtherMachines, tmp_path: Path) -> None:
    """Without TLS, a password would cross the network unencrypted."""
    with listening(network, tmp_path / "data") as service:
        for source in (PRIVATE, PUBLIC):
            answer = network.get(source, service.port, "/login", Host="localhost:8090")
            assert answer.status == 403 and b"console_url" in answer.body
        assert network.get("127.0.0.1", service.port, "/login").status == 200


def test_console_of_a_container_is_open_to_private_peers_as_localhost(network: OtherMachines, tmp_path: Path) -> None:
    """The setting opens it under the names of the browser's machine, and to no public peer; API and proxies stay."""
    data_dir = tmp_path / "data"
    with listening(network, data_dir, console_plain_http="localhost") as service:
        page = network.get(PRIVATE, service.port, "/login", Host="localhost:8090")
        assert page.status == 200 and b'name="password"' in page.body
        for host in ("forwarder.example.com", f"{PRIVATE}:{service.port}"):
            assert network.get(PRIVATE, service.port, "/login", Host=host).status == 403
        assert network.get(PUBLIC, service.port, "/login", Host="localhost:8090").status == 403
        forged = network.get(PUBLIC, service.port, "/login", Host="localhost:8090", X_Forwarded_For="10.0.0.1")
        proxied = network.get(PRIVATE, service.port, "/login", Host="localhost:8090", X_Forwarded_For="10.0.0.1")
        assert (forged.status, proxied.status) == (403, 403)
        key = f"Bearer {key_of(data_dir, 'ops', 'admin')}"
        assert network.get(PRIVATE, service.port, "/api/status", Authorization=key).status == 403
        link = command("console-link", "--data-dir", str(data_dir)).stdout
        assert link.startswith(f"http://localhost:{service.port}/welcome/")
        (warning,) = json.loads(command("status", "--data-dir", str(data_dir)).stdout)["warnings"]
        assert "without TLS" in warning
        assert warning in service.log_file.read_text()


def test_declared_proxy_ends_plain_http(network: OtherMachines, tmp_path: Path) -> None:
    """With TLS in front, the image's setting has no effect, and nothing is warned of."""
    settings = {"console_plain_http": "localhost", "console_url": "https://forwarder.example.com"}
    with listening(network, tmp_path / "data", **settings) as service:
        assert network.get(PRIVATE, service.port, "/login", Host="localhost:8090").status == 403
        assert "TLS" not in service.log_file.read_text()


def test_metrics_are_read_from_another_machine_with_a_key(network: OtherMachines, tmp_path: Path) -> None:
    """Of the scope metrics, which opens nothing else; never over a public network without TLS."""
    data_dir = tmp_path / "data"
    with listening(network, data_dir) as service:
        assert network.get("127.0.0.1", service.port, "/metrics").status == 200
        refused = network.get(PRIVATE, service.port, "/metrics")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        key = key_of(data_dir, "prometheus", "metrics")
        for wrong in (key, "Basic " + key, "Bearer", f"Bearer {key[:-1]}", "Bearer tfk_"):
            assert network.get(PRIVATE, service.port, "/metrics", Authorization=wrong).status == 401, wrong
        answer = network.get(PRIVATE, service.port, "/metrics", Authorization=f"Bearer {key}")
        assert answer.status == 200 and b"tiktok_forwarder_requests" in answer.body
        through_a_proxy = {"Authorization": f"Bearer {key}", "X_Forwarded_For": "203.0.113.9"}
        assert network.get("127.0.0.1", service.port, "/metrics", **through_a_proxy).status == 200
        assert network.get(PUBLIC, service.port, "/metrics", Authorization=f"Bearer {key}").status == 403
        assert network.get("127.0.0.1", service.port, "/api/status", Authorization=f"Bearer {key}").status == 403
        assert command("api-keys", "revoke", "prometheus", "--data-dir", str(data_dir)).returncode == 0
        assert network.get(PRIVATE, service.port, "/metrics", Authorization=f"Bearer {key}").status == 401
