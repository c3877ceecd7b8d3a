"""A service that lives and dies again and again under load, is drained at last, and has to account for every event."""

import asyncio
import random
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from tests.crash.accounting import Account, Received, account, assert_books
from tests.crash.ledger import Ledger, Senders
from tests.crash.nursery import ProcessSpawner, SpawnRequest
from tests.crash.payloads import Payloads
from tests.integration.service_process import STARTED, SandboxThread, environment
from tests.patience import Patience
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.domain.errors import ConfigurationError, ForwarderError
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.store.dead_letters import DeadLetterFilter
from tiktok_forwarder.store.sqlite.store import SqliteStore
from tiktok_sandbox.steps import AnyStep, Pass

TIKTOK_SECONDS: Final = 0.02
SOONEST_KILL_SECONDS: Final = 0.06
LATEST_KILL_SECONDS: Final = 0.25
START_SECONDS: Final = 20
DRAIN_SECONDS: Final = 40


class CrashRun:
    """`seed` decides what is sent, and when the service dies."""

    def __init__(
        self, data_dir: Path, nursery: ProcessSpawner, sandbox: SandboxThread, sandbox_log: Path, seed: int
    ) -> None:
        self.ledger = Ledger()
        self.payloads = Payloads()
        self._data_dir = data_dir
        self._service_log = data_dir.parent / "serve.log"
        self._nursery = nursery
        self._sandbox = sandbox
        self._sandbox_log = sandbox_log
        self._seed = seed
        self._chance = random.Random(seed)
        self.answer_with(Pass(delay_seconds=TIKTOK_SECONDS, times=None))

    def answer_with(self, step: AnyStep) -> None:
        """What TikTok does with every request from now on."""
        self._sandbox.ask(lambda sandbox: sandbox.script.from_now_on(step))

    def live_until_killed(self) -> None:
        """One life under load, ended at a random moment soon after the first 202."""
        senders = self._senders(self.live())
        assert senders.first_202.wait(START_SECONDS), self._service_log.read_text()
        time.sleep(self._chance.uniform(SOONEST_KILL_SECONDS, LATEST_KILL_SECONDS))
        self._nursery.signal(signal.SIGKILL)
        self._end_life(senders)

    def live_until_stopped(self) -> float:
        """One life under load, ended as an operator would at a random moment; how many seconds the stop took."""
        with self.sending(self.live()):
            time.sleep(self._chance.uniform(SOONEST_KILL_SECONDS, LATEST_KILL_SECONDS))
            began = time.monotonic()
            self.end()
            return time.monotonic() - began

    @contextmanager
    def sending(self, port: int) -> Iterator[None]:
        """Senders are at work from the first 202 to the end of the block, or until the service is gone."""
        senders = self._senders(port)
        try:
            assert senders.first_202.wait(START_SECONDS), self._service_log.read_text()
            yield
        finally:
            senders.stop()

    def live_until(self, fail_point: str, most_passes: int, **settings: str) -> None:
        """One life under load that ends by itself, at an instant passed at most so many times."""
        self._start((fail_point, self._chance.randint(1, most_passes)), **settings)
        # What waits from an earlier life may bring it to that instant before it serves.
        port = self._port()
        self._end_life(None if port is None else self._senders(port))

    def die_starting(self, fail_point: str) -> None:
        """A life that ends before it can serve."""
        self._start((fail_point, 1))
        self._end_life(None)

    def die_erasing(self, external_id: str, most_passes: int) -> None:
        """An erasure, without a running service, that ends in the middle."""
        self._run(("erase", "--external-id", external_id, "--yes"), ("mid-erase", self._chance.randint(1, most_passes)))
        self._end_life(None)

    def erase(self, external_id: str) -> None:
        self._run(("erase", "--external-id", external_id, "--yes"))
        assert self._nursery.ended() == 0, self._service_log.read_text()

    def live(self, fail_point: tuple[str, int] | None = None, **settings: str) -> int:
        """A life that goes on after this, until it is ended or reaches the instant; its port."""
        self._start(fail_point, **settings)
        port = self._port()
        assert port is not None, self._service_log.read_text()
        return port

    def end(self) -> None:
        """As an operator stops a service."""
        self._nursery.signal(signal.SIGTERM)
        assert self._nursery.ended() == 0, self._service_log.read_text()
        self.look_at_payloads()

    def replay(self) -> int | None:
        """How many dead letters came back; None if the life ended meanwhile."""
        try:
            count: int = self._call("POST", "/api/dead-letters/replay", {})["count"]
        except ConfigurationError:
            raise  # it was answered, with a refusal
        except ForwarderError:
            self._end_life(None)
            return None
        self.look_at_payloads()
        return count

    def drain(self) -> Mapping[str, Any]:
        """A last life without load, until nothing waits; how the service itself accounts for its one connection."""
        self.live()
        patience = Patience(DRAIN_SECONDS)
        while (books := self.status())["queue"] and books["queue"]["waiting"]:
            assert patience.lasts(), books
            time.sleep(0.05)
            self.look_at_payloads()
        books = self.status()
        self.end()
        return books

    def status(self) -> dict[str, Any]:
        (books,) = self._call("GET", "/api/status")["connections"]
        return dict(books)

    def look_at_payloads(self) -> None:
        self.payloads.look_at(self._sandbox.ask(lambda sandbox: sandbox.events()))

    def final_account(self, books: Mapping[str, Any]) -> Account:
        """After the drain. Asserts that file and books are whole."""
        self.assert_whole()
        dead = asyncio.run(_dead_letters(self._data_dir / "events.db"))
        received = Received.from_log(self._sandbox_log)
        assert_books(self.ledger, received, dead, books)
        return account(self.ledger, received, dead)

    def assert_whole(self) -> None:
        """While nobody has the database open."""
        connection = apsw.Connection(str(self._data_dir / "events.db"))
        assert connection.pragma("integrity_check") == "ok"
        connection.close()

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return call_running(load_settings(None, {}, data_dir=self._data_dir), method, path, body)

    def _senders(self, port: int) -> Senders:
        return Senders(self.ledger, port, self._chance.randrange(2**32), self._sandbox.sandbox.script.poison)

    def _end_life(self, senders: Senders | None) -> None:
        assert self._nursery.ended() == -signal.SIGKILL, self._service_log.read_text()
        if senders is not None:
            senders.stop()
        self.look_at_payloads()

    def _start(self, fail_point: tuple[str, int] | None = None, **settings: str) -> None:
        self._run(("serve", "--port", "0"), fail_point, **settings)

    def _run(self, arguments: Sequence[str], fail_point: tuple[str, int] | None = None, **settings: str) -> None:
        variables = {
            "TIKTOK_FORWARDER_DATA_DIR": str(self._data_dir),
            "TIKTOK_FORWARDER_TIKTOK_BASE_URL": self._sandbox.url,
            "TIKTOK_FORWARDER_MAX_WAIT_SECONDS": "0.02",
            "TIKTOK_FORWARDER_RETRY_FIRST_SECONDS": "0.1",
            "TIKTOK_FORWARDER_RETRY_MAX_SECONDS": "0.5",
            **settings,
        }
        self._service_log.write_text("")
        self._nursery.start(SpawnRequest(arguments, environment(**variables), str(self._service_log), fail_point))

    def _port(self) -> int | None:
        """Once it serves; None if it has ended before."""
        patience = Patience(START_SECONDS)
        while STARTED not in (log := self._service_log.read_text()):
            assert patience.lasts(), log
            if not self._nursery.is_running:
                return None
            time.sleep(0.005)
        return int(log.partition(STARTED)[2].split()[0])


async def _dead_letters(database: Path) -> list[str]:
    """Their event ids."""
    store = SqliteStore.open(database)
    try:
        return [letter.event_id for letter in await store.dead_letters(DeadLetterFilter(), limit=1_000_000)]
    finally:
        await store.close()


@contextmanager
def campaign(data_dir: Path, seed: int) -> Iterator[CrashRun]:
    """With a sandbox of its own, whose log lies beside the data directory."""
    log = data_dir.parent / "sandbox.jsonl"
    nursery = ProcessSpawner()
    try:
        with SandboxThread(log) as sandbox:
            yield CrashRun(data_dir, nursery, sandbox, log, seed)
    finally:
        nursery.close()
