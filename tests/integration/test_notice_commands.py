"""The commands of notices, against the real API in-process."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.running import Run
from tiktok_forwarder.notices.incidents import INCIDENT_KINDS

URL = "https://hooks.example.com/services/very-secret"


class Notices:
    """`tiktok-forwarder notices` on one data directory."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.folder = folder

    def text(self, *arguments: object, expect: int = 0) -> tuple[str, str]:
        status, out, err = self._run("notices", *arguments, "--data-dir", self.folder / "data")
        assert status == expect, err
        assert "Traceback" not in err and "very-secret" not in out + err
        return out, err

    def __call__(self, *arguments: object, expect: int = 0) -> tuple[list[Any], str]:
        """What was printed, decoded line by line, and the messages. Fails for another exit status."""
        out, err = self.text(*arguments, expect=expect)
        return [json.loads(line) for line in out.splitlines()], err

    def file(self, text: str) -> Path:
        path = self.folder / "recipients.toml"
        path.write_text(text)
        return path


@pytest.fixture
def notices(run: Run, tmp_path: Path) -> Notices:
    return Notices(run, tmp_path)


def test_recipients_are_added_listed_and_removed(notices: Notices, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signing secret is printed once; a URL comes from the environment and is never printed."""
    monkeypatch.setenv("HOOK_URL", URL)
    [added], _ = notices("add", "--name", "Hook", "--kind", "webhook", "--url", "env:HOOK_URL")
    assert added["signing_secret"].startswith("whsec_")
    chat = ("add", "--name", "Chat", "--kind", "slack", "--url", "env:HOOK_URL", "--incident", "dead_letters")
    notices(*chat)
    hook, shown = notices("list")[0]
    assert (hook["url_origin"], hook["incidents"]) == ("https://hooks.example.com", list(INCIDENT_KINDS))
    assert shown["incidents"] == ["dead_letters"]
    [rotated], _ = notices("rotate", "hook")
    assert rotated["signing_secret"] != added["signing_secret"]
    notices("remove", "Chat")
    assert [each["name"] for each in notices("list")[0]] == ["Hook"]
    assert notices("recent") == ([], "") and notices("incidents") == ([], "")
    assert "chat" in notices("remove", "chat", expect=2)[1]


def test_recipients_are_exported_and_imported(notices: Notices, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without secrets: an existing one keeps those that it has, a new one needs them from the environment."""
    file = notices.file(
        '[[recipients]]\nname = "Chat"\nkind = "slack"\nurl = "env:HOOK_URL"\nincidents = ["store_problem"]\n'
        '[[recipients]]\nname = "Mail"\nkind = "email"\nto_addresses = ["ops@example.com"]\n'
        'from_address = "forwarder@example.com"\nsmtp_host = "smtp.example.com"\n'
    )
    _, err = notices("import", file, "--yes", expect=2)
    assert err.count("recipients[0]: url: the environment variable HOOK_URL is not set") == 1
    monkeypatch.setenv("HOOK_URL", URL)
    assert "2 of 2 recipients would change: Chat, Mail" in notices("import", file, "--dry-run")[1]
    assert notices("list")[0] == []
    notices("import", file, "--yes")
    monkeypatch.delenv("HOOK_URL")
    assert "0 of 2 recipients would change" in notices("import", file, "--yes")[1]
    exported, _ = notices.text("export")
    assert 'smtp_security = "starttls"' in exported and "url" not in exported
    again = notices.file(exported.replace('"ops@example.com"', '"night@example.com"'))
    assert "1 of 2 recipients would change: Mail" in notices("import", again, "--yes")[1]
    assert "night@example.com" in notices.text("export", "mail")[0]
    assert 'recipient "x" not found' in notices("export", "x", expect=2)[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("recipients = 1", "recipients must be a list of tables"),
        ('[[recipients]]\nname = "A"\nkind = "pager"', "recipients[0]: Invalid enum value 'pager'"),
        ('[[recipients]]\nname = "A"\nkind = "slack"\nurl = "http://x"', "recipients[0] A: url: must be https://"),
        ('[[recipients]]\nname = "A"\nkind = "slack"\nsecret = "x"', "recipients[0]: Object contains unknown field"),
    ],
)
def test_file_with_a_mistake_changes_nothing(notices: Notices, text: str, problem: str) -> None:
    """One line names the file or the recipient, and what is wrong."""
    _, err = notices("import", notices.file(text), "--yes", expect=2)
    assert problem in err


def test_test_needs_a_running_service(notices: Notices, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent as notices are: by the service, from its machine."""
    monkeypatch.setenv("HOOK_URL", URL)
    notices("add", "--name", "Hook", "--kind", "webhook", "--url", "env:HOOK_URL")
    assert "no service is running" in notices("test", "Hook", expect=2)[1]
