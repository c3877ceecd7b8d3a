"""The console's users by the API and the command line."""

import json
import os
import pty
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_process import PROGRAM, command, environment, serving
from tests.integration.service_rig import Service, running_service
from tiktok_forwarder.web.in_process import asgi_call

GOOD = "correct horse battery"


async def asked(service: Service, method: str, path: str, body: object = None) -> tuple[int, Any]:
    content = json.dumps(body).encode() if body is not None else b""
    status, answer = await asgi_call(service.application.api, method, path, content)
    return status, json.loads(answer)


async def test_users_by_the_api(tmp_path: Path) -> None:
    """Added with a link, changed, linked anew, removed; each refusal says why. No answer holds a hash."""
    async with running_service(tmp_path, console_url="https://forwarder.example.com/") as service:
        status, first = await asked(service, "POST", "/api/console-link", {})
        assert (status, first["base"], first["user"]) == (200, "https://forwarder.example.com", None)
        token = first["path"].removeprefix("/welcome/")
        await service.services.console_access.accept_link(token, "Ada", GOOD, "")
        status, refused = await asked(service, "POST", "/api/console-link", {})
        assert (status, refused["errors"][0]["message"]) == (
            422,
            "an administrator already exists: name the user that the link is for",
        )
        status, added = await asked(service, "POST", "/api/users", {"name": "Ben / 50 %"})
        assert (status, added["user"]["role"], added["user"]["has_password"]) == (201, "viewer", False)
        assert (await asked(service, "POST", "/api/users", {"name": "ada"}))[0] == 422
        assert (await asked(service, "PATCH", "/api/users/Ben%20%2F%2050%20%25", {"role": "admin"}))[1][
            "role"
        ] == "admin"
        assert (await asked(service, "POST", "/api/users/Ben%20%2F%2050%20%25/link"))[1]["path"] != added["path"]
        status, users = await asked(service, "GET", "/api/users")
        assert [(each["name"], each["role"], each["has_password"]) for each in users] == [
            ("Ada", "admin", True),
            ("Ben / 50 %", "admin", False),
        ]
        assert "argon2" not in json.dumps(users)
        for method, path, body in (
            ("PATCH", "/api/users/Ada", {"role": "viewer"}),
            ("DELETE", "/api/users/Ada", None),
        ):
            status, refused = await asked(service, method, path, body)
            assert (status, "is the last administrator" in refused["errors"][0]["message"]) == (422, True)
        assert (await asked(service, "DELETE", "/api/users/Ben%20%2F%2050%20%25"))[1]["name"] == "Ben / 50 %"
        assert (await asked(service, "DELETE", "/api/users/Ben%20%2F%2050%20%25"))[0] == 404


@pytest.mark.slow
@pytest.mark.both_stores
def test_users_by_the_command_line(data_dir: Path) -> None:
    """A link needs a running service; the rest goes without. What is wrong is told in one line."""
    where = ("--data-dir", str(data_dir))
    away = command("console-link", *where)
    assert (away.returncode, away.stdout) == (2, "")
    assert "no service is running" in away.stderr
    with serving(data_dir) as service:
        link = command("console-link", *where).stdout.strip()
        assert link.startswith(f"http://127.0.0.1:{service.port}/welcome/")
        added = command("users", "add", "Ben", "--role", "admin", *where)
        assert added.stdout.startswith(f"http://127.0.0.1:{service.port}/welcome/")
        other = command("console-link", "--user", "ben", *where)
        assert other.stdout.strip() not in ("", added.stdout.strip())
        nobody = command("console-link", "--user", "nobody", *where)
        assert (nobody.returncode, nobody.stderr.count("\n")) == (2, 1)
        log = service.log_file.read_text()
    # Neither a link nor a part of one is in what the service says where nobody sits.
    assert "console has no users" in log and "welcome" not in log
    assert json.loads(command("users", "set-role", "Ben", "viewer", *where).stdout)["role"] == "viewer"
    assert [json.loads(line)["name"] for line in command("users", "list", *where).stdout.splitlines()] == ["Ben"]
    assert json.loads(command("users", "remove", "Ben", *where).stdout)["name"] == "Ben"
    assert command("users", "list", *where).stdout == ""


@pytest.mark.slow
def test_a_terminal_is_shown_the_first_link(data_dir: Path) -> None:
    """Whoever starts the service by hand needs no second command."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--data-dir", str(data_dir)], env=environment(data_dir), stderr=theirs
    ) as child:
        os.close(theirs)
        told = b""
        while b"/welcome/" not in told:
            told += os.read(ours, 4096)
        child.terminate()
    os.close(ours)
    assert b"open the console to create the first administrator: http://127.0.0.1:" in told
