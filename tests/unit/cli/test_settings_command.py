"""`settings`: what is printed for a program and for a person."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tiktok_forwarder.cli.settings_command import settings
from tiktok_forwarder.settings import SETTINGS


def test_every_setting_is_a_line(tmp_path: Path) -> None:
    """One JSON object for each setting: value, source, default, variable and meaning."""
    file = tmp_path / "c.toml"
    file.write_text("port = 1234\n")
    result = CliRunner().invoke(settings, ["--config", str(file)], env={"TIKTOK_FORWARDER_HOST": "127.0.0.9"})
    lines = {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}
    assert result.exit_code == 0 and list(lines) == [setting.name for setting in SETTINGS]
    assert (lines["port"]["value"], lines["port"]["source"]) == (1234, str(file))
    assert (lines["host"]["value"], lines["host"]["source"]) == ("127.0.0.9", "TIKTOK_FORWARDER_HOST")
    assert lines["max_wait_seconds"]["environment"] == "TIKTOK_FORWARDER_MAX_WAIT_SECONDS"
    assert all(line["help"] for line in lines.values())


def test_the_key_is_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encryption key is no setting: the list does not have it."""
    monkeypatch.setenv("TIKTOK_FORWARDER_ENCRYPTION_KEY", "ab" * 32)
    assert "abab" not in CliRunner().invoke(settings, []).output


def test_passwords_of_the_store_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the URL is."""
    monkeypatch.setenv("TIKTOK_FORWARDER_STORE", "postgresql://user:hunter2@host/db?password=hunter2")
    output = CliRunner().invoke(settings, []).output
    assert "hunter2" not in output and "postgresql://user:***@host/db?password=***" in output
