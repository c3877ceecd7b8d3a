"""A service under a steady load of mixed batches, while TikTok's simulator, a process too, fails at random."""

import asyncio
import itertools
import json
import random
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from tests.crash.accounting import Account, Received, account, assert_books
from tests.crash.ledger import Kind, Ledger, batch_of_kinds
from tests.crash.load_samples import LoadSample, descriptors, memory_mib
from tests.integration.service_process import PROGRAM, ServiceProcess, environment
from tests.integration.service_rig import BASIC
from tests.patience import Patience
from tiktok_forwarder.cli.api_client import call_running
from tiktok_forwarder.setting_reading import load_settings
from tiktok_sandbox.steps import AnyStep, Code, Drip, Endless, Http, Pass, Reset, Silence, Wire

SEND_TIMEOUT_SECONDS: Final = 3
_DRAIN_SECONDS: Final = 120
_START_SECONDS: Final = 60
_SENDERS: Final = 16
_SIZES: Final = {1: 0.6, 2: 0.2, 5: 0.15, 20: 0.05}
_UNSUPPORTED_SHARE: Final = 0.05
_REPEATED_SHARE: Final = 0.01
# How likely a fault is in each second, so that TikTok also has time to be well.
_FAULT_SHARE: Final = 0.4
_BUSY: Final = {"Retry-After": "1"}
FAULTS: Final[tuple[AnyStep, ...]] = (
    Code(code=50000, times=3),
    Code(code=51010, times=2),
    Code(code=61000, headers=_BUSY),
    Http(status=500, times=2),
    Http(status=502, body="<html>Bad gateway</html>"),
    Http(status=503, headers=_BUSY),
    Http(status=429, headers=_BUSY),
    Http(status=200, body="no answer of the API", content_type="application/json", taken=True),
    Silence(taken=False),
    Silence(taken=True),
    Reset(when="before_body"),
    Reset(when="after_body", taken=True),
    Reset(when="mid_answer"),
    Drip(interval_seconds=0.5),
    Endless(),
    Wire(text="HTTP/1.1 nonsense\r\n\r\n"),
    Pass(delay_seconds=1.5, times=4),
)
_LAG: Final = re.compile(r"^tiktok_forwarder_loop_lag_seconds_(sum|count) (\S+)$", re.MULTILINE)
_WAITING: Final = re.compile(r"^tiktok_forwarder_queue_events\{[^}]*\} (\S+)$", re.MULTILINE)


class SandboxProcess:
    """The simulator as a process of its own."""

    def __init__(self, log: Path) -> None:
        self.log = log
        arguments = [*PROGRAM, "sandbox", "--port", "0", "--log", str(log)]
        self._said = log.with_suffix(".stderr")
        with self._said.open("w") as stream:
            self.process = subprocess.Popen(arguments, env=environment(), stderr=stream, stdout=stream)
        self.url = self._address()

    def _address(self) -> str:
        patience = Patience(_START_SECONDS)
        while (found := re.search(r"http://127\.0\.0\.1:\d+", self._said.read_text())) is None:
            assert self.process.poll() is None and patience.lasts(), self._said.read_text()
            time.sleep(0.02)
        return found[0]


@contextmanager
def running_sandbox(log: Path) -> Iterator[SandboxProcess]:
    sandbox = SandboxProcess(log)
    try:
        yield sandbox
    finally:
        sandbox.process.kill()
        sandbox.process.wait()


