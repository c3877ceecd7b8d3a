"""The systemd units: what systemd itself thinks of them, and that the template differs in its role only."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.compose_file import DEPLOY
from tiktok_forwarder.cli.backup_command import backup
from tiktok_forwarder.cli.serve_command import serve
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.settings import ROLES

FOLDER = DEPLOY / "systemd"
TEMPLATE = "tiktok-forwarder@.service"
UNIT = "tiktok-forwarder.service"
BACKUP = "tiktok-forwarder-backup.service"
TIMER = "tiktok-forwarder-backup.timer"
INSTALLED = "/opt/tiktok-forwarder/bin/tiktok-forwarder"
PROGRAM = Path(sys.executable).with_name("tiktok-forwarder")
# systemd's points from 0 to 100: what a unit without any restriction gets is 96.
MAX_EXPOSURE = 20


def lines(name: str) -> list[str]:
    """The lines of a unit without comments."""
    return [line for line in (FOLDER / name).read_text().splitlines() if line and not line.startswith("#")]


def values(name: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in lines(name) if line.startswith(f"{key}=")]


def analyze(folder: Path, unit: str, text: str, *command: str) -> "subprocess.CompletedProcess[str]":
    """What systemd says of a unit whose program is this one."""
    file = folder / unit
    file.write_text(text.replace(INSTALLED, str(PROGRAM)))
    return subprocess.run(["systemd-analyze", *command, file], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "unit"),
    [(UNIT, UNIT), (BACKUP, BACKUP), *((TEMPLATE, TEMPLATE.replace("@", f"@{role}")) for role in ROLES)],
)
def test_systemd_accepts_the_unit(tmp_path: Path, name: str, unit: str) -> None:
    """It ignores what it does not understand, with a warning that no one reads."""
    done = analyze(tmp_path, unit, (FOLDER / name).read_text(), "verify", "--man=no")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong"), [("ProtectHome=", "ProtectHouse="), ("UMask=0077", "UMask=none")])
def test_wrong_unit_is_noticed(tmp_path: Path, right: str, wrong: str) -> None:
    """The check would notice a misspelt key or value."""
    text = (FOLDER / TEMPLATE).read_text()
    assert right in text
    done = analyze(tmp_path, "tiktok-forwarder@ingest.service", text.replace(right, wrong), "verify", "--man=no")
    assert wrong.partition("=")[0] in done.stderr or "mode" in done.stderr.lower()


@pytest.mark.slow
@pytest.mark.parametrize("name", [UNIT, TEMPLATE, BACKUP])
def test_systemd_finds_little_exposed(tmp_path: Path, name: str) -> None:
    """By systemd's own rating, over all restrictions that it has."""
    options = ("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager")
    done = analyze(tmp_path, name, (FOLDER / name).read_text(), *options)
    assert done.returncode == 0, done.stdout + done.stderr


def test_template_restricts_a_node_as_the_unit_restricts_a_service() -> None:
    """Only the command, what is read and the directory depend on the role."""
    different = ("Description", "ExecStart", "EnvironmentFile", "StateDirectory")

    def same(name: str) -> list[str]:
        return [line for line in lines(name) if line.partition("=")[0] not in different]

    assert same(TEMPLATE) == same(UNIT)


@pytest.mark.parametrize("role", ROLES)
def test_template_starts_its_role_on_a_directory_of_its_own(role: str) -> None:
    """Roles on the same machine share neither a directory nor a file of settings that only one of them needs."""
    (command,) = values(TEMPLATE, "ExecStart")
    program, name, *arguments = shlex.split(command.replace("%i", role))
    assert (program, name) == (INSTALLED, serve.name)
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    options = {option for parameter in serve.params for option in parameter.opts}
    assert given.keys() <= options and given["--role"] == role
    (directory,) = values(TEMPLATE, "StateDirectory")
    assert given["--data-dir"] == f"/var/lib/{directory.replace('%i', role)}"
    assert directory.replace("%i", role) != values(UNIT, "StateDirectory")[0]
    assert [file.replace("%i", role) for file in values(TEMPLATE, "EnvironmentFile")] == [
        "/etc/tiktok-forwarder/environment",
        f"-/etc/tiktok-forwarder/{role}.environment",
    ]


@pytest.mark.parametrize("name", [UNIT, TEMPLATE])
def test_stop_can_finish(name: str) -> None:
    """systemd kills a service that takes longer."""
    (seconds,) = values(name, "TimeoutStopSec")
    assert int(seconds) > load_settings(None, {}).stop_seconds + 5


@pytest.mark.parametrize("name", [UNIT, TEMPLATE])
def test_comment_names_its_own_file(name: str) -> None:
    """The commands above the unit install this one."""
    assert re.search(rf"cp deploy/systemd/{re.escape(name)} ", (FOLDER / name).read_text())


@pytest.mark.slow
def test_timer_starts_the_backup(tmp_path: Path) -> None:
    """A timer starts the service of its own name."""
    assert TIMER.partition(".")[0] == BACKUP.partition(".")[0] and values(TIMER, "Unit") == []
    analyze(tmp_path, BACKUP, (FOLDER / BACKUP).read_text(), "verify", "--man=no")
    done = analyze(tmp_path, TIMER, (FOLDER / TIMER).read_text(), "verify", "--man=no")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_backup_is_of_the_service_and_by_its_user() -> None:
    """Its command is one of the program, and database, settings and user are those of the service's unit."""
    (command,) = values(BACKUP, "ExecStart")
    program, name, *arguments = shlex.split(command)
    assert (program, name) == (INSTALLED, backup.name)
    parsed = backup.make_context("backup", list(arguments))
    directories = [f"/var/lib/{directory}" for directory in values(BACKUP, "StateDirectory")[0].split()]
    assert [str(parsed.params["file"]), parsed.params["keep"]] == [directories[1], 14]
    (served,) = values(UNIT, "ExecStart")
    assert shlex.split(served)[-1] == directories[0] == arguments[arguments.index("--data-dir") + 1]
    for key in ("User", "EnvironmentFile", "UMask", "StateDirectoryMode"):
        assert values(BACKUP, key) == values(UNIT, key)
