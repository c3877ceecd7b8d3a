"""One service with an SQLite store, killed while it consumes a topic: what it had committed is stored."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.crash.accounting import Received
from tests.integration.service_process import SandboxThread, add_shop, command, serving
from tests.kafka_broker import TOPIC, Broker, batch_of_output
from tests.patience import Patience
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.setting_reading import load_settings

MESSAGES = 2_000
KILLS = 3
SECONDS = 120

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def delivered_of(data_dir: Path) -> int:
    settings = load_settings(None, {}, data_dir=data_dir)
    (connection,) = call_running(settings, "GET", "/api/status", None)["connections"]
    return int(connection["totals"].get("delivered", 0))


def test_killed_service_continues_where_its_store_is(tmp_path: Path) -> None:
    """Each event is delivered, although the offsets of some stored messages were never committed."""
    data_dir, log = tmp_path / "data", tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox, Broker(tmp_path / "broker.log") as broker:
        broker.create_topic()
        add_shop(data_dir)
        kafka = ("--name", "kafka", "--kafka", broker.server, "--topic", TOPIC, "--plaintext")
        done = command("inputs", "add", *kafka, "--data-dir", str(data_dir))
        assert done.returncode == 0, done.stderr
        broker.produce([json.dumps(batch_of_output(f"m{number}")).encode() for number in range(MESSAGES)])
        for _ in range(KILLS):
            before = len(Received.from_log(log).seen)
            with serving(data_dir, sandbox.url) as service:
                patience = Patience(SECONDS)
                while len(Received.from_log(log).seen) in (before, 0) and before < MESSAGES:
                    assert patience.lasts(), service.log_file.read_text()
                    time.sleep(0.02)
                service.end(signal.SIGKILL)
        with serving(data_dir, sandbox.url):
            patience = Patience(SECONDS)
            while broker.committed() != dict.fromkeys(range(4), MESSAGES // 4) or delivered_of(data_dir) < MESSAGES:
                assert patience.lasts(), (broker.committed(), delivered_of(data_dir))
                time.sleep(0.2)
    assert Received.from_log(log).taken.keys() == {f"m{number}" for number in range(MESSAGES)}
