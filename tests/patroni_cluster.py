"""A PostgreSQL cluster with automatic failover for the tests: three servers, each under its Patroni, and three of etcd.

Everything listens on 127.0.0.1. As root, servers and Patroni run in a user namespace of their own: PostgreSQL refuses
to run as root, and another user may be unable to read this Python.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncpg

from tests.patience import Patience
from tests.ports import free_ports
from tests.postgres_server import USER, processes_of, program

MEMBERS: Final = 3
# Patroni's least ttl. A cycle and two attempts at etcd must fit in it.
TTL_SECONDS: Final = 20
_LOOP_WAIT_SECONDS: Final = 5
_RETRY_TIMEOUT_SECONDS: Final = 7
_START_SECONDS: Final = 90
_WHOLE: Final = [("leader", "running"), ("replica", "streaming"), ("sync_standby", "streaming")]
_SUPERUSER: Final = USER
_OTHER_USER: Final = ["unshare", "--user", f"--map-user={USER}", f"--map-group={USER}"]
_ENDS_WITH_THIS: Final = ["setpriv", "--pdeathsig", "KILL"]


class Daemon:
    """A process that is started again after it was killed. It ends with the process that started it."""

    def __init__(self, folder: Path, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = command
        self._log = folder / f"{name}.log"
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._log.open("a") as log:
            return subprocess.Popen(
                [*_ENDS_WITH_THIS, *self._command], cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        assert not self.is_running
        self.process = self._started()

    def log(self) -> str:
        return self._log.read_text(errors="replace")


class Member:
    """A PostgreSQL server and the Patroni that looks after it."""

    def __init__(self, folder: Path, name: str, etcd: Sequence[str]) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.port, rest_port = free_ports(2)
        self._rest = f"http://127.0.0.1:{rest_port}"
        file = self.folder / "patroni.yml"
        # JSON is YAML too.
        file.write_text(json.dumps(_configuration(self, rest_port, etcd)))
        as_user = _OTHER_USER if os.geteuid() == 0 else []
        self.patroni = Daemon(folder, name, [*as_user, sys.executable, "-m", "patroni", str(file)])

    @property
    def is_primary(self) -> bool:
        """Return whether Patroni answers that its server is; not while either is down."""
        return self._answer("/primary") is not None

    def states(self) -> Mapping[str, tuple[str, str]]:
        """Return role and state of each member by its name, as this one reads them in etcd; nothing if it is down."""
        answer = self._answer("/cluster")
        members = json.loads(answer)["members"] if answer else []
        return {member["name"]: (member["role"], member["state"]) for member in members}

    def _answer(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(self._rest + path, timeout=2) as answer:  # noqa: S310 - http on 127.0.0.1
                return bytes(answer.read())
        except OSError:
            return None

    def kill_postgres(self) -> None:
        """Kill every process of the server, and leave Patroni alone."""
        for process in self._servers():
            _signal(process, signal.SIGKILL)

    def kill(self) -> None:
        """Kill Patroni first, so that it starts nothing, and then the server."""
        self.patroni.kill()
        self.kill_postgres()

    def freeze(self) -> None:
        """Stop all processes where they are, as if the network had lost the machine: connections stay, unanswered."""
        for process in (self.patroni.process.pid, *self._servers()):
            _signal(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in (*self._servers(), self.patroni.process.pid):
            _signal(process, signal.SIGCONT)

    def _servers(self) -> list[int]:
        """The processes of this member's PostgreSQL: the first that was started, and its children."""
        try:
            first = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError):
            return []
        return processes_of(first)

    async def run(self, statement: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=_SUPERUSER, database=database, timeout=5
        )
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class PatroniCluster:
    """Three members, one of them primary, with at least one synchronous standby; and three etcd servers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        addresses, self.etcd = start_etcd(folder)
        self.members = [Member(folder, f"member{number}", addresses) for number in range(1, MEMBERS + 1)]

    @property
    def primary(self) -> Member:
        """The primary; waits for one."""
        found: list[Member] = []

        def is_found() -> bool:
            found[:] = [member for member in self.members if member.is_primary]
            return len(found) == 1

        self.wait(is_found, "no primary")
        return found[0]

    def standby(self) -> Member:
        """The standby whose copy the primary waits for."""
        roles = {name: role for name, (role, _) in self.primary.states().items()}
        (found,) = [member for member in self.members if roles.get(member.name) == "sync_standby"]
        return found

    def wait_until_whole(self) -> None:
        """Wait until a failover would succeed: a standby is known to have everything, and the other one replicates."""

        def is_whole() -> bool:
            states = next((states for member in self.members if (states := member.states())), {})
            return sorted(states.values()) == _WHOLE

        self.wait(is_whole, "not whole")

    def wait(self, condition: Callable[[], bool], problem: str) -> None:
        patience = Patience(_START_SECONDS)
        while not condition():
            assert patience.lasts(), f"{problem}:\n" + "\n".join(
                f"{member.name}:\n{member.patroni.log()[-1500:]}" for member in self.members
            )
            time.sleep(0.1)

    def address(self, database: str) -> str:
        """All servers of the cluster, as the guide recommends."""
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"postgresql://{_SUPERUSER}@{hosts}/{database}"

    def close(self) -> None:
        for member in self.members:
            member.thaw()
            if member.patroni.is_running:
                member.patroni.kill()
            member.kill_postgres()
        for server in self.etcd:
            if server.is_running:
                server.kill()


@contextmanager
def patroni_cluster() -> Iterator[PatroniCluster]:
    folder = Path(tempfile.mkdtemp(prefix="forwarder-patroni-"))
    cluster: PatroniCluster | None = None
    try:
        cluster = PatroniCluster(folder)
        cluster.wait_until_whole()
        yield cluster
    finally:
        if cluster is not None:
            cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


def start_etcd(folder: Path) -> tuple[list[str], list[Daemon]]:
    """Addresses and processes of three etcd servers: two are enough."""
    ports = free_ports(2 * MEMBERS)
    peers = [f"http://127.0.0.1:{port}" for port in ports[:MEMBERS]]
    clients = [f"127.0.0.1:{port}" for port in ports[MEMBERS:]]
    names = [f"etcd{number}" for number in range(1, MEMBERS + 1)]
    cluster = ",".join(f"{name}={peer}" for name, peer in zip(names, peers, strict=True))
    started = []
    for name, peer, client in zip(names, peers, clients, strict=True):
        options = {
            "name": name,
            "data-dir": str(folder / name),
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "listen-client-urls": f"http://{client}",
            "advertise-client-urls": f"http://{client}",
            "initial-cluster": cluster,
            "logger": "zap",
            "log-level": "error",
            # A crash of the machine is not tested here.
            "unsafe-no-fsync": "true",
        }
        known = _known_options()
        command = [_etcd(), *(f"--{option}={value}" for option, value in options.items() if option in known)]
        started.append(Daemon(folder, name, command))
    return clients, started


def _etcd() -> str:
    found = shutil.which("etcd")
    assert found is not None, "etcd is missing: scripts/set-up dev installs it"
    return found


def _known_options() -> str:
    """Its help: not every version has every option."""
    return subprocess.run([_etcd(), "--help"], capture_output=True, text=True, check=False).stdout


def _configuration(member: Member, rest_port: int, etcd: Sequence[str]) -> dict[str, Any]:
    as_superuser = {"username": _SUPERUSER}
    return {
        "scope": "forwarder",
        "name": member.name,
        "restapi": {"listen": f"127.0.0.1:{rest_port}", "connect_address": f"127.0.0.1:{rest_port}"},
        "etcd3": {"hosts": list(etcd)},
        "bootstrap": {
            "dcs": {
                "ttl": TTL_SECONDS,
                "loop_wait": _LOOP_WAIT_SECONDS,
                "retry_timeout": _RETRY_TIMEOUT_SECONDS,
                "synchronous_mode": True,
                "synchronous_mode_strict": True,
                "postgresql": {"use_pg_rewind": True, "parameters": {"max_connections": 100}},
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
        },
        "postgresql": {
            "listen": f"127.0.0.1:{member.port}",
            "connect_address": f"127.0.0.1:{member.port}",
            "data_dir": str(member.folder / "data"),
            "bin_dir": str(Path(program("postgres")).parent),
            "pgpass": str(member.folder / "pgpass"),
            "authentication": {"superuser": as_superuser, "replication": as_superuser, "rewind": as_superuser},
            "pg_hba": [
                "local all all trust",
                "host all all 127.0.0.1/32 trust",
                "host replication all 127.0.0.1/32 trust",
            ],
            "parameters": {
                "unix_socket_directories": str(member.folder),
                "shared_buffers": "64MB",
                "timezone": "UTC",
                # What a crash of the server leaves does not depend on syncs.
                "fsync": "off",
            },
        },
    }


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


if __name__ == "__main__":
    with patroni_cluster() as running:
        sys.stdout.write(json.dumps({"address": running.address("postgres"), "primary": running.primary.name}) + "\n")
        sys.stdout.flush()
        signal.pause()
