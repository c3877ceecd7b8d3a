"""A network of its own, with addresses that the loopback of this machine does not have: peers are on other machines."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

PRIVATE: Final = "10.99.0.7"
PUBLIC: Final = "203.0.113.7"
_SET_UP: Final = " && ".join(
    ("ip link set lo up", *(f"ip addr add {address}/32 dev lo" for address in (PRIVATE, PUBLIC)), "echo ready")
)
# Root needs no namespace of users, which a machine may not allow.
_UNSHARE: Final = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--net", "--user", "--map-root-user")


class Answer(NamedTuple):
    """What a request was answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class OtherMachines:
    """The network. `prefix` begins the command line of a program that runs in it."""

    def __init__(self, process_id: int) -> None:
        spaces = ("--net",) if os.geteuid() == 0 else ("--user", "--preserve-credentials", "--net")
        self.prefix = ("nsenter", "--target", str(process_id), *spaces, "--")

    def get(self, source: str, port: int, path: str, **headers: str) -> Answer:
        """Send a request to `source` from `source`: the service's peer has this address.

        Underscores in the names of headers stand for dashes.
        """
        given = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        options = [option for each in given for option in ("--header", each)]
        curl = ("curl", "--silent", "--show-error", "--include", "--max-time", "20", "--interface", source)
        url = f"http://{source}:{port}{path}"
        done = subprocess.run([*self.prefix, *curl, *options, url], capture_output=True, check=True)
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        named = dict(line.split(": ", 1) for line in lines)
        return Answer(int(status.split()[1]), {name.lower(): value for name, value in named.items()}, body)


@contextmanager
def other_machines() -> Iterator[OtherMachines]:
    command = [*_UNSHARE, "sh", "-c", f"{_SET_UP} && exec sleep infinity"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield OtherMachines(process.pid)
        finally:
            process.kill()
