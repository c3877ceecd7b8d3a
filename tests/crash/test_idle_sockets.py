"""Thousands of sockets that never complete a request: senders are served, events delivered, and memory stays."""

import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.crash.conftest import Soak
from tests.crash.observed_service import ObservedService
from tests.integration.service_process import SandboxThread, add_shop, serving
from tests.integration.service_rig import BASIC, fresh_batch
from tests.patience import sleep_until

SENDERS: Final = 20
SOCKETS: Final = 1_000
MAX_HTTP_CONNECTIONS: Final = 400
SOAK_SOCKETS: Final = 5_000
SOAK_MAX_HTTP_CONNECTIONS: Final = 2_000
MAX_GROWTH_BYTES: Final = 50 * 1024 * 1024
REQUESTS_UNDER_ATTACK: Final = 400
PATIENCE_SECONDS: Final = 240.0


class KeepAliveSender(threading.Thread):
    """Posts one event after the other on one connection. Like any client it opens another if that was closed."""

    def __init__(self, port: int, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._number = number
        self._ended = stop
        self.answers: list[int | str] = []

    def run(self) -> None:
        while not self._ended.wait(0.02):
            body = json.dumps(fresh_batch(f"event-{self._number}-{len(self.answers)}")).encode()
            try:
                self.answers.append(self._post(body))
            except (OSError, http.client.HTTPException) as error:
                self.answers.append(repr(error))
        self._connection.close()

    def _post(self, body: bytes) -> int:
        try:
            return self._post_once(body)
        except (ConnectionError, http.client.RemoteDisconnected):
            self._connection.close()
            return self._post_once(body)

    def _post_once(self, body: bytes) -> int:
        self._connection.request("POST", "/v2/events", body, BASIC)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status


@contextmanager
def sending(port: int) -> Iterator[list[KeepAliveSender]]:
    stop = threading.Event()
    senders = [KeepAliveSender(port, number, stop) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    try:
        yield senders
    finally:
        stop.set()
        for sender in senders:
            sender.join(90)


@contextmanager
def idle_sockets(port: int, count: int) -> Iterator[None]:
    """As many as `count` are open, or were just closed by the service; at least so many have been opened at the end."""
    arguments = [sys.executable, "-m", "tests.crash.idle_sockets", str(port), str(count)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield
            opened = int(process.communicate("\n", timeout=60)[0])
        finally:
            process.kill()
    assert opened >= count


def resident_bytes(pid: int) -> int:
    (kilobytes,) = re.findall(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(kilobytes) * 1024


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_idle_sockets_keep_no_sender_out(tmp_path: Path, soak: Soak) -> None:
    """20 senders get 202 for everything, each event is delivered at once, memory grows by under 50 MiB."""
    count, limit = (SOAK_SOCKETS, SOAK_MAX_HTTP_CONNECTIONS) if soak.is_on else (SOCKETS, MAX_HTTP_CONNECTIONS)
    data_dir = tmp_path / "data"
    add_shop(data_dir)
    settings = {"TIKTOK_FORWARDER_MAX_HTTP_CONNECTIONS": str(limit)}
    with SandboxThread() as sandbox, serving(data_dir, sandbox.url, **settings) as process:
        service = ObservedService(process)
        with sending(process.port) as senders:

            def sent() -> int:
                return sum(len(sender.answers) for sender in senders)

            sleep_until(lambda: sent() >= REQUESTS_UNDER_ATTACK, PATIENCE_SECONDS)
            before = resident_bytes(process.process.pid)
            closed = "tiktok_forwarder_closed_http_connections_total"
            with idle_sockets(process.port, count):
                # At the limit most are replaced before their time for the headers is over.
                sleep_until(lambda: service.figure(closed, "max_http_connections") >= count - limit, PATIENCE_SECONDS)
                begun = sent()
                sleep_until(lambda: sent() - begun >= REQUESTS_UNDER_ATTACK, PATIENCE_SECONDS)
                growth = resident_bytes(process.process.pid) - before
        answers = [answer for sender in senders for answer in sender.answers]
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) == len(answers), 60)
        attempts = service.figure("tiktok_forwarder_attempts_total", "code")
        assert attempts == service.figure("tiktok_forwarder_attempts_total", 'verdict="accepted"') > 0
        assert '"reason": "max_http_connections"' in service.log()
        sys.stdout.write(f"{count} sockets, {len(answers)} requests, memory grew by {growth / 1024**2:.1f} MiB\n")
    assert set(answers) == {202}
    assert growth < MAX_GROWTH_BYTES
