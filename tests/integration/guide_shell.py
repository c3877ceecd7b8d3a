"""Runs a page's shell blocks as a reader would: one after the other, in one terminal and one directory."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.integration.service_process import environment
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
README = ROOT / "README.md"
# What a reader puts in its place: the service refuses the text itself.
PLACEHOLDERS = {"YOUR-ACCESS-TOKEN": "token-of-the-reader-0123456789", "YOUR PIXEL ID": "C9EXAMPLEPIXELID"}
# An indented block belongs to an item of a list.
_BLOCK = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_PORTS = ("8090", "8091", "4317", "4318")
_TIMEOUT_SECONDS = 150


@dataclass
class Reading:
    """What a reader of the page saw. `ports` are those that were used in place of the page's own."""

    status: int
    output: str
    room: Path
    ports: dict[str, int]


def blocks(page: Path) -> list[str]:
    """The page's shell blocks, in order."""
    return [textwrap.dedent(block) for _, block in _BLOCK.findall(page.read_text())]


def follow(guide: str, room: Path, tiktok_url: str, after: str = "", programs: Sequence[Path] = ()) -> Reading:
    """Run the guide to its end, then `after`, in `room`. `tiktok_url` is what the guide's TikTok really is."""
    own = Path(sys.executable).parent
    return run_blocks([*blocks(GUIDES / guide), after], room, tiktok_url, [*programs, own])


def run_blocks(given: Sequence[str], room: Path, tiktok_url: str, programs: Sequence[Path]) -> Reading:
    """Run the blocks in `room`.

    `programs` are directories of executables that precede the machine's own, `tiktok-forwarder` among them. They find
    the ports in variables such as `PORT_8090`.
    """
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    script = "set -euo pipefail\n" + "\n".join(given)
    for placeholder, value in PLACEHOLDERS.items():
        script = script.replace(placeholder, value)
    for port, free in ports.items():
        script = script.replace(port, str(free))
    variables = environment(
        PATH=os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        TIKTOK_FORWARDER_PORT=str(ports["8090"]),
        **{f"PORT_{port}": str(free) for port, free in ports.items()},
        TIKTOK_FORWARDER_TIKTOK_BASE_URL=tiktok_url,
        # A busy machine gets the more of the reader's two seconds.
        TIKTOK_FORWARDER_MAX_WAIT_SECONDS="0.05",
    )
    output = room / "output"
    with output.open("w") as stream:
        # A session of its own, so that whatever the page leaves running ends with it.
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=room, env=variables, stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            status = shell.wait(_TIMEOUT_SECONDS)
        finally:
            _end_session(shell.pid)
            shell.wait()
    return Reading(status, output.read_text(), room, ports)


def _end_session(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