class LoadRun:
    """`seed` decides what is sent and how TikTok fails; `rate` is requests a second."""

    def __init__(
        self, data_dir: Path, service: ServiceProcess, sandbox: SandboxProcess, seed: int, rate: float
    ) -> None:
        self.ledger = Ledger()
        self.samples: list[LoadSample] = []
        self.faults = 0
        self.refused = 0
        self._data_dir = data_dir
        self._service = service
        self._sandbox = sandbox
        self._chance = random.Random(seed)
        self._rate = rate
        self._serials = itertools.count()
        self._sent = 0
        self._lag = (0.0, 0.0)

    def run(self, seconds: float) -> None:
        """Send for so long, then let TikTok be well again, and wait until no event waits."""
        asyncio.run(self._run(seconds))

    def final_account(self) -> Account:
        """Assert that the totals add up, and return the account by event ID."""
        received = Received.from_log(self._sandbox.log)
        assert_books(self.ledger, received, (), self._status())
        return account(self.ledger, received, ())

    async def _run(self, seconds: float) -> None:
        began = time.monotonic()
        ends = began + seconds
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=_SENDERS + 4)) as client:
            senders = [self._send(client, began, ends, number) for number in range(_SENDERS)]
            await asyncio.gather(*senders, self._fail(client, ends), self._sample(client, began, ends))
            await client.delete(f"{self._sandbox.url}/sandbox/script")
            await self._drain(client)

    # --- senders ---

    async def _send(self, client: aiohttp.ClientSession, began: float, ends: float, number: int) -> None:
        """Send at a fixed pace; a sender that is late catches up, so that the rate is kept."""
        interval = _SENDERS / self._rate
        due = began + interval * number / _SENDERS
        while due < ends and time.monotonic() < ends:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += interval
            kinds = self._new_batch()
            await self._post(client, kinds)
            if self._chance.random() < _REPEATED_SHARE:
                await self._post(client, kinds)

    async def _post(self, client: aiohttp.ClientSession, kinds: dict[str, Kind]) -> None:
        self.ledger.sending(kinds)
        body = json.dumps(batch_of_kinds(kinds)).encode()
        url = f"http://127.0.0.1:{self._service.port}/v2/events"
        async with client.post(url, data=body, headers=BASIC) as answer:
            await answer.read()
            self.ledger.answered(kinds, answer.status)
            self.refused += answer.status != 202
        self._sent += 1

    def _new_batch(self) -> dict[str, Kind]:
        (size,) = self._chance.choices(list(_SIZES), list(_SIZES.values()))
        shares = [_UNSUPPORTED_SHARE, 1 - _UNSUPPORTED_SHARE]
        kinds: list[Kind] = self._chance.choices(["unsupported", "good"], shares, k=size)
        return {f"event-{next(self._serials)}": kind for kind in kinds}

    # --- TikTok ---

    async def _fail(self, client: aiohttp.ClientSession, ends: float) -> None:
        """Once a second, perhaps one fault, for the next requests that arrive."""
        while time.monotonic() + 1 < ends:
            await asyncio.sleep(1)
            if self._chance.random() < _FAULT_SHARE:
                script = msgspec.json.encode({"requests": [self._chance.choice(FAULTS)]})
                headers = {"Content-Type": "application/json"}
                async with client.post(f"{self._sandbox.url}/sandbox/script", data=script, headers=headers) as answer:
                    assert answer.status == 204, await answer.text()
                self.faults += 1

    # --- samples ---

    async def _sample(self, client: aiohttp.ClientSession, began: float, ends: float) -> None:
        last, last_sent = time.monotonic(), self._sent
        while time.monotonic() < ends:
            await asyncio.sleep(1)
            now, sent = time.monotonic(), self._sent
            metrics = await self._metrics(client)
            self.samples.append(
                LoadSample(
                    seconds=now - began,
                    memory_mib=memory_mib(self._service.process.pid),
                    database_mib=(self._data_dir / "events.db").stat().st_size / 2**20,
                    descriptors=descriptors(self._service.process.pid),
                    loop_delay_ms=self._mean_lag_ms(metrics),
                    requests_per_second=(sent - last_sent) / (now - last),
                    waiting=int(sum(map(float, _WAITING.findall(metrics)))),
                )
            )
            last, last_sent = now, sent

    def _mean_lag_ms(self, metrics: str) -> float:
        figures = {name: float(value) for name, value in _LAG.findall(metrics)}
        (total, count), self._lag = self._lag, (figures["sum"], figures["count"])
        return (figures["sum"] - total) / max(1.0, figures["count"] - count) * 1000

    async def _metrics(self, client: aiohttp.ClientSession) -> str:
        async with client.get(f"http://127.0.0.1:{self._service.port}/metrics") as answer:
            return await answer.text()

    # --- the end ---

    async def _drain(self, client: aiohttp.ClientSession) -> None:
        patience = Patience(_DRAIN_SECONDS)
        while sum(map(float, _WAITING.findall(await self._metrics(client)))):
            assert patience.lasts(), self._service.log_file.read_text()[-2000:]
            await asyncio.sleep(0.2)

    def _status(self) -> dict[str, Any]:
        settings = load_settings(None, {}, data_dir=self._data_dir)
        (books,) = call_running(settings, "GET", "/api/status", None)["connections"]
        return dict(books)
