"""`migrate`, as an operator runs it."""

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_process import command, serving
from tests.integration.service_rig import fresh_batch
from tests.postgres_server import USER, shared_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.sqlite_files("each test begins with an SQLite file"),
]


@pytest.fixture
def address() -> Iterator[str]:
    """A database, with a password that no message may show."""
    server = shared_server()
    name = asyncio.run(server.create_database())
    yield f"postgresql://{USER}:secret-word@/{name}?host={server.folder}"
    asyncio.run(server.drop_database(name))


def migrate(source: object, target: object, *options: str) -> Any:
    done = command("migrate", "--from", str(source), "--to", str(target), *options)
    assert "secret-word" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def status(data_dir: Path) -> Any:
    """Of the one connection, without its share of a space that depends on the disk."""
    done = command("status", "--data-dir", str(data_dir))
    assert done.returncode == 0, done.stderr
    (connection,) = json.loads(done.stdout)["connections"]
    (connection["queue"] or {}).pop("quota_used", None)
    return connection


def test_directory_migrates_to_postgresql_and_back(data_dir: Path, address: str, tmp_path: Path) -> None:
    """With the key, a service on the new directory continues where the old one stopped."""
    with serving(data_dir) as service:
        assert service.post(fresh_batch("event-1", "event-2")) == 202
        service.end()
    before = status(data_dir)
    there = migrate(data_dir, address)
    assert there.returncode == 0, there.stderr
    result = json.loads(there.stdout)
    assert (result["waiting"], result["dead_letters"]) == (2, 0)
    assert "the encryption key and the activity did not move" in there.stderr
    refused = command("serve", "--port", "0", "--data-dir", str(data_dir))
    assert refused.returncode == 2
    assert f"was moved to {result['store']}: use that store, or undo the move" in refused.stderr
    back = migrate(address, tmp_path / "back")
    assert back.returncode == 0, back.stderr
    assert stat.S_IMODE((tmp_path / "back").stat().st_mode) == 0o700
    (data_dir / "encryption.key").rename(tmp_path / "back" / "encryption.key")
    assert status(tmp_path / "back") == before
    with serving(tmp_path / "back") as service:
        assert service.post(fresh_batch("event-1", "event-3")) == 202
        service.end()
    assert status(tmp_path / "back")["totals"]["duplicate"] == 1


def test_migration_is_undone(data_dir: Path, address: str) -> None:
    """The directory is used again; the database stays unusable, and is not filled a second time."""
    before = status(data_dir)
    assert migrate(data_dir, address).returncode == 0
    undone = migrate(data_dir, address, "--undo")
    assert (undone.returncode, undone.stdout) == (0, "")
    assert undone.stderr == f"tiktok-forwarder: {data_dir} can be used again\n"
    assert status(data_dir) == before
    again = migrate(data_dir, address)
    assert again.returncode == 2
    assert "is not empty; migrate to an empty store" in again.stderr


def test_directory_in_use_does_not_migrate(data_dir: Path, address: str) -> None:
    """The service continues."""
    with serving(data_dir) as service:
        refused = migrate(data_dir, address)
        assert refused.returncode == 2
        assert refused.stderr.endswith("is in use by another process; stop it, or use another directory\n")
        assert service.post(fresh_batch("event-1")) == 202


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("typo", "postgresql://nobody@127.0.0.1:9/x", "typo: contains no database to migrate"),
        ("postgresql://nobody@127.0.0.1:9/x", "target", "cannot connect to PostgreSQL"),
        ("postgresql://u:secret-word#@h/x", "target", "STORE must be a data directory or a PostgreSQL URL"),
    ],
)
def test_wrong_store_is_one_line(tmp_path: Path, source: str, target: str, reason: str) -> None:
    """A mistyped directory or an unreachable server is reported, and nothing is created."""
    source, target = (name if "://" in name else str(tmp_path / name) for name in (source, target))
    refused = migrate(source, target)
    assert refused.returncode == 2
    assert reason in refused.stderr and refused.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_target_is_needed_unless_a_migration_is_undone(data_dir: Path) -> None:
    """There is no default: the command never guesses where everything goes."""
    refused = command("migrate", "--from", str(data_dir))
    assert refused.returncode == 2
    assert "Missing option '--to'." in refused.stderr
