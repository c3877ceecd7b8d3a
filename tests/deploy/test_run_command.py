"""The script that runs a command with the settings of the service's unit."""

import ast
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.compose_file import DEPLOY

SCRIPT = DEPLOY / "systemd" / "run_command.py"
UNIT = DEPLOY / "systemd" / "tiktok-forwarder.service"
# systemd's own program that reads files of this syntax; unlike a unit, it would expand variables.
READER = "/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator"
STORE = "postgresql://forwarder@db1.example.com,db2.example.com/forwarder?sslmode=verify-full&sslrootcert=/etc/db.pem"
# A line of a file, and the value that it gives the variable V.
VALUES = [
    (f"V={STORE}", STORE),
    (f'V="{STORE}"', STORE),
    ("V=a b#c;d", "a b#c;d"),
    (" V = a b \t", "a b"),
    ("V='a \\n\"b\" '", 'a \\n"b" '),
    ('V="a \\"b\\" \\\\ \\n"', 'a "b" \\ \\n'),
    ("V='a' \"b\" c 'd'", "abc 'd'"),
    ("V=it's", "it's"),
    ("V=a\\ \\b\\\\", "a b\\"),
    ("V=a\\\nb", "ab"),
    ('V="a\\\nb\nc"', "ab\nc"),
    ("V=a\nV=b", "b"),
    ("#V=b\n;V=c\n\nno assignment\nexport V=d\nV=a=b\n", "a=b"),
]


@pytest.fixture
def script() -> dict[str, Any]:
    return runpy.run_path(str(SCRIPT))


def variables_of(script: dict[str, Any], text: str) -> dict[str, str]:
    read: Callable[[str], dict[str, str]] = script["variables_of"]
    return read(text)


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_file_is_read_as_a_unit_reads_it(script: dict[str, Any], text: str, value: str) -> None:
    """A shell would start a program in the background where the URL of a store has its &."""
    assert variables_of(script, text) == {"V": value}
    assert variables_of(script, f"A=1\n{text}\n\nB=2\n") == {"A": "1", "V": value, "B": "2"}


@pytest.mark.slow
@pytest.mark.parametrize(("text", "value"), VALUES)
def test_systemd_reads_the_same(tmp_path: Path, text: str, value: str) -> None:
    """The expected values are systemd's."""
    folder = tmp_path / "environment.d"
    folder.mkdir()
    (folder / "50.conf").write_text(f"{text}\n")
    done = subprocess.run(
        [READER], env={"XDG_CONFIG_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=True
    )
    (shown,) = (line[2:] for line in done.stdout.splitlines() if line.startswith("V="))
    # It quotes what a shell would not take as it is.
    assert (ast.literal_eval(shown) if shown.startswith('"') else shown) == value


def test_empty_value_is_a_value(script: dict[str, Any]) -> None:
    """It replaces the caller's, as in a unit."""
    assert variables_of(script, "V=\nW=a") == {"V": "", "W": "a"}


@pytest.mark.parametrize("line", ["V='a", 'V="a\n', "V='a' \"b", "V=a\\", "# a\\\nV=b"])
def test_line_of_uncertain_end_is_refused_by_number(script: dict[str, Any], line: str) -> None:
    """A command that runs with other settings than the service is worse than none."""
    with pytest.raises(ValueError, match=r"^line 3: "):
        variables_of(script, f"A=1\n\n{line}")


def test_command_gets_user_file_and_directory_of_the_unit(script: dict[str, Any]) -> None:
    """What the script repeats of the unit is the same there."""
    lines = UNIT.read_text().splitlines()
    assert f"User={script['_USER']}" in lines
    assert f"EnvironmentFile=-{script['_ENVIRONMENT_FILE']}" in lines
    assert f"ExecStart={script['_PROGRAM']} serve --data-dir {script['_DATA_DIR']}" in lines


def test_file_decides_before_the_caller_but_not_about_the_directory(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A variable of root's shell changes no setting of the service; a token for `connections add` is passed on."""
    file = tmp_path / "environment"
    file.write_text("TIKTOK_FORWARDER_PORT=8099\nTIKTOK_FORWARDER_DATA_DIR=/elsewhere\n")
    monkeypatch.setenv("TIKTOK_FORWARDER_PORT", "1")
    monkeypatch.setenv("TIKTOK_FORWARDER_DATA_DIR", "/mine")
    monkeypatch.setenv("TIKTOK_TOKEN", "token")
    monkeypatch.setattr("sys.argv", ["tiktok-forwarder", "settings", "a b"])
    started: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda _, arguments: started.append(arguments))
    main = script["main"]
    monkeypatch.setitem(main.__globals__, "_ENVIRONMENT_FILE", file)
    main()
    given = script["os"].environ
    assert (given["TIKTOK_FORWARDER_PORT"], given["TIKTOK_TOKEN"]) == ("8099", "token")
    assert given["TIKTOK_FORWARDER_DATA_DIR"] == script["_DATA_DIR"]
    assert started == [["runuser", "-u", script["_USER"], "--", script["_PROGRAM"], "settings", "a b"]]


def test_file_that_cannot_be_read_ends_the_command(
    script: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In one line, without a traceback, and before anything runs."""
    file = tmp_path / "environment"
    file.write_bytes(b"A=\xff\n")
    main = script["main"]
    monkeypatch.setitem(main.__globals__, "_ENVIRONMENT_FILE", file)
    with pytest.raises(SystemExit, match="environment cannot be read: "):
        main()
