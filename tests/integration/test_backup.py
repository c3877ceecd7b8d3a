"""`backup` and `restore`, as they are typed."""

import json
from pathlib import Path

import pytest

from tests.integration.service_process import command
from tests.integration.service_rig import fresh_batch, running_service
from tests.unit.cli.running import Run

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
