"""The service under test, as a process, with its console."""

from dataclasses import dataclass
from pathlib import Path

from tests.integration.service_process import SandboxThread, ServiceProcess, command


@dataclass(frozen=True)
class Console:
    """A running service that delivers to a sandbox: one input and one connection, both of the shop."""

    url: str
    data_dir: Path
    sandbox: SandboxThread
    service: ServiceProcess

    def login_link(self) -> str:
        """The address that logs its first visitor in, as an operator gets it on a terminal."""
        done = command("console-link", "--data-dir", str(self.data_dir))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
