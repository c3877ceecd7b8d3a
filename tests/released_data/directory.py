"""A kept data directory: what was in it when its version stopped, and a service on a copy of it at that time."""

import http.client
import json
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from tests.integration.service_process import ServiceProcess, command, serving
from tests.integration.test_limits_of_the_machine import FAKETIME
from tests.patience import Patience
from tests.unit.mapping.batches import batch_of, purchase

FOLDER: Final = Path(__file__).parent
CONTENTS: Final = "contents.json"
USER: Final = "anna"
# Of tests only, as is the key in each directory.
PASSWORD: Final = "a password of some length"
_MAX_SECONDS: Final = 30


class Contents(Struct, frozen=True):
    """What a data directory contains. Event IDs are those of purchases, by what became of them."""

    version: str
    made_at_ms: int
    delivered: Sequence[str]
    waiting: Sequence[str]
    dead_lettered: Sequence[str]
    connections: Sequence[str]
    inputs: Sequence[str]
    recipients: Sequence[str]
    users: Sequence[str]
    totals: Mapping[str, Mapping[str, int]]


def archives() -> list[Path]:
    return sorted(FOLDER.glob("data-*.tar.xz"))


def unpack(archive: Path, target: Path) -> tuple[Path, Contents]:
    """Unpack a data directory, and return it with what it contains."""
    with tarfile.open(archive) as files:
        files.extractall(target, filter="data")
    return target / "data", msgspec.json.decode((target / CONTENTS).read_bytes(), type=Contents)


def batch_at(made_at_ms: int, *event_ids: str) -> dict[str, Any]:
    """A batch of purchases with these event IDs, which happened at this time."""
    return batch_of(*(purchase(source_message_id=each, timestamp_unixtime_ms=made_at_ms) for each in event_ids))


@contextmanager
def serving_at(time_ms: int, data_dir: Path, tiktok_url: str) -> Iterator[ServiceProcess]:
    """Run the program of today on the directory, with a clock that begins at this time."""
    clock = data_dir.parent / "clock"
    clock.write_text(f"{time_ms / 1000 - time.time():+.0f}")
    faked = {"LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    with serving(data_dir, tiktok_url, **faked) as service:
        yield service


def run(data_dir: Path, *arguments: str, **variables: str) -> list[Any]:
    """What a command printed, JSON line by line."""
    done = command(*arguments, "--data-dir", str(data_dir), **variables)
    assert done.returncode == 0, (arguments, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def totals_of(data_dir: Path) -> dict[str, dict[str, int]]:
    """The totals of each connection."""
    (status,) = run(data_dir, "status")
    return {each["name"]: each["totals"] for each in status["connections"]}


def wait_for_totals(data_dir: Path, expected: Mapping[str, Mapping[str, int]]) -> None:
    """Wait until these figures are among the totals of the connections."""
    patience = Patience(_MAX_SECONDS)
    while True:
        found = totals_of(data_dir)
        if all(found[name].items() >= figures.items() for name, figures in expected.items()):
            return
        assert patience.lasts(), (found, expected)
        time.sleep(0.1)


def send_form(service: ServiceProcess, path: str, **fields: str) -> http.client.HTTPResponse:
    """Send a form of the console as a browser of this machine does, and return the answer's head."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    headers = {
        "Accept": "text/html",
        "Origin": f"http://127.0.0.1:{service.port}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    try:
        connection.request("POST", path, urlencode(fields), headers)
        return connection.getresponse()
    finally:
        connection.close()
