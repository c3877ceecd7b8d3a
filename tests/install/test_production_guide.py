"""The production guide, run as it stands on an empty Debian machine.

Not run: step 1, whose result is the release that the tests of this folder share; a proxy, pipx and uv, which have tests
of their own. No timer runs, but what it starts does.
"""

import json
import re
from pathlib import Path

import pytest
from scripts.release.__main__ import main

from tests.install.checkout import commit, git
from tests.install.debian import new_machine, put, run_on
from tests.integration.guide_shell import GUIDES, PLACEHOLDERS, README, blocks
from tests.integration.service_process import SandboxThread
from tests.ports import free_port
from tiktok_forwarder import __version__

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("release")]

GUIDE = GUIDES / "run-in-production.md"
SETTING = "TIKTOK_FORWARDER_CONSOLE_URL=https://forwarder.example.com\n"
NEXT = "9.9.9"
# The purchase of the README, sent with the key and the secret that the guide's command printed.
SEND = """
curl --silent --show-error --fail http://127.0.0.1:8090/v2/events -d @batch.json -u "$(python3 -c '
import json, sys
given = next(json.loads(line) for line in sys.stdin if "authorization" in line)
print(given["key"], given["secret"], sep=":")' < /srv/output)"
sleep 2
"""
STALE = "# of the release before"
# What the release before left, so that it shows whether the upgrade replaces it.
BEFORE_UPGRADE = f"""
installed="$(ls /etc/systemd/system/tiktok-forwarder*.* /usr/local/bin/tiktok-forwarder)"
for file in $installed; do echo '{STALE}' >> "$file"; done
cd /srv/next
"""
AFTER_UPGRADE = f"""
if grep --files-with-matches '{STALE}' $installed; then exit 1; fi
"""


def batch() -> str:
    """The README's commands that write a batch."""
    (block,) = (block for block in blocks(README) if "> batch.json" in block)
    return block.partition("END\ncurl")[0] + "END\n"


def next_release(checkout: Path, target: Path) -> Path:
    """Build a later version of the same program."""
    git(checkout, "clone", "--quiet", str(checkout), str(target))
    for file in (target / "src" / "tiktok_forwarder" / "__init__.py", target / "CHANGELOG.md"):
        file.write_text(
            file.read_text().replace(f'"{__version__}"', f'"{NEXT}"').replace(f"[{__version__}]", f"[{NEXT}]")
        )
    commit(target)
    git(target, "tag", f"v{NEXT}")
    assert main(["--no-image"], target) == 0
    return target / "dist"


def test_guide_leads_from_an_empty_machine_to_an_upgraded_service(
    released_checkout: Path, dist: Path, tmp_path: Path
) -> None:
    """Installed, started, connected, backed up, restored, upgraded and removed; the purchase is delivered once."""
    upgrade = next_release(released_checkout, tmp_path / "next")
    port, log = free_port(), tmp_path / "tiktok.jsonl"
    steps = [block for block in blocks(GUIDE) if not block.startswith(("pipx", "uv "))]
    (connected,) = (number for number, block in enumerate(steps) if "inputs add" in block)
    (upgraded,) = (number for number, block in enumerate(steps) if "restart tiktok-forwarder" in block)
    steps.insert(upgraded + 1, AFTER_UPGRADE)
    steps.insert(upgraded, BEFORE_UPGRADE)
    steps.insert(connected + 1, batch() + SEND)
    steps.insert(connected, "tiktok-forwarder settings")
    with SandboxThread(log) as tiktok, new_machine(tmp_path) as machine:
        put(dist, machine / "srv" / "dist")
        put(upgrade, machine / "srv" / "next")
        script = "exec > >(tee /srv/output) 2>&1\n" + "\n".join(steps)
        settings = f"TIKTOK_FORWARDER_PORT={port}\nTIKTOK_FORWARDER_TIKTOK_BASE_URL={tiktok.url}\n"
        script = script.replace(SETTING, SETTING + settings).replace("8090", str(port))
        for placeholder, value in PLACEHOLDERS.items():
            script = script.replace(placeholder, value)
        status = run_on(machine, "/srv/dist", script, tmp_path / "output")
        output = (tmp_path / "output").read_text()
        assert status == 0, output
        left = [path for path in ("opt", "etc", "var/lib") if (machine / path / "tiktok-forwarder").exists()]
    assert left == []
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [event["event_id"] for event in events if event["event"] == "PlaceAnOrder"] == ["order-1001"]
    # The commands have the settings that the unit gives the service.
    shown = [json.loads(line) for line in output.splitlines() if line.startswith('{"name": "console_url"')]
    assert [each["value"] for each in shown] == ["https://forwarder.example.com"]
    versions = re.findall(r"^tiktok-forwarder, version (\S+)$", output, re.MULTILINE)
    assert versions == [__version__, NEXT]
    assert "https://forwarder.example.com/" in output
    statuses = [json.loads(line) for line in output.splitlines() if line.startswith('{"running"')]
    # After the connection, of the restored copy, and before the removal.
    assert [each["running"] for each in statuses] == [True, False, True]
    assert [each["connections"][0]["totals"]["delivered"] for each in statuses] == [1, 1, 1]
