"""The proxies of `deploy/` for one service, as processes with a certificate of the tests in place of an authority's."""

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, get_args

from tests.certificates import make_certificate
from tests.deploy.compose_file import DEPLOY
from tests.other_machines import Answer
from tests.patience import Patience
from tests.ports import free_port

ProxyName = Literal["nginx", "haproxy", "caddy"]
PROXY_NAMES: Final[tuple[ProxyName, ...]] = get_args(ProxyName)
HOST: Final = "forwarder.example.com"
_SERVICE: Final = "127.0.0.1:8090"
# Debian has it where only root's search path leads.
_SYSTEM_PROGRAMS: Final = "/usr/sbin:/usr/bin"
# What Debian's nginx.conf has around the files of conf.d, without its files below /var.
_NGINX: Final = """user root;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
	client_body_temp_path {folder}/bodies;
	proxy_temp_path {folder}/answers;
	include {configuration};
}}
"""


class SingleProxy:
    """A running proxy on two free ports of 127.0.0.1, one with TLS; as a client of its own, `request` is curl."""

    def __init__(self, name: ProxyName, folder: Path, service_port: int) -> None:
        self.folder = folder
        self.port = free_port()
        self.plain_port = free_port()
        self.url = f"https://{HOST}:{self.port}"
        self._certificate, _ = make_certificate(folder, host=HOST)
        (folder / "bundle.pem").write_text(self._certificate.read_text() + (folder / "key.pem").read_text())
        configuration = folder / "configuration"
        configuration.write_text(self._configuration(name, service_port))
        self._check, self._start = _COMMANDS[name](folder, configuration)

    def _configuration(self, name: ProxyName, service_port: int) -> str:
        """Return the file of `deploy/` with the ports and certificate of the test."""
        path, changes = _CHANGES[name]
        text = (DEPLOY / path).read_text()
        places = {
            "port": str(self.port),
            "plain_port": str(self.plain_port),
            "folder": str(self.folder),
            "service": f"127.0.0.1:{service_port}",
        }
        for pattern, replacement in ((re.escape(_SERVICE), "{service}"), *changes):
            text, count = re.subn(pattern, replacement.format(**places), text)
            assert count, f"{path} has no {pattern}"
        return text

    def check(self) -> "subprocess.CompletedProcess[str]":
        """Check the configuration, as an operator does before a reload."""
        return subprocess.run(self._check, capture_output=True, text=True, check=False)

    @contextlib.contextmanager
    def running(self) -> Iterator["SingleProxy"]:
        with (self.folder / "proxy.log").open("w") as log:
            process = subprocess.Popen(self._start, stdout=log, stderr=log)
        try:
            self._wait_until_serving()
            yield self
        finally:
            process.terminate()
            process.wait(20)

    def _wait_until_serving(self) -> None:
        patience = Patience(30)
        while (asked := self._curl("--output", "/dev/null", f"{self.url}/metrics")).returncode:
            assert patience.lasts(), asked.stderr + (self.folder / "proxy.log").read_bytes()
            time.sleep(0.1)

    def request(self, path: str, *options: str, source: str = "127.0.0.1", seconds: float = 20) -> Answer:
        """Send a request from this address of the machine, with options of curl; a stream is read for `seconds`."""
        given = ("--include", "--interface", source, "--max-time", str(seconds), *options)
        done = self._curl(*given, path if "://" in path else self.url + path)
        text = done.stdout
        # Before its own answer, curl shows one to an upload that it announced.
        while (parts := text.partition(b"\r\n\r\n"))[0].split(b" ")[1:2] == [b"100"]:
            text = parts[2]
        head, _, body = parts
        first, *lines = head.decode("latin-1").split("\r\n")
        assert first.startswith("HTTP/"), done.stderr
        headers = dict(line.split(": ", 1) for line in lines)
        return Answer(int(first.split(" ")[1]), {name.lower(): value for name, value in headers.items()}, body)

    def _curl(self, *options: str) -> "subprocess.CompletedProcess[bytes]":
        places = [f"{HOST}:{port}:127.0.0.1" for port in (self.port, self.plain_port)]
        resolve = [option for place in places for option in ("--resolve", place)]
        command = ["curl", "--silent", "--show-error", "--cacert", str(self._certificate), *resolve, *options]
        return subprocess.run(command, capture_output=True, check=False)


def _nginx(folder: Path, configuration: Path) -> tuple[Sequence[str], Sequence[str]]:
    whole = folder / "nginx.conf"
    whole.write_text(_NGINX.format(folder=folder, configuration=configuration))
    program = _program("nginx")
    return (program, "-t", "-c", str(whole)), (program, "-c", str(whole))


def _haproxy(_folder: Path, configuration: Path) -> tuple[Sequence[str], Sequence[str]]:
    program = _program("haproxy")
    return (program, "-c", "-f", str(configuration)), (program, "-db", "-f", str(configuration))


def _caddy(folder: Path, configuration: Path) -> tuple[Sequence[str], Sequence[str]]:
    # Caddy keeps the configuration that it ran last, and a certificate if it gets one.
    places = ("env", *(f"{name}={folder}" for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")))
    program = (*places, str(Path(sys.executable).with_name("caddy")))
    options = ("--config", str(configuration), "--adapter", "caddyfile")
    return (*program, "validate", *options), (*program, "run", *options)


def _program(name: str) -> str:
    found = shutil.which(name, path=_SYSTEM_PROGRAMS)
    assert found, f"{name} is missing: scripts/set-up dev installs it"
    return found


_COMMANDS: Final = {"nginx": _nginx, "haproxy": _haproxy, "caddy": _caddy}
# The file of each proxy, and what the tests need in the place of what it has, as patterns.
_CHANGES: Final[Mapping[ProxyName, tuple[str, Sequence[tuple[str, str]]]]] = {
    "nginx": (
        "nginx/tiktok-forwarder.conf",
        (
            (r"listen \[::\]:\d+[^;]*;", ""),
            (r"listen 80;", "listen 127.0.0.1:{plain_port};"),
            (r"listen 443 ", "listen 127.0.0.1:{port} "),
            (r"/etc/letsencrypt/\S+/fullchain.pem", "{folder}/certificate.pem"),
            (r"/etc/letsencrypt/\S+/privkey.pem", "{folder}/key.pem"),
        ),
    ),
    "haproxy": (
        "haproxy/haproxy.cfg",
        (
            (r"bind :80\n", "bind 127.0.0.1:{plain_port}\n"),
            (r"bind :443 ", "bind 127.0.0.1:{port} "),
            (r"/etc/haproxy/certs/\S+", "{folder}/bundle.pem"),
        ),
    ),
    "caddy": (
        "caddy/single-node.Caddyfile",
        (
            (
                r"\tadmin off\n",
                "\tadmin off\n\thttp_port {plain_port}\n\thttps_port {port}\n\tdefault_bind 127.0.0.1\n",
            ),
            (
                r"(?m)^forwarder.example.com \{",
                "forwarder.example.com {{\n\ttls {folder}/certificate.pem {folder}/key.pem",
            ),
        ),
    ),
}
