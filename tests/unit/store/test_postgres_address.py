"""The URL of a PostgreSQL database: what is one, and that its passwords are shown nowhere."""

from pathlib import Path

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.store.postgres.address import is_address, missing_files, passwords_in, without_passwords
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.store import PostgresStore


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user@host/database",
        "postgres://host",
        "postgresql:///database?host=/run/postgresql&user=forwarder",
        "postgresql://user:p%40ss@one:5432,two:5433,[fd00::1]:5432/database?sslmode=verify-full&sslrootcert=/a/b.pem",
        "postgresql://:secret@/database?host=/run",
        "postgresql:///?service=forwarder",
    ],
)
def test_url_of_any_usual_form_is_accepted(text: str) -> None:
    """A user may be missing, hosts may be several or in the query, and a service file may have the rest."""
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sqlite",
        "postgresql:",
        "postgresql://",
        "postgresql:/database",
        "mysql://user@host/database",
        "postgresql://user:pa@ss@host/database",
        "postgresql://user:pa/ss@host/database",
        "postgresql://user:12/ss@host/database",
        "postgresql://user:pa?ss@host/database",
        "postgresql://user:pa#ss@host/database",
        "postgresql://user:12#ss@host/database",
        "postgresql://user:p ss@host/database",
        "postgresql://user@host:port/database",
        "postgresql://user@[fd00::1/database",
        "postgresql://user@host/database?secret",
    ],
)
def test_url_with_a_part_in_a_wrong_place_is_refused(text: str) -> None:
    """A password whose special characters are not encoded would be taken for a host, and shown as one."""
    assert not is_address(text)


def test_passwords_are_replaced_wherever_a_url_may_have_them() -> None:
    """Nothing else of the URL is changed."""
    address = "postgresql://user:s%23cret@one,two/db?sslpassword=hidden&sslmode=require&password=other+one"
    assert without_passwords(address) == (
        "postgresql://user:***@one,two/db?sslpassword=***&sslmode=require&password=***"
    )
    assert {"s#cret", "s%23cret", "hidden", "other one"} <= set(passwords_in(address))
    for plain in ("postgresql://user@host/db?host=/run", "postgresql:///password"):
        assert without_passwords(plain) == plain and passwords_in(plain) == []


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """The library's own message names no file."""
    (tmp_path / "root.pem").touch()
    found = f"postgresql://host/db?sslrootcert={tmp_path}/root.pem&sslkey={tmp_path}/client.key"
    assert missing_files(found) == [f"store: sslkey: there is no file {tmp_path}/client.key"]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("postgresql://u:hunter2secret@h:p/db", "must be a PostgreSQL URL"),
        ("postgresql://u:hunter2secret@127.0.0.1:1/db", "cannot connect to PostgreSQL"),
        ("postgresql://u@127.0.0.1:1/db?password=hunter2secret", "cannot connect to PostgreSQL"),
        ("postgresql://u:hunter2secret@127.0.0.1:1/db?sslmode=always", "sslmode"),
        ("postgresql://u:hunter2secret@127.0.0.1:1/db?sslrootcert=/nowhere.pem", "there is no file /nowhere.pem"),
    ],
)
async def test_store_that_cannot_be_opened_says_why_in_one_line_without_the_password(address: str, words: str) -> None:
    """Whatever is wrong with the URL or the server."""
    with pytest.raises(ConfigurationError) as refused:
        await PostgresStore.open(address, limits=PoolLimits(connect_seconds=2))
    (problem,) = refused.value.problems
    assert words in problem and "hunter2secret" not in problem and "\n" not in problem
