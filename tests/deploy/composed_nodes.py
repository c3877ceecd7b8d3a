"""The services of the compose file as processes: started in its order, with its environment, behind its Caddy.

Other than in containers: nodes listen on free ports of 127.0.0.1, a secret is the file that the compose file names and
not a mount of it, TikTok is the sandbox, and Caddy serves HTTP, since no authority gives a test a certificate.
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

from tests.deploy.compose_file import DEPLOY, Compose
from tests.integration.service_process import ServiceProcess
from tests.patience import Patience
from tests.ports import free_port

CADDYFILE: Final = DEPLOY / "caddy" / "Caddyfile"
_CADDY: Final = Path(sys.executable).with_name("caddy")
_MOUNTED_SECRETS: Final = "/run/secrets/"
_READY_SECONDS: Final = 60


class Answer:
    """What a request was answered."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Proxy:
    """A running Caddy with the Caddyfile of `deploy/`."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.port = free_port()
        self.log_file = folder / "caddy.log"
        places = {name: str(folder / "caddy") for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [_CADDY, "run", "--config", CADDYFILE, "--adapter", "caddyfile"],
                env={**os.environ, **places, **variables, "SITE_ADDRESS": f"http://:{self.port}"},
                stdout=log,
                stderr=log,
            )

    def wait_until_serving(self) -> None:
        wait_until_answered(f"http://127.0.0.1:{self.port}/metrics", 404)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        source: str = "127.0.0.1",
    ) -> Answer:
        """Send a request from this address of the machine."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=(source, 0))
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(15)


@contextmanager
def proxy(folder: Path, **variables: str) -> Iterator[Proxy]:
    """Run Caddy with these variables of the Caddyfile."""
    running = Proxy(folder, **variables)
    try:
        running.wait_until_serving()
        yield running
    finally:
        running.end()


class ComposedNodes:
    """The running services."""

    def __init__(self, compose: Compose, folder: Path, tiktok_url: str) -> None:
        self.compose = compose
        self.nodes: dict[str, ServiceProcess] = {}
        self.started: list[str] = []
        self._folder = folder
        self._tiktok_url = tiktok_url
        self._proxy: Proxy | None = None

    @property
    def proxy(self) -> Proxy:
        assert self._proxy is not None, "Caddy is the last to start"
        return self._proxy

    def start(self) -> None:
        """Start each service when those before it are healthy."""
        for name in self.compose.in_order():
            if name in self.compose.nodes:
                self._start_node(name)
            else:
                self._proxy = Proxy(self._folder, **self._variables_of_caddy(name))
                self._proxy.wait_until_serving()
            self.started.append(name)

    def data_dir(self, name: str) -> Path:
        return self._folder / name / "data"

    def metrics(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.nodes[name].port}/metrics", timeout=10) as answer:
            return str(answer.read().decode())

    def stop(self) -> None:
        if self._proxy is not None:
            self._proxy.end()
        for node in self.nodes.values():
            if node.process.poll() is None:
                node.process.kill()
            node.process.wait()

    def _start_node(self, name: str) -> None:
        service = self.compose.nodes[name]
        variables = {key: self._with_secret_files(value) for key, value in service["environment"].items()}
        self.data_dir(name).parent.mkdir()
        node = ServiceProcess(self.data_dir(name), self._tiktok_url, **variables)
        self.nodes[name] = node
        probe = service["healthcheck"]["test"][-1].split("'")[1]
        wait_until_answered(probe.replace("8090", str(node.port)), 200)

    def _with_secret_files(self, value: str) -> str:
        for name in self.compose.document["secrets"]:
            value = value.replace(f"{_MOUNTED_SECRETS}{name}", self.compose.secret_file(name))
        return value

    def _variables_of_caddy(self, name: str) -> dict[str, str]:
        variables: dict[str, str] = self.compose.services[name]["environment"]
        addresses = {f"{name}:8090": f"127.0.0.1:{node.port}" for name, node in self.nodes.items()}
        return {
            key: " ".join(addresses.get(part, part) for part in value.split(" ")) for key, value in variables.items()
        }


def wait_until_answered(url: str, status: int) -> None:
    patience = Patience(_READY_SECONDS)
    while (found := _status_of(url)) != status:
        assert patience.lasts(), f"{url}: {found}"
        time.sleep(0.05)


def _status_of(url: str) -> int | str:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of this machine
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError as error:
        return str(error)
