"""The demo's two processes: the service, restarted whenever it dies, and the sandbox that simulates TikTok."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from tiktok_forwarder.domain.errors import ForwarderError

_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 15.0
_HOST: Final = "127.0.0.1"


def free_port(wanted: int) -> int:
    """Return the wanted port if it is free, otherwise any free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise ForwarderError("no free port on this machine")


class Process:
    """One command of this program as a child process, with its output in a log file."""

    def __init__(self, name: str, arguments: list[str], log_file: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.log_file = log_file
        self.restarts = 0
        self._arguments = [sys.executable, "-m", "tiktok_forwarder", *arguments]
        self._environment = {**os.environ, **environment}
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        return self._child.pid if self._child is not None else 0

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            # Use a session of its own: Ctrl-C on the terminal is for the demo, which then stops its children in order.
            self._child = subprocess.Popen(  # noqa: S603  # this program's own interpreter and command
                self._arguments, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def revive(self) -> bool:
        """Start the process again if it has died; return whether it had."""
        if self._child is None or self._child.poll() is None:
            return False
        self.restarts += 1
        self.start()
        return True

    def wait_until_answering(self, url: str) -> None:
        """Wait for an answer. Raises `ForwarderError` with the process's last output if it does not start."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._child is not None and self._child.poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=2):  # noqa: S310  # a loopback address made here
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        raise ForwarderError(f"the {self.name} did not start: {self._last_words()} (all of it: {self.log_file})")

    def _last_words(self) -> str:
        lines = self.log_file.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "no output"

    def stop(self) -> int:
        """Send SIGTERM, wait, then send SIGKILL; return the exit status."""
        if self._child is None:
            return 0
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
        try:
            return self._child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()
