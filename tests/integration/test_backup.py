"""`backup` and `restore`, as they are typed."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.service_process import command
from tests.integration.service_rig import fresh_batch, running_service
from tests.unit.cli.running import Run
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.operations.backup import back_up_and_keep
from tiktok_forwarder.store.sqlite.store import SqliteStore

pytestmark = pytest.mark.sqlite_files("backup and restore are about the file")


def test_a_backup_moves_to_another_directory_with_its_key(run: Run, tmp_path: Path) -> None:
    """Inputs come back; nothing is replaced without --force; the backup does not hold the key."""
    first, second, file = tmp_path / "first", tmp_path / "second", tmp_path / "copy.db"
    assert run("inputs", "add", "--name", "shop", "--data-dir", first)[0] == 0
    status, out, err = run("backup", file, "--data-dir", first)
    assert (status, json.loads(out)["waiting"]) == (0, 0)
    assert "encryption.key" in err
    assert (first / "encryption.key").read_bytes().strip() not in file.read_bytes()
    assert run("backup", file, "--data-dir", first)[0] == 2
    assert run("backup", file, "--data-dir", first, "--force")[0] == 0
    assert run("restore", file, "--data-dir", first)[0] == 2
    assert (first / "activity.db").exists()
    assert run("restore", file, "--data-dir", first, "--force")[0] == 0
    assert not (first / "activity.db").exists()
    assert run("backup", file, "--data-dir", first, "--force")[0] == 0
    assert run("restore", file, "--data-dir", second)[0] == 0
    status, _, err = run("inputs", "list", "--data-dir", second)
    assert (status, "the key file is missing" in err) == (2, True)
    (second / "encryption.key").write_bytes((first / "encryption.key").read_bytes())
    status, out, _ = run("inputs", "list", "--data-dir", second)
    assert (status, json.loads(out)["name"]) == (0, "shop")


@pytest.mark.slow
async def test_a_service_in_use_can_be_backed_up_but_not_replaced(tmp_path: Path) -> None:
    """What waits is in the backup; a restore under a running service is refused."""
    data_dir, file = tmp_path / "data", tmp_path / "copy.db"
    async with running_service(data_dir, log_level="error") as service:
        await service.add_connection()
        assert (await service.post(body=fresh_batch("e1", "e2"))).status == 202
        done = command("backup", str(file), "--data-dir", str(data_dir))
        assert (done.returncode, json.loads(done.stdout)["waiting"]) == (0, 2)
        refused = command("restore", str(file), "--force", "--data-dir", str(data_dir))
        assert (refused.returncode, "in use by another process" in refused.stderr) == (2, True)
        assert await service.waiting() == 2


@pytest.mark.parametrize("name", ["encryption.key", "events.db", "activity.db", "forwarder.lock", "admin.sock"])
def test_a_backup_replaces_nothing_of_the_data_directory(run: Run, tmp_path: Path, name: str) -> None:
    """Not with --force either: with another key, no stored secret could be decrypted."""
    data_dir = tmp_path / "data"
    assert run("inputs", "add", "--name", "shop", "--data-dir", data_dir)[0] == 0
    before = {file.name: file.read_bytes() for file in data_dir.iterdir()}
    status, _, err = run("backup", data_dir / name, "--data-dir", data_dir, "--force")
    assert (status, err.count("\n")) == (2, 1)
    assert {file.name: file.read_bytes() for file in data_dir.iterdir()} == before
    link = tmp_path / "link.db"
    link.symlink_to(data_dir / name)
    assert run("backup", link, "--data-dir", data_dir)[0] == 2
    assert run("backup", link, "--data-dir", data_dir, "--force")[0] == 2
    assert link.is_symlink()


async def test_kept_backups_are_the_newest(tmp_path: Path) -> None:
    """Other files of the directory are left alone, whatever they are named."""
    database, directory = tmp_path / "events.db", tmp_path / "backups"
    await SqliteStore.open(database).close()
    start = datetime(2026, 12, 31, 23, 59, 58, tzinfo=UTC)
    for second in range(2):
        back_up_and_keep(directory, database, now=start + timedelta(seconds=second), keep=2)
    others = {"notes.txt", "backup-20200101T000000Z.db", "backup-20200101T000000Z.db.gpg"}
    for name in others:
        (directory / name).write_text("not a backup")
    made = back_up_and_keep(directory, database, now=start + timedelta(seconds=2), keep=2)
    assert made.file == str(directory / "backup-20270101T000000Z.db")
    newest = {"backup-20261231T235959Z.db", "backup-20270101T000000Z.db"}
    assert {file.name for file in directory.iterdir()} == others | newest
    assert directory.stat().st_mode & 0o077 == 0


def test_failed_backup_deletes_none(run: Run, tmp_path: Path) -> None:
    """The copies of a database that is gone are all there is."""
    data, directory = tmp_path / "data", tmp_path / "backups"
    assert run("inputs", "add", "--name", "shop", "--data-dir", data)[0] == 0
    status, out, _ = run("backup", "--keep", 1, directory, "--data-dir", data)
    assert status == 0
    (file,) = directory.iterdir()
    assert json.loads(out)["file"] == str(file)
    (data / "events.db").rename(data / "gone.db")
    assert run("backup", "--keep", 1, directory, "--data-dir", data)[0] == 2
    assert list(directory.iterdir()) == [file]


async def test_directory_of_backups_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """The line names the directory."""
    await SqliteStore.open(tmp_path / "events.db").close()
    directory = tmp_path / "missing" / "backups"
    with pytest.raises(ConfigurationError, match=f"{directory}: cannot create"):
        back_up_and_keep(directory, tmp_path / "events.db", now=datetime.now(UTC), keep=1)
