"""The console's page of users, API keys and the audit."""

import re
from pathlib import Path

import pytest

from tests.integration.console.console_client import NAME, ConsoleClient, running_console

pytestmark = pytest.mark.slow

GOOD = "another good password"


async def user_id(client: ConsoleClient, name: str) -> str:
    users = await client.api("GET", "/api/users")
    return next(str(each["id"]) for each in users if each["name"] == name)


async def test_a_user_is_invited_promoted_and_removed(tmp_path: Path) -> None:
    """With a link that is shown once; each step is told, and is so in the API."""
    async with running_console(tmp_path) as client:
        shown = await client.post("/access/users", ("name", "Ben <b>"), ("role", "viewer"))
        assert shown.status == 200 and "This link sets the password of Ben <b>" in shown.text
        assert "<b>" not in shown.html.replace("Ben &lt;b&gt;", "")
        link = re.search(r"http://127\.0\.0\.1:\d+(/welcome/[\w-]+)", shown.text)
        assert link is not None
        assert "/welcome/" not in (await client.get("/access")).html
        found = await client.service.services.console_access.accept_link(link[1][9:], "", GOOD, "")
        assert (found.user.name, found.user.role) == ("Ben <b>", "viewer")
        ben = await user_id(client, "Ben <b>")
        shown = await client.post(f"/access/users/{ben}/role", ("role", "admin"))
        assert (shown.path, "Ben <b> is now an administrator." in shown.text) == ("/access", True)
        asked = await client.get(f"/access/users/{ben}/remove")
        assert "Remove Ben <b>?" in asked.text
        shown = await client.post(f"/access/users/{ben}/remove")
        assert "Ben <b> is removed and logged out." in shown.text
        assert [each["name"] for each in await client.api("GET", "/api/users")] == [NAME]
        assert await client.service.services.console_access.who(found.reference) is None


async def test_what_cannot_be_is_said_and_kept(tmp_path: Path) -> None:
    """A name that is taken stays in the form; the last administrator stays."""
    async with running_console(tmp_path) as client:
        shown = await client.post("/access/users", ("name", NAME.upper()), ("role", "admin"))
        assert shown.status == 422 and f'a user named "{NAME.upper()}" already exists' in shown.text
        assert f'value="{NAME.upper()}"' in shown.html
        own = await user_id(client, NAME)
        for path, fields in ((f"/access/users/{own}/role", [("role", "viewer")]), (f"/access/users/{own}/remove", [])):
            shown = await client.post(path, *fields)
            assert shown.status == 422 and "is the last administrator with a password" in shown.text
        assert (await client.get("/access/users/us_nobody/remove")).status == 404
        assert (await client.post("/access/users/us_nobody/link")).status == 404


async def test_an_api_key_is_shown_once_and_revoked(tmp_path: Path) -> None:
    """It opens the API with its scope until it is revoked."""
    async with running_console(tmp_path) as client:
        shown = await client.post("/access/keys", ("key_name", "ci"), ("scope", "operate"))
        key = re.search(r"tfk_[\w-]+", shown.text)
        assert key is not None and key[0] not in (await client.get("/access")).html
        bearer = {"Authorization": f"Bearer {key[0]}"}
        assert (await client.service.request("GET", "/api/status", headers=bearer)).status == 200
        assert (await client.service.request("GET", "/api/keys", headers=bearer)).status == 403
        again = await client.post("/access/keys", ("key_name", "ci"))
        assert again.status == 422 and 'an API key named "ci" already exists' in again.text
        (known,) = await client.api("GET", "/api/keys")
        shown = await client.post(f"/access/keys/{known['id']}/revoke")
        assert "The API key ci is revoked." in shown.text
        assert (await client.service.request("GET", "/api/status", headers=bearer)).status == 401


async def test_the_audit_is_told_in_words(tmp_path: Path) -> None:
    """Who did what, the latest first."""
    async with running_console(tmp_path) as client:
        await client.api("POST", "/api/dead-letters/discard", {"reason": "refused"})
        await client.post("/access/users", ("name", "Ben"))
        shown = await client.get("/access")
        told = re.findall(r'data-label="Action">([^<]+)', shown.html)
        assert told == [
            "created a console link",
            "discarded dead letters",
            "set a password",
            "created a console link",
        ]
        assert f"user {NAME}" in shown.text and "command line" in shown.text
