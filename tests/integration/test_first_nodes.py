"""The encryption key of a database that several nodes use: made by the first of them, and never by another."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.service_process import PROGRAM, STARTED, command, environment
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.foundation import Foundation, open_foundation
from tiktok_forwarder.setting_reading import load_settings

pytestmark = [pytest.mark.slow]
KEY = "TIKTOK_FORWARDER_ENCRYPTION_KEY"


async def opened(data_dir: Path, store: str, environment: dict[str, str], together: asyncio.Barrier) -> str | None:
    """What a node that starts on the data directory is refused with; None if it starts. It ends after the others."""
    settings = load_settings(None, environment, data_dir=data_dir, store=store, log_level="error")
    await together.wait()
    try:
        async with open_foundation(settings, environment, may_create=True) as base:
            assert isinstance(base, Foundation)
            await together.wait()
            return None
    except ConfigurationError as refused:
        await together.wait()
        return str(refused)


async def start_together(store: str, *nodes: tuple[Path, dict[str, str]]) -> list[str | None]:
    together = asyncio.Barrier(len(nodes))
    return await asyncio.gather(*[opened(data_dir, store, environment, together) for data_dir, environment in nodes])


@pytest.mark.parametrize("attempt", range(3))
async def test_one_of_two_first_nodes_makes_the_key(empty_database: str, tmp_path: Path, attempt: int) -> None:
    """The other has no key file afterwards, is told to copy one, and starts with it."""
    folders = [tmp_path / name for name in ("one", "two")]
    refusals = await start_together(empty_database, *[(folder, {}) for folder in folders])
    (refusal,) = [each for each in refusals if each is not None]
    first, second = folders if refusals[0] is None else reversed(folders)
    assert str(second / "encryption.key") in refusal and "copy" in refusal
    assert (first / "encryption.key").exists() and not (second / "encryption.key").exists()
    shutil.copyfile(first / "encryption.key", second / "encryption.key")
    assert await start_together(empty_database, (second, {})) == [None]


async def test_first_nodes_with_the_same_key_all_start(empty_database: str, tmp_path: Path) -> None:
    """From the environment or a file that both can read: whichever stores its secret first, both can open it."""
    variables = {KEY: "00" * 32}
    assert await start_together(empty_database, *[(tmp_path / name, variables) for name in "abc"]) == [None] * 3
    assert not any((tmp_path / name / "encryption.key").exists() for name in "abc")


async def test_first_nodes_on_one_key_file_make_it_once(empty_database: str, tmp_path: Path) -> None:
    """The file is created by one of them; the others read it when it is complete."""
    variables = {"TIKTOK_FORWARDER_ENCRYPTION_KEY_FILE": str(tmp_path / "shared.key")}
    assert await start_together(empty_database, *[(tmp_path / name, variables) for name in "abc"]) == [None] * 3
    assert (tmp_path / "shared.key").exists()
    assert not any((tmp_path / name / "encryption.key").exists() for name in "abc")


def test_two_first_processes_at_the_same_time_make_one_key(empty_database: str, tmp_path: Path) -> None:
    """One serves; the other ends with one line, and without a key file."""
    folders = [tmp_path / name for name in ("one", "two")]
    nodes = [
        subprocess.Popen(
            [*PROGRAM, "serve", "--port", "0", "--data-dir", str(folder), "--store", empty_database],
            env=environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    first_lines = [_first_line(node) for node in nodes]
    (refused,) = [place for place, line in enumerate(first_lines) if STARTED not in line]
    assert "encryption.key" in first_lines[refused] and not (folders[refused] / "encryption.key").exists()
    assert nodes[refused].wait(15) == 2
    nodes[1 - refused].terminate()
    assert nodes[1 - refused].wait(15) == 0
    for node in nodes:
        node.communicate()


def _first_line(node: "subprocess.Popen[str]") -> str:
    """What the process says of its start; its log lines are JSON."""
    assert node.stderr is not None
    return next(line for line in node.stderr if not line.startswith("{"))


def test_node_without_the_key_of_the_store_refuses_to_start(empty_database: str, tmp_path: Path) -> None:
    """It makes none; with another one it does not start either."""
    store = {"TIKTOK_FORWARDER_STORE": empty_database}
    assert command("inputs", "add", "--name", "shop", "--data-dir", str(tmp_path / "one"), **store).returncode == 0
    for variables, words in (({}, "the key file is missing"), ({KEY: "00" * 32}, "encrypted with key")):
        done = command("serve", "--port", "0", "--data-dir", str(tmp_path / "two"), **store, **variables)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert words in done.stderr and not (tmp_path / "two" / "encryption.key").exists()
