"""SIGKILL while the encryption key is being changed: it is changed, or it is not, and every secret opens."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.service_process import command, environment

pytestmark = pytest.mark.slow

# A command line that kills itself before or after a step of the change.
KILLED = """
import os, signal, sys
from tiktok_forwarder.secrets import key_ring
from tiktok_forwarder.store.sqlite import documents as sqlite_documents
from tiktok_forwarder.secrets.key_ring import KeyRing
from tiktok_forwarder.store.sqlite.transaction import Transaction
from tiktok_forwarder.cli.main import main

def killing(step, when):
    def replacement(*arguments):
        if when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        step(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    return replacement

owners = {
    "begin": (KeyRing, "begin"),
    "rewrite": (sqlite_documents, "_rewrite"),
    "use": (KeyRing, "use"),
    "put in place": (key_ring, "_replace"),
}
where, when = sys.argv.pop(1).split("-")
owner, name = owners[where]
setattr(owner, name, killing(getattr(owner, name), when))
main()
"""
INSTANTS = (
    "begin-after",
    "rewrite-before",
    "rewrite-after",
    "use-before",
    "use-after",
    "put in place-before",
    "put in place-after",
)


def key_ids(data_dir: Path) -> set[bytes]:
    contents = b"".join(each.read_bytes() for each in data_dir.iterdir() if each.is_file())
    return {part[:12] for part in contents.split(b"v1.")[1:] if part[12:13] == b"."}


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_kill_leaves_the_old_key_or_the_new_one(instant: str, data_dir: Path) -> None:
    """Whenever it comes; the next start opens every secret, and the key can be changed again."""
    place = ("--data-dir", str(data_dir))
    arguments = [sys.executable, "-c", KILLED, instant, "keys", "rotate", *place]
    killed = subprocess.run(arguments, env=environment(), capture_output=True, timeout=30, check=False)
    assert killed.returncode == -9, killed.stderr
    listed = command("inputs", "list", *place)
    assert (listed.returncode, json.loads(listed.stdout)["unreadable"]) == (0, False), listed.stderr
    rotated = command("keys", "rotate", *place)
    assert (rotated.returncode, json.loads(rotated.stdout)["secrets"]) == (0, 4), rotated.stderr
    assert key_ids(data_dir) == {json.loads(rotated.stdout)["key_id"].encode()}
    assert [each.name for each in data_dir.iterdir() if each.name.startswith("encryption")] == ["encryption.key"]
