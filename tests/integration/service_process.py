"""The real command line and service as processes, as a user runs them."""

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.integration.service_rig import BASIC
from tests.patience import Patience
from tests.store_choice import STORES
from tiktok_sandbox import Sandbox
from tiktok_sandbox.options import SandboxOptions

PROGRAM = (sys.executable, "-m", "tiktok_forwarder")
STARTED = "serving on http://127.0.0.1:"
_SERVING = re.compile(r"serving on http://[0-9.]+:(\d+)\s")
T = TypeVar("T")
# Tests that look at what arrives must be able to do so now and then, however much it is.
KEEPS_MUCH = SandboxOptions(keep_events=200_000, keep_payload_bytes=512 * 1024 * 1024)
CONNECTION = 'name = "Shop"\npixel_id = "PIXELSHOP"\naccess_token = "env:SHOP_TOKEN"\n'


def environment(data_dir: Path | None = None, /, **variables: str) -> dict[str, str]:
    """The environment without this project's variables, but for those given and the store of the data directory."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TIKTOK_FORWARDER_")}
    return {**plain, **STORES.variables(data_dir), **variables}


def command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    given = environment(data_dir_in(arguments), **variables)
    return subprocess.run([*PROGRAM, *arguments], env=given, capture_output=True, text=True, timeout=30, check=False)


def data_dir_in(arguments: Sequence[object]) -> Path | None:
    """The data directory that the command line names."""
    names = list(map(str, arguments))
    return Path(names[names.index("--data-dir") + 1]) if "--data-dir" in names else None


def add_shop(data_dir: Path) -> None:
    """One input and one connection, by the command line."""
    file = data_dir.parent / "shop.toml"
    file.write_text(CONNECTION)
    shop = ("--name", "shop", "--key", "key-of-the-shop", "--secret", "secret-of-the-shop")
    for arguments in (("inputs", "add", *shop), ("connections", "add", str(file))):
        done = command(*arguments, "--data-dir", str(data_dir), SHOP_TOKEN="access-token-0123456789")
        assert done.returncode == 0, done.stderr


class ServiceProcess:
    """A `serve` process. Its standard error goes to a file, so that nothing blocks on it.

    `under` is a program that runs it, with the program's arguments, and leaves it the process id. `port` is that of a
    service that ended, which this one replaces.
    """

    def __init__(
        self,
        data_dir: Path,
        tiktok_url: str = "http://127.0.0.1:9",
        under: Sequence[str] = (),
        port: str = "0",
        **settings: str,
    ) -> None:
        self.log_file = data_dir.parent / "serve.log"
        variables = {
            "TIKTOK_FORWARDER_DATA_DIR": str(data_dir),
            "TIKTOK_FORWARDER_TIKTOK_BASE_URL": tiktok_url,
            "TIKTOK_FORWARDER_MAX_WAIT_SECONDS": "0.05",
            "TIKTOK_FORWARDER_RETRY_FIRST_SECONDS": "0.1",
            "TIKTOK_FORWARDER_RETRY_MAX_SECONDS": "0.5",
            **settings,
        }
        with self.log_file.open("w") as log:
            self.process = subprocess.Popen(
                [*under, *PROGRAM, "serve", "--port", port],
                env=environment(data_dir, **variables),
                stderr=log,
                stdout=log,
            )
        try:
            self.port = self._port()
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise

    def _port(self) -> int:
        patience = Patience(45)
        while (found := _SERVING.search(log := self.log_file.read_text())) is None:
            assert self.process.poll() is None and patience.lasts(), log
            time.sleep(0.02)
        return int(found[1])

    def post(self, body: Mapping[str, Any]) -> int:
        """The status that the batch was answered with. Raises `OSError` or `HTTPException` if none came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/v2/events", json.dumps(body), BASIC)
            return connection.getresponse().status
        finally:
            connection.close()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal, and wait for the process: its exit status."""
        self.process.send_signal(number)
        return self.process.wait(15)


@contextmanager
def serving(
    data_dir: Path, tiktok_url: str = "http://127.0.0.1:9", under: Sequence[str] = (), **settings: str
) -> Iterator[ServiceProcess]:
    service = ServiceProcess(data_dir, tiktok_url, under, **settings)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
            service.process.wait()


class SandboxThread(threading.Thread):
    """A sandbox in a thread of its own, since these tests wait for processes."""

    def __init__(self, log: Path | None = None, grants: Mapping[str, list[str] | None] | None = None) -> None:
        super().__init__(daemon=True)
        self.sandbox = Sandbox(KEEPS_MUCH, log_path=log, grants=grants)
        self._ready = threading.Event()
        self._ended: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url = ""

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        async with self.sandbox:
            self.url = self.sandbox.url
            self._ready.set()
            await self._ended.wait()

    def ask(self, question: Callable[[Sandbox], T]) -> T:
        """The answer from its own thread, so that it is of one moment."""
        assert self._loop is not None

        async def answered() -> T:
            return question(self.sandbox)

        return asyncio.run_coroutine_threadsafe(answered(), self._loop).result(10)

    def __enter__(self) -> "SandboxThread":
        self.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self.join(5)
