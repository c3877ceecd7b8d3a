"""Files that no longer hold what was written: told in one line, never begun anew in silence, mended by a backup."""

import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from tests.crash.accounting import Received
from tests.crash.observed_service import ObservedService
from tests.integration.service_process import SandboxThread, command, serving
from tests.patience import sleep_until
from tiktok_forwarder.store.sqlite.file import PAGE_BYTES

BATCHES: Final = 4

pytestmark = pytest.mark.slow


def damage_page_with(database: Path, text: str) -> None:
    """Every bit of each page that holds it is turned over."""
    content = bytearray(database.read_bytes())
    assert text.encode() in content
    for start in range(0, len(content), PAGE_BYTES):
        page = content[start : start + PAGE_BYTES]
        if text.encode() in page:
            content[start : start + PAGE_BYTES] = bytes(each ^ 0xFF for each in page)
    with database.open("r+b") as file:
        file.write(content)


def backed_up(data_dir: Path, file: Path) -> Path:
    done = command("backup", str(file), "--data-dir", str(data_dir))
    assert done.returncode == 0, done.stderr
    return file


def assert_start_is_refused(data_dir: Path) -> None:
    """With one line that says which file, and what to do; the file stays as it is, to be rescued from."""
    database = data_dir / "events.db"
    content = database.read_bytes()
    done = command("serve", "--port", "0", "--data-dir", str(data_dir))
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1, done
    assert f"{database}: cannot open the database" in done.stderr and "restore a backup" in done.stderr
    assert database.read_bytes() == content


def change_connection(verb: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    return command("connections", verb, "Shop", "--data-dir", str(data_dir))


@pytest.fixture
def waiting(data_dir: Path) -> set[str]:
    """Events of a paused connection, in the database's own file: a stop writes the log back."""
    with serving(data_dir) as process:
        service = ObservedService(process)
        assert change_connection("pause", data_dir).returncode == 0
        assert {service.post().status for _ in range(BATCHES)} == {202}
        assert process.end() == 0
    return service.acknowledged


def test_damage_is_found_at_the_start_and_mended_by_a_backup(data_dir: Path, waiting: set[str], tmp_path: Path) -> None:
    """No service runs on a damaged database; with the backup in its place each event arrives, once."""
    log, backup = tmp_path / "sandbox.jsonl", backed_up(data_dir, tmp_path / "copy.db")
    damage_page_with(data_dir / "events.db", sorted(waiting)[0])
    assert_start_is_refused(data_dir)
    assert command("backup", str(tmp_path / "other.db"), "--data-dir", str(data_dir)).returncode == 2
    assert not (tmp_path / "other.db").exists()
    assert_all_arrive_from(backup, data_dir, waiting, log)


def assert_all_arrive_from(backup: Path, data_dir: Path, events: set[str], log: Path) -> None:
    done = command("restore", str(backup), "--force", "--data-dir", str(data_dir))
    assert done.returncode == 0, done.stderr
    assert_all_arrive(data_dir, events, log)


def assert_all_arrive(data_dir: Path, events: set[str], log: Path) -> None:
    with SandboxThread(log) as sandbox, serving(data_dir, sandbox.url) as process:
        assert change_connection("resume", data_dir).returncode == 0
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) == len(events), 10)
        assert process.end() == 0
    assert Received.from_log(log).taken == Counter(events)


def found_by_the_deliverer(data_dir: Path) -> None:
    """Pages that are kept in memory are read anew after another program has written."""
    with closing(sqlite3.connect(data_dir / "events.db", isolation_level=None)) as connection:
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
        connection.execute(f"PRAGMA user_version = {version}")
    change_connection("resume", data_dir)


def found_by_a_person(data_dir: Path) -> None:
    done = command("erase", "--external-id", "cust-829311", "--yes", "--data-dir", str(data_dir))
    assert done.returncode == 2 and "malformed" in done.stderr, done


@pytest.mark.parametrize("found", [found_by_the_deliverer, found_by_a_person])
def test_damage_under_a_running_service_stops_it_from_writing(
    found: Callable[[Path], None], data_dir: Path, waiting: set[str], tmp_path: Path
) -> None:
    """From then on senders get 503, those who watch the reason; it stays so until a backup is put in its place."""
    log, backup = tmp_path / "sandbox.jsonl", backed_up(data_dir, tmp_path / "copy.db")
    with serving(data_dir) as process:
        service = ObservedService(process)
        damage_page_with(data_dir / "events.db", sorted(waiting)[0])
        found(data_dir)
        sleep_until(lambda: service.problems() == ["damaged"], 10)
        for _ in range(3):
            answer = service.post()
            assert (answer.status, answer.retry_after) == (503, "5")
            assert service.problems() == ["damaged"]
        sleep_until(lambda: '"problem": "damaged"' in service.log(), 5)
        assert process.end() == 0
    assert_start_is_refused(data_dir)
    assert_all_arrive_from(backup, data_dir, waiting, log)


def test_the_index_of_the_log_may_be_gone(data_dir: Path, tmp_path: Path) -> None:
    """After a kill the log is read anew from its beginning, and each event arrives, once."""
    log = tmp_path / "sandbox.jsonl"
    with serving(data_dir) as process:
        service = ObservedService(process)
        assert change_connection("pause", data_dir).returncode == 0
        assert {service.post().status for _ in range(BATCHES)} == {202}
        process.end(signal.SIGKILL)
    (data_dir / "events.db-shm").unlink()
    assert_all_arrive(data_dir, service.acknowledged, log)


def test_a_damaged_activity_file_costs_no_event(data_dir: Path, waiting: set[str], tmp_path: Path) -> None:
    """What people look at is begun anew; the service starts, and delivers what waited and what is new."""
    activity = data_dir / "activity.db"
    activity.write_bytes(b"\xff" * activity.stat().st_size)
    log = tmp_path / "sandbox.jsonl"
    with SandboxThread(log) as sandbox, serving(data_dir, sandbox.url) as process:
        service = ObservedService(process, first_batch=BATCHES + 1)
        assert change_connection("resume", data_dir).returncode == 0
        assert service.post().status == 202
        expected = waiting | service.acknowledged
        sleep_until(lambda: sandbox.ask(lambda tiktok: tiktok.counts().delivered) == len(expected), 10)
        assert service.problems() == []
        assert "the activity was restarted" in service.log() and "file is not a database" in service.log()
        assert process.end() == 0
    assert Received.from_log(log).taken == Counter(expected)
    assert activity.read_bytes().startswith(b"SQLite format 3")
