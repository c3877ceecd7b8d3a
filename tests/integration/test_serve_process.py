"""`serve` as a process: how it ends, what a killed one leaves, and what it refuses to start on."""

import http.client
import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from tests.integration.service_process import (
    PROGRAM,
    SandboxThread,
    ServiceProcess,
    command,
    environment,
    serving,
)
from tests.integration.service_rig import fresh_batch
from tests.patience import Patience
from tests.store_choice import STORES

pytestmark = pytest.mark.slow


class Senders:
    """Two threads that post events until the service is gone, and keep the ids of those answered 202."""

    def __init__(self, service: ServiceProcess, prefix: str) -> None:
        self._service = service
        self._stopping = threading.Event()
        self.acknowledged: set[str] = set()
        self.threads = [threading.Thread(target=self._send, args=(f"{prefix}-{name}",)) for name in ("a", "b")]
        for thread in self.threads:
            thread.start()

    def _send(self, prefix: str) -> None:
        number = 0
        while not self._stopping.is_set():
            ids = [f"{prefix}-{number}-{index}" for index in range(3)]
            try:
                status = self._service.post(fresh_batch(*ids))
            except (OSError, http.client.HTTPException):
                return
            if status == 202:
                self.acknowledged.update(ids)
            number += 1

    def wait_for_acknowledged(self, number: int) -> None:
        """Return when at least so many events were answered 202."""
        patience = Patience(30)
        while len(self.acknowledged) < number:
            assert patience.lasts(), f"only {len(self.acknowledged)} events were accepted"
            time.sleep(0.01)

    def stop(self) -> None:
        self._stopping.set()
        for thread in self.threads:
            thread.join(10)


def until_delivered(sandbox_log: Path, ids: set[str], seconds: float = 15) -> list[str]:
    """The event ids in the sandbox's log, once it has all of these."""
    patience = Patience(seconds)
    while True:
        text = sandbox_log.read_text() if sandbox_log.exists() else ""
        received = [json.loads(line)["event_id"] for line in text.splitlines(keepends=True) if line.endswith("\n")]
        if ids <= set(received):
            return received
        assert patience.lasts(), f"{len(ids - set(received))} of {len(ids)} events are missing"
        time.sleep(0.05)


@pytest.mark.both_stores
def test_sigterm_in_the_middle_of_traffic_loses_nothing(data_dir: Path, tmp_path: Path) -> None:
    """It exits with 0 in under 10 seconds; started again, the rest of what was accepted is delivered, once."""
    log = tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox:
        with serving(data_dir, sandbox.url) as service:
            senders = Senders(service, "first")
            senders.wait_for_acknowledged(30)
            started = time.monotonic()
            assert service.end(signal.SIGTERM) == 0
            assert time.monotonic() - started < 10
            senders.stop()
            assert len(senders.acknowledged) >= 30
            assert "Traceback" not in service.log_file.read_text()
        assert not (data_dir / "admin.sock").exists()
        with serving(data_dir, sandbox.url) as service:
            received = until_delivered(log, senders.acknowledged)
            assert service.end(signal.SIGINT) == 0
    assert len(received) == len(set(received))


@pytest.mark.both_stores
def test_sigkill_loses_nothing_that_was_accepted(data_dir: Path, tmp_path: Path) -> None:
    """Killed three times in the middle of traffic: every event that was answered 202 arrives."""
    log = tmp_path / "sandbox.jsonl"
    acknowledged: set[str] = set()
    with SandboxThread(log) as sandbox:
        for round_number in range(3):
            with serving(data_dir, sandbox.url) as service:
                senders = Senders(service, f"round{round_number}")
                senders.wait_for_acknowledged(12)
                service.end(signal.SIGKILL)
                senders.stop()
                acknowledged |= senders.acknowledged
        assert len(acknowledged) >= 36
        with serving(data_dir, sandbox.url) as service:
            until_delivered(log, acknowledged)
            assert service.end() == 0


@pytest.mark.both_stores
def test_commands_speak_to_a_running_service(data_dir: Path, tmp_path: Path) -> None:
    """While a service runs, what is added is in force at once, over its socket and without a restart."""
    with serving(data_dir) as service:
        assert (data_dir / "admin.sock").stat().st_mode & 0o777 == 0o600
        other = ("inputs", "add", "--name", "other", "--key", "key-of-other", "--secret", "secret-of-other")
        assert command(*other, "--data-dir", str(data_dir)).returncode == 0
        assert service.post(fresh_batch("m1")) == 202
        status = json.loads(command("status", "--data-dir", str(data_dir)).stdout)
        assert status["running"] and status["connections"][0]["totals"]["accepted"] == 1
        assert command("status", "--data-dir", str(tmp_path / "elsewhere")).returncode == 2
    after_kill = json.loads(command("status", "--data-dir", str(data_dir)).stdout)
    assert not after_kill["running"] and after_kill["connections"][0]["queue"]["waiting"] == 1


def refused(*arguments: str, **variables: str) -> str:
    """The one line that a command ends with, after it was refused with status 2."""
    done = command(*arguments, **variables)
    assert done.returncode == 2, done
    assert done.stdout == "" and done.stderr.count("\n") == 1 and done.stderr.startswith("tiktok-forwarder: ")
    return done.stderr


def test_a_second_service_on_the_directory_is_refused(data_dir: Path) -> None:
    """One process owns a data directory."""
    with serving(data_dir):
        assert "in use by another process" in refused("serve", "--port", "0", "--data-dir", str(data_dir))


