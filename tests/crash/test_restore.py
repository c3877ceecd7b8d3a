"""A restore that is killed at every step leaves the old database with its log, or the new one."""

import asyncio
import itertools
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from msgspec import structs

from tests.crash.nursery import ProcessSpawner, SpawnRequest
from tests.integration.service_process import command, environment
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.operations.backup import back_up_to, restore_from
from tiktok_forwarder.store.queue import Arrivals, NewEvent
from tiktok_forwarder.store.sqlite.store import SqliteStore

OLD_EVENTS, BACKED_UP_EVENTS = 7, 3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def nursery() -> Iterator[ProcessSpawner]:
    spawner = ProcessSpawner()
    yield spawner
    spawner.close()


def events(prefix: str, number: int) -> Arrivals:
    new = [NewEvent("cn_1", 1, "2.0", "AddToCart", f"{prefix}{each}", b"{}", ()) for each in range(number)]
    return Arrivals(new, {}, 1_735_689_600_000)


@pytest.fixture
def killed(data_dir: Path, tmp_path: Path) -> Path:
    """A data directory whose service was killed: the newest events are in the log alone; beside it an older backup."""
    killed = tmp_path / "killed"

    async def live_and_die() -> None:
        store = SqliteStore.open(data_dir / "events.db")
        await store.append(events("old", BACKED_UP_EVENTS))
        done = await asyncio.to_thread(command, "backup", str(tmp_path / "copy.db"), "--data-dir", str(data_dir))
        assert done.returncode == 0, done.stderr
        await store.append(events("newer", OLD_EVENTS - BACKED_UP_EVENTS))
        shutil.copytree(data_dir, killed, ignore=shutil.ignore_patterns("events.reserve"))
        await store.close()

    asyncio.run(live_and_die())
    assert (killed / "events.db-wal").stat().st_size > 0
    return killed


async def waiting(data_dir: Path) -> int:
    store = SqliteStore.open(data_dir / "events.db")
    try:
        return (await store.counts())["cn_1"].waiting
    finally:
        await store.close()


def assert_whole(data_dir: Path) -> None:
    connection = apsw.Connection(str(data_dir / "events.db"))
    assert connection.pragma("integrity_check") == "ok"
    connection.close()


@pytest.mark.parametrize("is_repeated", [False, True])
def test_restore_that_is_killed_leaves_one_of_both(
    is_repeated: bool, killed: Path, tmp_path: Path, nursery: ProcessSpawner
) -> None:
    """At every step: backup and start find all events of the one, or all of the other; repeated, it is done."""
    found: Counter[int] = Counter()
    backup = tmp_path / "copy.db"
    for step in itertools.count(1):
        data_dir = tmp_path / f"step{step}"
        shutil.copytree(killed, data_dir)
        variables = environment(TIKTOK_FORWARDER_DATA_DIR=str(data_dir))
        restoring = SpawnRequest(("restore", "--force", str(backup)), variables, str(tmp_path / "log"))
        nursery.start(structs.replace(restoring, fail_point=("mid-restore", step)))
        if (status := nursery.ended()) == 0:
            break
        assert status == -signal.SIGKILL, (tmp_path / "log").read_text()
        if is_repeated:
            nursery.start(restoring)
            assert nursery.ended() == 0, (tmp_path / "log").read_text()
        backed_up = back_up_to(tmp_path / "second.db", data_dir / "events.db", overwrite=True)
        found[asyncio.run(waiting(data_dir))] += 1
        assert found[backed_up.waiting]
        assert_whole(data_dir)
        assert list(data_dir.glob("events.db.*")) == []
    assert step > 10
    assert set(found) == ({BACKED_UP_EVENTS} if is_repeated else {BACKED_UP_EVENTS, OLD_EVENTS})


def test_restore_whose_renaming_fails_changes_nothing(
    killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk may fail: until the restored file has its name, the log of the old database is not touched."""

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(Path, "replace", fail)
        with pytest.raises(ConfigurationError, match=r"cannot write: .*Input/output error"):
            restore_from(tmp_path / "copy.db", killed / "events.db", None, overwrite=True)
    assert asyncio.run(waiting(killed)) == OLD_EVENTS
