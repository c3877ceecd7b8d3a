"""The `sandbox` command as a process of its own."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.tiktok_sandbox.requests import EVENT_TRACK, TOKEN, event_2_0, event_track
from tiktok_forwarder.cli.sandbox_command import sandbox

COMMAND = [sys.executable, "-c", "from tiktok_forwarder.cli.sandbox_command import sandbox; sandbox()"]
pytestmark = pytest.mark.slow


@contextmanager
def _running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it has said where it listens, and its address."""
    with subprocess.Popen([*COMMAND, "--port", "0", *arguments], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            address = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
            assert address is not None
            yield process, address[0]
        finally:
            process.kill()


def _send(url: str, event_id: str, token: str = TOKEN) -> Any:
    body = json.dumps(event_track(event_2_0(event_id=event_id))).encode()
    headers = {"Access-Token": token, "Content-Type": "application/json"}
    request = urllib.request.Request(url + EVENT_TRACK, data=body, headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read())


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_told_to_end(ending: signal.Signals) -> None:
    """Exit status 0 for either signal."""
    with _running() as (process, url):
        assert _send(url, "a")["code"] == 0
        process.send_signal(ending)
        assert process.wait(5) == 0


def test_what_was_answered_is_in_the_log_after_a_kill(tmp_path: Path) -> None:
    """Lines are handed to the system before the answer, so that SIGKILL loses none."""
    log_path = tmp_path / "received.jsonl"
    with _running("--log", str(log_path)) as (process, url):
        for number in range(10):
            _send(url, str(number))
        process.kill()
        process.wait(5)
    assert [json.loads(line)["event_id"] for line in log_path.read_text().splitlines()] == [str(n) for n in range(10)]


def test_tokens_can_be_restricted() -> None:
    """With their pixels, or without."""
    with _running("--token", "mine=PIXEL", "--token", "other=ELSEWHERE") as (_, url):
        codes = [_send(url, "a", token)["code"] for token in ("mine", "other", "unknown")]
        assert codes == [0, 40001, 40105]


def test_a_taken_port_is_one_sentence() -> None:
    """Raised for the command line to print, which exits with 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = CliRunner().invoke(sandbox, ["--port", str(port)])
    assert re.fullmatch(
        rf"The sandbox cannot listen on 127\.0\.0\.1, port {port}: Address already in use\.", str(outcome.exception)
    )