def test_a_second_service_is_refused_though_the_lock_file_is_deleted(data_dir: Path) -> None:
    """Deleting a lock file is a common remedy for a message like this one: two services would send everything twice."""
    with serving(data_dir) as service:
        (data_dir / "forwarder.lock").unlink()
        assert "in use by another process" in refused("serve", "--port", "0", "--data-dir", str(data_dir))
        assert service.end() == 0


def test_loose_permissions_are_fixed_or_refused(data_dir: Path) -> None:
    """What other users can read is closed to them, with a line in the log; where they can write, nothing starts."""
    loose = [data_dir, data_dir / "encryption.key", *data_dir.glob("*.db")]
    for path in loose:
        path.chmod(0o755)
    with serving(data_dir) as service:
        assert {path.stat().st_mode & 0o077 for path in loose} == {0}
        assert service.end() == 0
        lines = [json.loads(line) for line in service.log_file.read_text().splitlines() if line.startswith("{")]
    told = [(each["path"], each["mode"]) for each in lines if each["event"].startswith("other users could read this")]
    assert told == [(str(data_dir), "755"), (str(data_dir / "encryption.key"), "755")]
    data_dir.chmod(0o770)
    assert f"chmod go-w {data_dir}" in refused("serve", "--port", "0", "--data-dir", str(data_dir))


def test_a_port_in_use_is_refused(data_dir: Path) -> None:
    """The message names address and port; the directory is as before, also for the next start."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}" in refused("serve", "--port", port, "--data-dir", str(data_dir))
    assert command("status", "--data-dir", str(data_dir)).returncode == 0


@pytest.mark.parametrize("how", ["another key file", "no key file", "another key in the environment"])
@pytest.mark.both_stores
def test_a_wrong_key_is_refused_and_nothing_overwritten(data_dir: Path, how: str) -> None:
    """It does not start with a key that does not open what is stored, makes no new one, and changes no file."""
    key_file = data_dir / "encryption.key"
    right = key_file.read_bytes()
    variables = {}
    if how == "another key file":
        key_file.write_text("ab" * 32)
    elif how == "no key file":
        key_file.unlink()
    else:
        variables["TIKTOK_FORWARDER_ENCRYPTION_KEY"] = "cd" * 32
    before = key_file.read_bytes() if key_file.exists() else None
    assert "key" in refused("serve", "--port", "0", "--data-dir", str(data_dir), **variables)
    assert (key_file.read_bytes() if key_file.exists() else None) == before
    key_file.write_bytes(right)
    done = command("connections", "list", "--data-dir", str(data_dir))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["name"] == "Shop"


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file in the place of the directory, or of one above it, is one line."""
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        assert str(directory) in refused("serve", "--port", "0", "--data-dir", str(directory))


@pytest.mark.sqlite_files("of a database that is none")
def test_a_file_that_is_no_database_is_refused(data_dir: Path) -> None:
    """It is named, and left as it is."""
    database = data_dir / "events.db"
    database.write_bytes(b"not a database, but somebody's file" * 100)
    for suffix in ("-wal", "-shm"):
        (data_dir / f"events.db{suffix}").unlink(missing_ok=True)
    assert "events.db" in refused("serve", "--port", "0", "--data-dir", str(data_dir))
    assert database.read_bytes().startswith(b"not a database")


def test_settings_come_from_file_and_environment(data_dir: Path, tmp_path: Path) -> None:
    """A bad file is refused line by line; a good one says where to work, and the environment goes before it."""
    file = tmp_path / "c.toml"
    file.write_text('port = "x"\nprot = 1\n')
    done = command("serve", "--config", str(file))
    assert done.returncode == 2 and done.stderr.count("\n") == 2 and "prot" in done.stderr
    file.write_text(f'data_dir = "{data_dir}"\n')
    store = STORES.variables(data_dir)
    assert "Shop" in command("connections", "list", "--config", str(file), **store).stdout
    elsewhere = {**store, "TIKTOK_FORWARDER_DATA_DIR": str(tmp_path / "elsewhere")}
    assert command("connections", "list", "--config", str(file), **elsewhere).stdout == ""


@pytest.mark.both_stores
def test_connections_are_added_from_a_file(data_dir: Path, tmp_path: Path) -> None:
    """The token comes from the environment and is never shown; every problem of a file is told with its name."""
    file = tmp_path / "two.toml"
    file.write_text('name = "Two"\npixel_id = "P2"\naccess_token = "env:TWO"\ninputs = ["shop"]\nevents_api = "1.0"\n')
    directory = ("--data-dir", str(data_dir))
    assert "TWO is not set" in refused("connections", "add", str(file), *directory)
    added = command("connections", "add", str(file), *directory, TWO="token-two-0123")
    shown = command("connections", "show", "two", *directory)
    assert json.loads(added.stdout) == json.loads(shown.stdout)
    assert "token-two-0123" not in added.stdout + added.stderr + shown.stdout
    file.write_text('name = "two"\npixel = "P2"\nevents_api = "3.0"\ninputs = ["nobody"]\n')
    done = command("connections", "add", str(file), *directory)
    assert done.returncode == 2 and done.stderr.count(str(file)) == done.stderr.count("\n") >= 3
    assert 'connection "none" not found' in refused("connections", "show", "none", *directory)


def test_output_may_end_early() -> None:
    """A reader that closes the pipe, such as `head`, is nothing to complain about."""
    listing = [*PROGRAM, "settings"]
    with subprocess.Popen(
        listing, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
