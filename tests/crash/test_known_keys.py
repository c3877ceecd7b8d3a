"""SIGKILL while keys are added, merged and logged: every event that was acknowledged is known afterwards."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conformance.rig import T0, event
from tests.crash.conftest import Soak
from tests.unit.store.earlier_version import BEFORE_FRESH_EVENTS, BEFORE_KEY_LOG, schema_of, write_version
from tiktok_forwarder.store.queue import Arrivals
from tiktok_forwarder.store.sqlite.statements import migrations
from tiktok_forwarder.store.sqlite.store import SqliteStore

KILLS = 4
SOAK_KILLS = 40
LONG_KILLS = 400
MAX_RECENT = 500
INSTANTS = ("mid-merge", "after-key-log", "after-key-log-is-cut", "after-insert-before-commit")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

_APPENDING = """
import asyncio, sys
from pathlib import Path
from tests.conformance.rig import T0, event
from tests.crash.fail_points import arm
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_forwarder.store.queue import Arrivals

async def main(file, prefix, max_recent, instant, passes):
    sqlite_file._MAX_RECENT_KEYS = int(max_recent)
    arm(instant, int(passes))
    store = SqliteStore.open(Path(file))
    async def append(worker):
        for n in range(1_000_000):
            names = [f"{prefix}-{worker}-{n}-{m}" for m in range(5)]
            await store.append(Arrivals([event(name) for name in names], {}, T0))
            print(*names, flush=True)
    await asyncio.gather(*map(append, range(8)))

asyncio.run(main(*sys.argv[1:]))
"""

_OPENING = """
import sys
from pathlib import Path
from tests.crash.fail_points import arm
from tiktok_forwarder.store.sqlite.store import SqliteStore

arm("mid-migration", 1)
SqliteStore.open(Path(sys.argv[1]))
"""


def die(script: str, *arguments: str) -> list[str]:
    """Run the script until it kills itself; return the whole lines that it has printed."""
    died = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    return died.stdout.split("\n")[:-1]


async def admissions(file: Path, names: Sequence[str]) -> list[str]:
    store = SqliteStore.open(file)
    try:
        return list(await store.append(Arrivals([event(name) for name in names], {}, T0)))
    finally:
        await store.close()


@pytest.mark.parametrize("instant", INSTANTS)
def test_every_acknowledged_key_is_known_after_kills_with_a_full_log(
    tmp_path: Path, instant: str, seed: int, soak: Soak
) -> None:
    """The file is the same for all kills, so that each start finds keys in the log that were merged in part."""
    chance = random.Random(seed)
    acknowledged: list[str] = []
    for number in range(soak.choose(KILLS, SOAK_KILLS, LONG_KILLS)):
        passes = str(chance.randint(20, 60))
        lines = die(_APPENDING, str(tmp_path / "events.db"), f"{number}", str(MAX_RECENT), instant, passes)
        acknowledged += [name for line in lines for name in line.split()]
        assert asyncio.run(admissions(tmp_path / "events.db", acknowledged)) == ["duplicate"] * len(acknowledged)
    assert len(acknowledged) > 2 * MAX_RECENT


@pytest.mark.parametrize("schema", [BEFORE_KEY_LOG, BEFORE_FRESH_EVENTS])
def test_migration_that_is_killed_begins_again(tmp_path: Path, schema: int) -> None:
    """The file is as it was before, and the next start migrates it with all its keys."""
    file = tmp_path / "events.db"
    names = [f"e{number}" for number in range(300)]
    write_version(schema, file, names)
    for _ in range(2):
        die(_OPENING, str(file))
        assert schema_of(file) == schema
    assert asyncio.run(admissions(file, [*names, "new"])) == ["duplicate"] * 300 + ["stored"]
    assert schema_of(file) == len(migrations())
