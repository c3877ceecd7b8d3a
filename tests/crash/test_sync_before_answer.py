"""202 means durable, as the kernel sees it: system calls of the running service, watched by strace."""

import http.client
import json
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.crash.conftest import Soak
from tests.integration.service_process import ServiceProcess, serving
from tests.integration.service_rig import BASIC, fresh_batch
from tests.patience import Patience

# Written pages are shown whole, so that an event's id can be found in them.
SHOWN_BYTES: Final = 9_000
CALLS: Final = "fdatasync,fsync,write,writev,sendto,sendmsg,pwrite64,pwritev"
LOG_FILE: Final = "/events.db-wal>"
SYNC_BEGINS: Final = re.compile(rf"^(\d+) +f(?:data)?sync\(\d+<[^>]*{LOG_FILE}(?P<end>\) += 0)?")
SYNC_ENDS: Final = re.compile(r"^(\d+) +<\.\.\. f(?:data)?sync resumed>\) += 0")


class Request(NamedTuple):
    """One that was answered 202: its event, and the port it came from."""

    event_id: str
    port: int


class Sync(NamedTuple):
    """A sync of the write-ahead log: the lines of the trace on which it was called and had returned."""

    called: int
    returned: int


def strace(trace: Path) -> Sequence[str]:
    # -D leaves the traced program its parent and process id; -yy shows what descriptors are.
    return ("strace", "-D", "-f", "-yy", "-s", str(SHOWN_BYTES), "-e", f"trace={CALLS}", "-o", str(trace))


def send(service: ServiceProcess, event_id: str) -> Request:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.connect()
    port: int = connection.sock.getsockname()[1]
    connection.request("POST", "/v2/events", json.dumps(fresh_batch(event_id)), BASIC)
    assert connection.getresponse().status == 202
    connection.close()
    return Request(event_id, port)


def traced_lines(trace: Path, pid: int) -> list[str]:
    """All of them: the tracer writes the last one when the service has ended."""
    patience = Patience(10)
    while not re.search(rf"^{pid} +\+\+\+ exited with 0 \+\+\+$", text := trace.read_text("latin-1"), re.MULTILINE):
        assert patience.lasts(), text[-2_000:]
        time.sleep(0.02)
    return text.splitlines()


def syncs(lines: Sequence[str]) -> Iterator[Sync]:
    called: dict[str, int] = {}
    for number, line in enumerate(lines):
        if begun := SYNC_BEGINS.match(line):
            called[begun[1]] = number
            if begun["end"]:
                yield Sync(number, number)
        elif (ended := SYNC_ENDS.match(line)) and ended[1] in called:
            yield Sync(called.pop(ended[1]), number)


def first_line(lines: Sequence[str], *parts: str) -> int:
    return next(number for number, line in enumerate(lines) if all(part in line for part in parts))


@pytest.mark.slow
def test_a_sync_returns_before_every_202(data_dir: Path, tmp_path: Path, soak: Soak) -> None:
    """Between the write that holds the event and its answer the log is synced: alone, and with 20 senders at once."""
    alone, at_once = (soak.choose(10, 100, 100), soak.choose(20, 100, 100))
    trace = tmp_path / "trace"
    with serving(data_dir, under=strace(trace)) as service, ThreadPoolExecutor(20) as senders:
        requests = [send(service, f"alone-{number}-") for number in range(alone)]
        requests += senders.map(lambda number: send(service, f"beside-{number}-"), range(at_once))
        assert service.end() == 0
    lines = traced_lines(trace, service.process.pid)
    done = list(syncs(lines))
    for request in requests:
        written = first_line(lines, LOG_FILE, request.event_id)
        answered = first_line(lines, f"->127.0.0.1:{request.port}]>", "HTTP/1.1 202")
        assert any(written < sync.called and sync.returned < answered for sync in done), request
