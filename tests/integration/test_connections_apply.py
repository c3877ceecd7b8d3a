"""`connections apply`: a running service gets the connections of a folder, and loses others, once that was shown."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from tests.integration.service_process import add_shop, command, serving
from tests.integration.service_rig import fresh_batch
from tests.integration.terminal import Shown, on_terminal
from tests.store_choice import STORES
from tiktok_forwarder.cli.api_client import ApiSession
from tiktok_forwarder.cli.changes import Change
from tiktok_forwarder.cli.connections.apply import Removal, apply_changes
from tiktok_forwarder.setting_reading import load_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TOKEN = "access-token-0123456789"
SHOP = 'name = "Shop"\npixel_id = "PIXELSHOP"\naccess_token = "env:SHOP_TOKEN"\n'
EU = 'name = "EU"\npixel_id = "PIXELEU"\naccess_token = "env:EU_TOKEN"\nmax_event_age_days = 7\n'


class Rig:
    """A service with the connection Shop, and a folder next to its data."""

    def __init__(self, room: Path) -> None:
        self.data_dir = room / "data"
        self.folder = room / "connections"
        self.folder.mkdir()

    def write(self, **files: str) -> None:
        for file in self.folder.glob("*.toml"):
            file.unlink()
        for name, text in files.items():
            (self.folder / f"{name}.toml").write_text(text)

    def apply(self, *options: str, expect: int = 0, **variables: str) -> tuple[dict[str, str], str]:
        """Return the change of each connection by name, and the messages."""
        done = command(
            "connections", "apply", str(self.folder), *options, "--data-dir", str(self.data_dir), **variables
        )
        assert done.returncode == expect, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return {each["name"]: each["change"] for each in map(json.loads, done.stdout.splitlines())}, done.stderr

    def connections(self) -> dict[str, Any]:
        done = command("connections", "list", "--data-dir", str(self.data_dir))
        return {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}


@pytest.fixture
def stopped(tmp_path: Path) -> Rig:
    add_shop(tmp_path / "data")
    return Rig(tmp_path)


@pytest.fixture
def rig(stopped: Rig) -> Iterator[Rig]:
    with serving(stopped.data_dir):
        yield stopped


def test_service_becomes_what_the_folder_says(rig: Rig) -> None:
    """One is added, one removed, one changed; the second time there is nothing to do."""
    rig.write(shop=SHOP, eu=EU)
    assert rig.apply("--yes", EU_TOKEN=TOKEN)[0] == {"EU": "add", "Shop": "none"}
    rig.write(shop=SHOP + "enabled = false\n")
    assert rig.apply("--dry-run", expect=1)[0] == {"Shop": "change", "EU": "remove"}
    assert set(rig.connections()) == {"Shop", "EU"}
    changes, messages = rig.apply("--yes")
    assert changes == {"Shop": "change", "EU": "remove"}
    assert messages.endswith("tiktok-forwarder: applied: Shop, EU\n")
    assert {name: each["enabled"] for name, each in rig.connections().items()} == {"Shop": False}
    revision = rig.connections()["Shop"]["revision"]
    for options in (("--yes",), ("--dry-run",), ()):
        changes, messages = rig.apply(*options)
        assert changes == {"Shop": "none"} and "0 of 1 connections would change" in messages
    assert rig.connections()["Shop"]["revision"] == revision


def test_token_changes_only_by_its_variable(rig: Rig) -> None:
    """Without the variable an existing connection keeps its token, with the same value nothing changes."""
    rig.write(shop=SHOP, inputs='[[inputs]]\nname = "web"\n')
    changes, messages = rig.apply("--yes")
    assert changes == {"Shop": "none"}
    assert "inputs.toml: ignored, since it has inputs; see `tiktok-forwarder inputs import`" in messages
    assert "access tokens whose variables are not set do not change: SHOP_TOKEN" in messages
    assert rig.apply("--dry-run", SHOP_TOKEN=TOKEN)[0] == {"Shop": "none"}
    assert rig.apply("--dry-run", SHOP_TOKEN="another-token-0123456789", expect=1)[0] == {"Shop": "change"}


WRONG: dict[str, dict[str, str]] = {
    "eu.toml: access_token: the environment variable EU_TOKEN is not set": {"eu": EU},
    'shop.toml: name: "Shop" is used in': {"again": SHOP, "shop": SHOP},
    'inputs: input "unknown" not found': {"shop": SHOP + 'inputs = ["unknown"]\n'},
    "shop.toml: max_event_age_days: ": {"shop": SHOP + "max_event_age_days = 0\n"},
    "shop.toml: is not valid TOML: Invalid value (at line 1, column 8)": {"shop": "name = "},
    "connections: there is no connection in it": {"inputs": '[[inputs]]\nname = "web"\n'},
}


def test_wrong_folder_changes_nothing(stopped: Rig) -> None:
    """One line says which file and why; a folder without connections does not remove everything."""
    for problem, files in WRONG.items():
        stopped.write(**files)
        changes, messages = stopped.apply("--yes", expect=2)
        assert problem in messages and changes == {}
    assert set(stopped.connections()) == {"Shop"}


def test_removal_shows_what_becomes_of_waiting_events(stopped: Rig, tmp_path: Path) -> None:
    """A person is asked with their number, and may say no; a program needs --yes."""
    rig = stopped
    (tmp_path / "day.json").write_text(json.dumps(fresh_batch("m1", "m2")))
    service = ("--data-dir", str(rig.data_dir))
    assert command("import", "--input", "shop", str(tmp_path / "day.json"), *service).returncode == 0
    rig.write(eu=EU)
    _, messages = rig.apply(expect=2, EU_TOKEN=TOKEN)
    assert "nothing was changed: pass --yes" in messages

    def answered(answer: str) -> Shown:
        arguments = ("connections", "apply", rig.folder, *service)
        return on_terminal(*arguments, question="Apply?", answer=lambda: answer, EU_TOKEN=TOKEN)

    shown = answered("n\n")
    assert "2 waiting events become dead letters, which cannot be replayed" in shown
    assert "Apply? 2 waiting events become dead letters" in shown
    assert shown.status == 1 and "nothing was changed" in shown and set(rig.connections()) == {"Shop"}
    shown = answered("y\n")
    assert shown.status == 0 and TOKEN not in shown.sent and set(rig.connections()) == {"EU"}
    letters = command("dead-letters", "list", *service).stdout
    assert [json.loads(line)["reason"] for line in letters.splitlines()] == ["connection_deleted"] * 2


def test_change_by_others_after_the_question_is_not_overwritten(rig: Rig) -> None:
    """Only what was shown is applied: with any other change in between, nothing is."""
    service = ("--data-dir", str(rig.data_dir))
    rig.write(eu=EU)

    def change_first() -> str:
        assert command("connections", "set", "Shop", "enabled=false", *service).returncode == 0
        return "y\n"

    shown = on_terminal(
        "connections", "apply", rig.folder, *service, question="Apply?", answer=change_first, EU_TOKEN=TOKEN
    )
    assert shown.status == 2 and "connections were changed in the meantime" in shown
    assert set(rig.connections()) == {"Shop"}


def test_failed_removal_says_what_was_applied(
    stopped: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest stays applied, and the exit status is 1."""
    for name, text in STORES.variables(stopped.data_dir).items():
        monkeypatch.setenv(name, text)
    settings = load_settings(None, os.environ, data_dir=stopped.data_dir)
    changed = {"name": "Shop", "pixel_id": "PIXELSHOP", "enabled": False}
    with ApiSession(settings) as session, pytest.raises(click.exceptions.Exit) as ended:
        apply_changes(session, {"connections": [changed]}, [Removal("cn_gone", "Gone", 0)], [Change("Shop", "change")])
    assert ended.value.exit_code == 1
    messages = capsys.readouterr().err
    assert 'Gone: not removed: connection "cn_gone" not found' in messages and "applied: Shop\n" in messages
    assert stopped.connections()["Shop"]["enabled"] is False
