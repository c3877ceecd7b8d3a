"""Services that share a PostgreSQL database, each a process with a data directory of its own."""

import asyncio
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.crash.nursery import ProcessSpawner, SpawnRequest
from tests.crash.payloads import Payloads
from tests.integration.service_process import CONNECTION, STARTED, SandboxThread, command, environment
from tests.patience import Patience
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.postgres.store import PostgresStore

_START_SECONDS: Final = 30


class Node:
    """A service that is killed and started again."""

    def __init__(self, data_dir: Path, variables: Mapping[str, str]) -> None:
        self.name = data_dir.name
        self.port = 0
        self._data_dir = data_dir
        self._log = data_dir.parent / f"{data_dir.name}.log"
        self._variables = environment(**variables, TIKTOK_FORWARDER_DATA_DIR=str(data_dir))
        self._spawner = ProcessSpawner()

    def start(self) -> None:
        """Start the service; return when it serves."""
        self._log.write_text("")
        self._spawner.start(SpawnRequest(("serve", "--port", "0"), self._variables, str(self._log)))
        patience = Patience(_START_SECONDS)
        while STARTED not in (log := self.log()):
            assert self._spawner.is_running and patience.lasts(), log
            time.sleep(0.005)
        self.port = int(log.partition(STARTED)[2].split()[0])

    def kill(self) -> None:
        self._spawner.signal(signal.SIGKILL)
        assert self._spawner.ended() == -signal.SIGKILL, self.log()

    def status(self) -> dict[str, Any]:
        return status_of(self._data_dir)

    def kafka_input(self) -> dict[str, Any]:
        """What the service reports about the one Kafka input, of all nodes."""
        settings = load_settings(None, {}, data_dir=self._data_dir)
        (found,) = call_running(settings, "GET", "/api/status", None)["kafka_inputs"]
        return dict(found)

    def end(self) -> None:
        self._spawner.signal(signal.SIGTERM)
        assert self._spawner.ended() == 0, self.log()

    def log(self) -> str:
        return self._log.read_text()

    def close(self) -> None:
        self._spawner.close()


def status_of(data_dir: Path) -> dict[str, Any]:
    """How the service on this directory accounts for its one connection."""
    settings = load_settings(None, {}, data_dir=data_dir)
    (books,) = call_running(settings, "GET", "/api/status", None)["connections"]
    return dict(books)


def make_directories(address: str, first: Path, *others: Path, **variables: str) -> None:
    """Make data directories with one key; the database gets an input and a connection."""
    file = first.parent / "shop.toml"
    file.write_text(CONNECTION)
    shop = ("--name", "shop", "--key", "key-of-the-shop", "--secret", "secret-of-the-shop")
    variables |= {"TIKTOK_FORWARDER_STORE": address, "SHOP_TOKEN": "access-token-0123456789"}
    for arguments in (("inputs", "add", *shop), ("connections", "add", str(file))):
        done = command(*arguments, "--data-dir", str(first), **variables)
        assert done.returncode == 0, done.stderr
    for other in others:
        other.mkdir(mode=0o700)
        shutil.copy2(first / "encryption.key", other)


def drained(
    status: Callable[[], dict[str, Any]], payloads: Payloads, sandbox: SandboxThread, seconds: float
) -> dict[str, Any]:
    """How the service accounts for its connection once no event is waiting."""
    patience = Patience(seconds)
    while (books := status())["queue"] and books["queue"]["waiting"]:
        assert patience.lasts(), books
        time.sleep(0.05)
        payloads.look_at(sandbox.ask(lambda sandbox: sandbox.events()))
    return books


def dead_letters(address: str) -> list[str]:
    """The IDs of all dead letters."""

    async def read() -> list[str]:
        store = await PostgresStore.open(address)
        try:
            return [letter.event_id for letter in await store.dead_letters(DeadLetterFilter(), limit=1_000_000)]
        finally:
            await store.close()

    return asyncio.run(read())
