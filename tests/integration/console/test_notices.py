"""The page of notices over HTTP: recipients, their secrets, and what was sent."""

import re
from pathlib import Path

import pytest

from tests.integration.console.console_client import ConsoleClient, running_console

pytestmark = pytest.mark.slow

# Neither public nor allowed: no connection is ever made.
URL = "https://127.0.0.1:9/services/very-secret"
WEBHOOK = (("name", "Pager"), ("kind", "webhook"), ("url", URL), ("incident", "dead_letters"))
EMAIL = (
    ("name", "Mail"),
    ("kind", "email"),
    ("url", "left over from another kind"),
    ("to_addresses", "ops@example.com\r\nann@example.com"),
    ("from_address", "forwarder@example.com"),
    ("smtp_host", "smtp.example.com"),
    ("smtp_port", ""),
    ("smtp_security", "starttls"),
    ("incident", "connection_paused"),
    ("incident", "store_problem"),
)


async def recipient_id(console: ConsoleClient, name: str) -> str:
    recipients = await console.api("GET", "/api/notices/recipients")
    return str(next(each["id"] for each in recipients if each["name"] == name))


async def test_recipient_is_added_tested_changed_and_removed(tmp_path: Path) -> None:
    """The secret of a webhook is shown once, and its URL never again."""
    async with running_console(tmp_path) as console:
        assert "No recipients yet. Add one to get notices." in (await console.get("/notices")).text
        added = await console.post("/notices/recipients", *WEBHOOK)
        secret = re.search(r"whsec_[\w+/=]+", added.html)
        assert secret is not None
        page = await console.get("/notices")
        assert secret[0] not in page.html and "very-secret" not in page.html
        assert "Pager Webhook https://127.0.0.1:9/… New dead letters" in page.text
        here = f"/notices/recipients/{await recipient_id(console, 'Pager')}"
        tested = await console.post(f"{here}/test")
        assert "The test to Pager was not sent: the host has an address that is not public" in tested.text
        assert "Test of tiktok-forwarder's notices" in tested.text and "Failed" in tested.text
        rotated = await console.post(f"{here}/rotate")
        assert "whsec_" in rotated.html and secret[0] not in rotated.html
        edit = await console.get(here)
        assert "very-secret" not in edit.html and "Leave it empty to keep the present one" in edit.text
        revision = re.search(r'name="revision" value="(\d+)"', edit.html)
        assert revision is not None
        fields = [("name", "Night"), ("kind", "webhook"), ("url", ""), ("incident", "store_problem")]
        saved = await console.post(here, *fields, ("revision", revision[1]))
        assert "Night is saved." in saved.text and "Store full or not writable" in saved.text
        conflict = await console.post(here, *fields, ("revision", revision[1]))
        assert (conflict.status, "changed in the meantime" in conflict.text) == (422, True)
        assert "Remove Night?" in (await console.get(f"{here}/remove")).text
        assert "Night is removed and gets no more notices." in (await console.post(f"{here}/remove")).text
        assert (await console.get(here)).status == 404


async def test_fields_of_the_other_kinds_do_not_count(tmp_path: Path) -> None:
    """They are hidden, but a browser sends what was typed before the kind was changed."""
    async with running_console(tmp_path) as console:
        page = await console.post("/notices/recipients", *EMAIL)
        assert "Mail is added. Send a test to it." in page.text
        assert "ops@example.com, ann@example.com" in page.text
        (shown,) = await console.api("GET", "/api/notices/recipients")
        assert shown["incidents"] == ["connection_paused", "store_problem"]
        edit = await console.get(f"/notices/recipients/{shown['id']}")
        assert re.findall(r'value="(\w+)" checked', edit.html) == shown["incidents"]


async def test_mistake_is_shown_with_what_was_typed(tmp_path: Path) -> None:
    """Except for secrets, which are entered again."""
    async with running_console(tmp_path) as console:
        fields = [("name", "Chat"), ("kind", "slack"), ("url", "http://hooks.example.com/very-secret")]
        page = await console.post("/notices/recipients", *fields)
        assert page.status == 422
        assert "Incidents: must be at least one kind." in page.text and "URL: must be https://" in page.text
        assert 'value="Chat"' in page.html and "very-secret" not in page.html
        port = [(name, "x" if name == "smtp_port" else value) for name, value in EMAIL]
        assert "Port: must be a number" in (await console.post("/notices/recipients", *port)).text
        kind = [("name", "Chat"), ("kind", "pager"), ("url", URL), ("incident", "x")]
        assert (await console.post("/notices/recipients", *kind)).status == 422
