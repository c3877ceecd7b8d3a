"""Garbage of a service's process: it is searched for seldom, and memory stays bounded."""

import asyncio
import gc
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.crash.load_samples import memory_mib
from tests.crash.observed_service import ObservedService
from tests.integration.service_process import PROGRAM, ServiceProcess, environment, serving
from tests.integration.service_rig import BASIC, TOKEN, running_service
from tests.integration.test_browser_routes import KEY, PAGE, add_web
from tests.patience import sleep_until
from tests.store_choice import STORES
from tiktok_forwarder.bootstrap import open_application
from tiktok_forwarder.setting_reading import load_settings
from tiktok_forwarder.web.body_handler import BodyHandler
from tiktok_forwarder.web.exchange import DirectExchange

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

# Runs the program that its arguments name, and prints how garbage is searched for at its end.
PRINTS_SEARCHES: Final = """
import atexit, gc, runpy, sys
atexit.register(lambda: print("garbage", gc.isenabled(), gc.get_threshold()[0], gc.get_freeze_count(), flush=True))
sys.argv[:] = sys.argv[3:]
runpy.run_module("tiktok_forwarder", run_name="__main__", alter_sys=True)
"""
UNDER: Final = (sys.executable, "-c", PRINTS_SEARCHES)
CONNECTIONS: Final = 30
ATTEMPTS: Final = 2_400
REFUSED: Final = 2_000
MAX_GROWTH_MIB: Final = 5.0


def searches(output: str) -> tuple[bool, int, int]:
    """Whether there are any, after how many new objects, and how many objects they leave out."""
    (found,) = re.findall(r"^garbage (True|False) (\d+) (\d+)$", output, re.MULTILINE)
    return found[0] == "True", int(found[1]), int(found[2])


def request(path: str, body: bytes, authorization: str = BASIC["Authorization"], length: int | None = None) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: shop\r\nAuthorization: {authorization}\r\n"
    return f"{head}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body


REFUSALS: Final = {
    "unreadable": request("/v2/events", b"{nope"),
    "too large": request("/v2/events", b"", length=10**9),
    "wrong credentials": request("/v2/events", b"{}", "Basic eDp5"),
    "unknown path": request("/v2/unknown", b""),
    "method": request("/v2/events", b"").replace(b"POST", b"GET"),
    "malformed": b"POST /v2/events HTTP/1.1\r\nHost shop\r\n\r\n",
}


def test_service_searches_for_garbage_seldom(data_dir: Path) -> None:
    """What it has loaded at its start is left out; a command searches as Python does, since it ends soon."""
    with serving(data_dir, under=UNDER) as service:
        assert service.end() == 0
        is_enabled, objects_between, left_out = searches(service.log_file.read_text())
    assert is_enabled and objects_between >= 10_000 and left_out > 10_000
    listing = subprocess.run(
        [*UNDER, *PROGRAM, "settings"], env=environment(), capture_output=True, text=True, check=True, timeout=30
    )
    assert searches(listing.stdout)[1:] == (gc.get_threshold()[0], 0)


def send_refused(service: ServiceProcess, sent: bytes, count: int) -> None:
    """Each on a connection of its own: most of them are closed by the answer."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
            connection.sendall(sent)
            assert connection.recv(65536).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("kind", REFUSALS)
def test_refused_requests_leave_nothing_in_memory(data_dir: Path, kind: str) -> None:
    """Thousands of them, with their connections and errors, take less than 5 MiB."""
    with serving(data_dir) as service:
        send_refused(service, REFUSALS[kind], REFUSED // 4)
        before = memory_mib(service.process.pid)
        send_refused(service, REFUSALS[kind], REFUSED)
        assert memory_mib(service.process.pid) - before < MAX_GROWTH_MIB


def count_requests() -> int:
    """Count the requests in memory, those of other tests included."""
    return sum(isinstance(each, BodyHandler | DirectExchange) for each in gc.get_objects())


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v2/events", BASIC),
        (f"/v3/JS/{KEY}/events", PAGE),
        ("/identity/v1/identify", {**PAGE, "x-mp-key": KEY}),
    ],
)
async def test_answered_requests_are_not_kept_by_a_reference_cycle(
    tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    """Each request would otherwise stay in memory until garbage is searched for."""
    body = b'{"events":[],"known_identities":{"email":"ann@example.com"}}'
    async with running_service(tmp_path, store="memory") as service:
        await add_web(service)
        gc.collect()
        gc.disable()
        try:
            before = count_requests()
            for _ in range(50):
                assert (await service.post(path, body, headers)).status in (200, 202)
            after = count_requests()
        finally:
            gc.enable()
    # The last request is kept until the next one on its connection.
    assert after - before <= 2


async def add_connections(data_dir: Path) -> None:
    async with open_application(
        load_settings(None, {}, data_dir=data_dir, store=STORES.store_of(data_dir)), {}
    ) as application:
        for number in range(CONNECTIONS):
            given = {"name": f"Shop {number}", "pixel_id": f"PIXEL{number}", "access_token": TOKEN}
            await application.services.connections.add(given, "test")


def test_failed_attempts_leave_nothing_in_memory(data_dir: Path) -> None:
    """While TikTok is down, thousands of attempts take less than 5 MiB; each has a body of 20 kB."""
    asyncio.run(add_connections(data_dir))
    quick = {f"TIKTOK_FORWARDER_RETRY_{name}_SECONDS": "0.05" for name in ("FIRST", "MAX")}
    with serving(data_dir, **quick) as process:
        service = ObservedService(process)
        assert service.post().status == 202

        def wait_for_attempts(count: int) -> float:
            """Return the memory in MiB when there are so many."""
            sleep_until(lambda: service.figure("tiktok_forwarder_attempts_total", "try_later") >= count, 120)
            return memory_mib(process.process.pid)

        before = wait_for_attempts(ATTEMPTS // 3)
        assert wait_for_attempts(ATTEMPTS) - before < MAX_GROWTH_MIB
