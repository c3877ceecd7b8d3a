"""The wheel, installed as users do, in each case with the README's first connection from start to delivery."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from scripts.release.lock import RUNTIME, read_lock

from tests.install.checkout import ROOT, tagged_checkout
from tests.integration.guide_shell import GUIDES, README, blocks, run_blocks
from tests.integration.service_process import SandboxThread
from tiktok_forwarder import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("release")]

OWN_PROGRAMS: Final = Path(sys.executable).parent
INSTALLED: Final = """
import importlib.metadata, json
print(json.dumps({found.name: found.version for found in importlib.metadata.distributions()}))
"""


def install(command: str, dist: Path, **variables: str) -> None:
    """Run the command in the directory of the release, with this Python."""
    given = {
        "PATH": f"{OWN_PROGRAMS}:{os.environ['PATH']}",
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
    }
    subprocess.run(
        ["bash", "-euc", command], cwd=dist, env={**os.environ, **given, **variables}, check=True, timeout=240
    )


def installed_versions(python: Path) -> dict[str, str]:
    """The versions of a virtual environment's libraries, but for those that create environments."""
    found = json.loads(subprocess.run([python, "-c", INSTALLED], capture_output=True, check=True).stdout)
    versions = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found.items()}
    return {name: version for name, version in versions.items() if name not in {"pip", "setuptools"}}


def locked_versions() -> dict[str, str]:
    return {library.name: library.version for library in read_lock(ROOT / RUNTIME)}


def guide_command(program: str) -> str:
    """The only command of the production guide that begins with the program."""
    (block,) = (block for block in blocks(GUIDES / "run-in-production.md") if block.startswith(f"{program} "))
    return block


def connect(steps: Sequence[str], room: Path, programs: Path) -> str:
    """Run the steps with a simulator in TikTok's place, assert that it gets the purchase, and return what was shown."""
    log = room / "tiktok.jsonl"
    with SandboxThread(log) as tiktok:
        reading = run_blocks([*steps, "sleep 2", "command -v tiktok-forwarder"], room, tiktok.url, [programs])
    assert reading.status == 0, reading.output
    (event,) = (json.loads(line) for line in log.read_text().splitlines())
    assert (event["event"], event["event_id"], event["code"]) == ("PlaceAnOrder", "order-1001", 0)
    return reading.output


def assert_first_connection_delivers(programs: Path, room: Path) -> None:
    """Follow the README after its installation, with the program of this directory."""
    _, *steps = blocks(README)
    assert connect(steps, room, programs).endswith(f"{programs}/tiktok-forwarder\n")


@pytest.mark.parametrize("program", ["pipx", "uv"])
def test_wheel_installed_as_a_tool_delivers(program: str, dist: Path, tmp_path: Path) -> None:
    """The production guide's command installs the locked versions and no others."""
    programs, environments = tmp_path / "bin", tmp_path / "tools"
    homes = {
        "PIPX_HOME": environments,
        "UV_TOOL_DIR": environments,
        "PIPX_BIN_DIR": programs,
        "UV_TOOL_BIN_DIR": programs,
    }
    install(guide_command(program), dist, **{name: str(path) for name, path in homes.items()})
    (python,) = environments.glob("**/tiktok-forwarder/bin/python")
    assert installed_versions(python) == {**locked_versions(), "tiktok-forwarder": __version__}
    assert_first_connection_delivers(programs, tmp_path)


def test_wheel_installed_with_pip_delivers(dist: Path, tmp_path: Path) -> None:
    """In an empty virtual environment; pip compares each library and the wheel with its hash."""
    programs = tmp_path / "venv" / "bin"
    install(
        f"python3 -m venv {tmp_path / 'venv'}; {programs}/pip install --quiet --require-hashes -r requirements.txt",
        dist,
    )
    assert installed_versions(programs / "python") == {**locked_versions(), "tiktok-forwarder": __version__}
    assert_first_connection_delivers(programs, tmp_path)


def test_readme_delivers_from_its_first_command(tmp_path: Path) -> None:
    """It installs the checkout, with the newest libraries that pip finds."""
    checkout = tagged_checkout(tmp_path)
    assert connect(blocks(README), checkout, OWN_PROGRAMS).endswith(f"{checkout}/.venv/bin/tiktok-forwarder\n")
