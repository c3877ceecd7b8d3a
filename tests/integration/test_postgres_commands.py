"""Commands and services over a PostgreSQL database: which ones work at the same time, and what is refused how."""

import json
from pathlib import Path

import pytest

from tests.integration.service_process import CONNECTION, command, serving
from tests.integration.service_rig import fresh_batch
from tests.postgres_server import USER, own_server
from tests.store_choice import run_apart
from tests.unit.cli.running import Run


def test_commands_work_on_an_empty_database_once_something_is_added(
    run: Run, empty_database: str, tmp_path: Path
) -> None:
    """What only reads creates no tables: the URL may be a wrong one."""
    where = ("--data-dir", tmp_path / "data", "--store", empty_database)
    status, out, err = run("status", *where)
    assert (status, out, err.count("\n")) == (2, "", 1) and "the database is empty" in err
    assert run("inputs", "add", "--name", "shop", *where)[0] == 0
    status, out, _ = run("inputs", "list", *where)
    assert (status, json.loads(out)["name"]) == (0, "shop")


@pytest.mark.parametrize("arguments", [("backup", "copy.db"), ("restore", "copy.db")])
def test_backup_of_a_postgresql_database_is_postgresqls(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """One line names the tools, and that the key is not in what they make."""
    status, out, err = run(*arguments, "--data-dir", tmp_path, "--store", "postgresql://u:hunter2@nowhere/db")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "pg_dump" in err and "encryption key" in err and "hunter2" not in err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("user=postgres", "user=stranger&password=hunter2"), 'role "stranger" does not exist'),
        (("user=postgres", "user=postgres&password=hunter2&unheard_of=1"), '"unheard_of"'),
        (("host=/", "host=/nowhere/"), "cannot connect to PostgreSQL"),
    ],
)
def test_server_that_refuses_is_one_line(
    run: Run, empty_database: str, tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    """With the server's own words, status 2, and without the password."""
    status, out, err = run("status", "--data-dir", tmp_path / "data", "--store", empty_database.replace(*change))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err and "hunter2" not in err


@pytest.mark.slow
def test_password_may_be_in_the_url_the_environment_or_a_file(run: Run, tmp_path: Path) -> None:
    """A wrong one is one line, which does not quote it; so is a file that other users can read."""
    file = tmp_path / "pgpass"
    file.write_text("*:*:*:guarded:right-one\n")
    file.chmod(0o600)
    with own_server() as server:
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all guarded scram-sha-256\n{rules.read_text()}")
        run_apart(server.run("CREATE ROLE guarded LOGIN PASSWORD 'right-one'"))
        run_apart(server.run("SELECT pg_reload_conf()"))
        store = server.address("postgres").replace(f"user={USER}", "user=guarded")

        def refused(given: str, **variables: str) -> str:
            with pytest.MonkeyPatch.context() as environment:
                for name, value in variables.items():
                    environment.setenv(name, value)
                status, out, err = run("status", "--data-dir", tmp_path / "data", "--store", given)
            assert (status, out, err.count("\n")) == (2, "", 1) and "-one" not in err
            return err

        assert 'password authentication failed for user "guarded"' in refused(f"{store}&password=wrong-one")
        for given in (f"{store}&password=right-one", f"{store}&passfile={file}"):
            assert "the database is empty" in refused(given)
        for variables in ({"PGPASSWORD": "right-one"}, {"PGPASSFILE": str(file)}):
            assert "the database is empty" in refused(store, **variables)
        file.chmod(0o644)
        assert "group or world access" in refused(f"{store}&passfile={file}")


@pytest.mark.slow
def test_command_on_another_machine_works_while_a_service_runs(empty_database: str, tmp_path: Path) -> None:
    """With the URL and the key; on the service's own data directory it calls the service."""
    here, there = tmp_path / "here", tmp_path / "there"
    (tmp_path / "shop.toml").write_text(CONNECTION)
    variables = {"TIKTOK_FORWARDER_STORE": empty_database, "SHOP_TOKEN": "access-token-0123456789"}
    shop = ("--name", "shop", "--key", "key-of-the-shop", "--secret", "secret-of-the-shop")
    for arguments in (("inputs", "add", *shop), ("connections", "add", str(tmp_path / "shop.toml"))):
        assert command(*arguments, "--data-dir", str(here), **variables).returncode == 0
    with serving(here, TIKTOK_FORWARDER_STORE=empty_database) as service:
        assert service.post(fresh_batch("e1", "e2")) == 202
        refused = command("status", "--data-dir", str(there), **variables)
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
        assert "the key file is missing" in refused.stderr and not (there / "encryption.key").exists()
        there.mkdir(mode=0o700)
        (there / "encryption.key").write_bytes((here / "encryption.key").read_bytes())
        for place in (here, there):
            found = json.loads(command("status", "--data-dir", str(place), **variables).stdout)
            assert (found["running"], found["connections"][0]["queue"]["waiting"]) == (True, 2)
