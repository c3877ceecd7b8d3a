"""`python -m tests.released_data.keep`: keep a data directory of this version for the tests of all later ones.

The real service makes it, over HTTP and the command line, with the simulator in TikTok's place.
"""

import re
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec

from tests.integration.service_process import SandboxThread, ServiceProcess, command, serving
from tests.integration.service_rig import KEY, SECRET, TOKEN
from tests.released_data.directory import (
    CONTENTS,
    FOLDER,
    PASSWORD,
    USER,
    Contents,
    batch_at,
    run,
    send_form,
    totals_of,
    wait_for_totals,
)
from tiktok_forwarder import __version__
from tiktok_sandbox import Sandbox

_LIVE: Final = """
name = "Live"
pixel_id = "C8LIVEEXAMPLEPIXEL"
access_token = "env:TOKEN"
purchase_event = "Purchase"

[[custom_mappings]]
event = "Search"
event_type = "custom_event"
event_name = "Site Search"
[custom_mappings.properties]
query = { attribute = "term", required = true }

[[forwarding_rules]]
name = "no staff"
action = "do_not_forward"
when = [ { user_attribute = "role", is = ["staff"] } ]
"""
_PAUSED: Final = 'name = "Paused"\npixel_id = "C8PAUSEDEXAMPLEPIXEL"\naccess_token = "env:TOKEN"\nevents_api = "1.0"\n'
_DELIVERED: Final = ("delivered-1", "delivered-2", "delivered-3")
_DEAD: Final = ("dead-1", "dead-2")
_STATE: Final = ("admin.sock", "forwarder.lock")


def main() -> int:
    """Write the archive of this version, and replace the one that is there: until its release, a version changes."""
    with tempfile.TemporaryDirectory(prefix="released-data-") as room:
        data_dir = Path(room) / "data"
        contents = _make(data_dir)
        (Path(room) / CONTENTS).write_bytes(msgspec.json.format(msgspec.json.encode(contents)))
        archive = FOLDER / f"data-{__version__}.tar.xz"
        with tarfile.open(archive, "w:xz", preset=9) as files:
            for path in [Path(room) / CONTENTS, data_dir, *sorted(data_dir.rglob("*"))]:
                if path.name not in _STATE:
                    files.add(path, str(path.relative_to(room)), recursive=False, filter=_without_owner)
    sys.stdout.write(f"{archive.name}  {archive.stat().st_size:,} bytes\n")
    return 0


def _make(data_dir: Path) -> Contents:
    with SandboxThread() as sandbox:
        _refuse(sandbox)
        # The reserved space is a share of this size.
        with serving(data_dir, sandbox.url, TIKTOK_FORWARDER_MAX_STORE_BYTES="10000000") as service:
            _configure(data_dir, service)
            made_at_ms = time.time_ns() // 1_000_000
            assert service.post(batch_at(made_at_ms, *_DELIVERED, *_DEAD)) == 202
            wait_for_totals(data_dir, {"Live": {"delivered": len(_DELIVERED), "dead_lettered": len(_DEAD)}})
            dropped = {"event_type": "session_start", "data": {"timestamp_unixtime_ms": made_at_ms}}
            assert service.post({**batch_at(made_at_ms), "events": [dropped]}) == 202
            # Of the activity, which is written about once a second.
            time.sleep(3)
            totals = totals_of(data_dir)
            assert service.end() == 0
    return Contents(
        version=__version__,
        made_at_ms=made_at_ms,
        delivered=_DELIVERED,
        waiting=[*_DELIVERED, *_DEAD],
        dead_lettered=_DEAD,
        connections=["Live", "Paused"],
        inputs=["shop", "site"],
        recipients=["on call"],
        users=[USER, "ben"],
        totals=totals,
    )


def _refuse(sandbox: SandboxThread) -> None:
    def add_steps(tiktok: Sandbox) -> None:
        for event_id in _DEAD:
            tiktok.script.poison(event_id)

    sandbox.ask(add_steps)


def _configure(data_dir: Path, service: ServiceProcess) -> None:
    for text in (_LIVE, _PAUSED):
        file = data_dir.parent / "connection.toml"
        file.write_text(text)
        run(data_dir, "connections", "add", str(file), TOKEN=TOKEN)
    run(data_dir, "connections", "pause", "Paused")
    run(data_dir, "inputs", "add", "--name", "shop", "--key", KEY, "--secret", SECRET)
    run(data_dir, "inputs", "add", "--name", "site", "--kind", "browser", "--origin", "https://shop.example.com")
    # Of a kind that does not occur here: nothing is sent to anyone.
    recipient = ("--kind", "webhook", "--url", "https://hooks.example.com/tiktok", "--incident", "test_code_on")
    run(data_dir, "notices", "add", "--name", "on call", *recipient)
    link = command("console-link", "--data-dir", str(data_dir)).stdout
    (path,) = re.findall(r"/welcome/[\w-]+", link)
    assert send_form(service, path, name=USER, password=PASSWORD, again=PASSWORD).status == 303
    assert command("users", "add", "ben", "--data-dir", str(data_dir)).returncode == 0


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    sys.exit(main())
