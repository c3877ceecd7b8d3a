"""A real OpenTelemetry collector: rotel, which passes on what it receives."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rotel

from tests.patience import Patience
from tests.ports import free_port

_PROGRAM = Path(rotel.__file__).parent / "rotel-agent"


@contextmanager
def running_rotel(folder: Path, forward_to: str) -> Iterator[str]:
    """Yield the URL of a collector that forwards to another one."""
    port = free_port()
    options = {
        "otlp-http-endpoint": f"127.0.0.1:{port}",
        "otlp-grpc-endpoint": f"127.0.0.1:{free_port()}",
        "exporter": "otlp",
        "otlp-exporter-endpoint": forward_to,
        "otlp-exporter-protocol": "http",
        "pid-file": str(folder / "rotel.pid"),
        "log-file": str(folder / "rotel.log"),
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    output = folder / "rotel.out"
    with output.open("w") as stream:
        agent = subprocess.Popen([_PROGRAM, "start", *arguments], stdout=stream, stderr=stream)
    try:
        _wait_for(port, agent, output)
        yield f"http://127.0.0.1:{port}"
    finally:
        agent.terminate()
        agent.wait(15)


def _wait_for(port: int, agent: subprocess.Popen[bytes], output: Path) -> None:
    patience = Patience(20)
    while True:
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert agent.poll() is None and patience.lasts(), output.read_text()
        time.sleep(0.05)
