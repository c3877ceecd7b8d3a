"""A PostgreSQL server for the tests: a cluster of its own in a scratch directory, reached by a Unix socket.

The processes of one test run share it. A keeper process starts it, and stops it and deletes the directory when the last
of them is gone, however they ended: the kernel releases the lock of a process that was killed.
"""

import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg

# PostgreSQL refuses to run as root.
USER = "postgres"
START_SECONDS = 60
MEMORY_BYTES = 4 * 1024**3
# These tests are not about a crash of the machine. What a crash of the server or of a process leaves does not depend on
# syncs. A test that cuts the power needs a server of its own, with syncs.
SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "listen_addresses": "",
    "timezone": "UTC",
}
OWN_SETTINGS = {"listen_addresses": "", "timezone": "UTC"}


def program(name: str) -> str:
    """A program of the newest PostgreSQL that is installed: Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    server = found[-1] if found else shutil.which("postgres")
    assert server is not None, "PostgreSQL is missing: scripts/set-up dev installs it"
    return str(Path(server).resolve().parent / name)


class PostgresServer:
    """A running server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def address(self, database: str) -> str:
        return f"postgresql:///{database}?host={self.folder}&user={USER}"

    @asynccontextmanager
    async def connection(self, database: str = "postgres") -> AsyncIterator[Any]:
        opened = await asyncpg.connect(self.address(database))
        try:
            yield opened
        finally:
            await opened.close()

    async def create_database(self, template: str = "template1") -> str:
        """Create a database, empty or a copy of another; return its name."""
        name = f"t{uuid.uuid4().hex}"
        async with self.connection() as connection:
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    async def drop_database(self, name: str) -> None:
        async with self.connection() as connection:
            await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@cache
def shared_server() -> PostgresServer:
    """The server of this test run, started by the first that asks; it lasts as long as this process at least."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"pid{os.getpid()}"
    folder = _scratch() / f"forwarder-postgres-{run[-12:]}"
    with Path(f"{folder}.lock").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        if not _joined(folder):
            _start(folder)
    return PostgresServer(folder)


def _scratch() -> Path:
    """A place in memory if there is one with enough space: a database is many files, which a disk creates slowly."""
    memory = Path("/dev/shm")  # noqa: S108
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > MEMORY_BYTES:
        return memory
    return Path(tempfile.gettempdir())


# For as long as this process lasts.
_kept: list[object] = []


def _joined(folder: Path) -> bool:
    """Keep the server from being stopped before this process ends; return whether there is one."""
    if not (folder / "ready").exists():
        return False
    users = (folder / "users").open()
    # Waits for a keeper that is stopping the server.
    fcntl.flock(users, fcntl.LOCK_SH)
    _kept.append(users)
    return (folder / "ready").exists()


def _start(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "users").touch()
    users = (folder / "users").open()
    fcntl.flock(users, fcntl.LOCK_SH)
    _kept.append(users)
    with (folder / "log").open("w") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.postgres_server", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[1],
            start_new_session=True,
        )
    # It outlives this process, which must not wait for it.
    _kept.append(keeper)
    for _ in range(START_SECONDS * 20):
        if (folder / "ready").exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"PostgreSQL did not start: {(folder / 'log').read_text()}")


def keep(folder: Path) -> None:
    """Run the server until no process of the test run is left."""
    create_cluster(folder)
    server = run_server(folder, SETTINGS)
    (folder / "ready").touch()
    with (folder / "users").open() as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        # A fast shutdown ends open connections.
        server.send_signal(signal.SIGINT)
        server.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
        Path(f"{folder}.lock").unlink(missing_ok=True)


class OwnServer(PostgresServer):
    """A server for one test, with syncs, which may be killed. It ends with this process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._process = run_server(folder, OWN_SETTINGS)

    def restart(self) -> None:
        """Start a new server, which recovers what was committed."""
        self._process = run_server(self.folder, OWN_SETTINGS)

    def kill(self) -> None:
        """Kill every process of the server: a frozen one would not notice that the first is gone."""
        if self._process.poll() is None:
            for process in (self._process.pid, *processes_of(self._process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._process.wait()

    def freeze(self) -> None:
        """Stop every process of the server where it is: connections stay open, unanswered."""
        for process in processes_of(self._process.pid):
            os.kill(process, signal.SIGSTOP)

    async def run(self, statement: str) -> None:
        async with self.connection() as connection:
            await connection.execute(statement)


@contextmanager
def own_server(primary: OwnServer | None = None) -> Iterator[OwnServer]:
    """A server of its own, or a standby that replicates another one."""
    folder = Path(tempfile.mkdtemp(prefix="forwarder-postgres-"))
    if primary is None:
        create_cluster(folder)
    else:
        copy_cluster(primary.folder, folder)
    server = OwnServer(folder)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _give_to_owner(folder: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam(USER)
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def create_cluster(folder: Path) -> None:
    _give_to_owner(folder)
    options = ("-D", folder / "data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    assert _as_owner(folder, program("initdb"), *options).wait() == 0, _log(folder)


def copy_cluster(primary: Path, folder: Path) -> None:
    _give_to_owner(folder)
    options = ("-h", primary, "-U", USER, "-D", folder / "data", "-R", "-X", "stream", "--checkpoint=fast")
    assert _as_owner(folder, program("pg_basebackup"), *options).wait() == 0, _log(folder)


def run_server(folder: Path, settings: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start the server, and wait until it accepts connections. It stops when the process that started it ends."""
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    ends_with_this = ["setpriv", "--pdeathsig", "QUIT"]
    server = _as_owner(folder, *ends_with_this, program("postgres"), "-D", folder / "data", "-k", folder, *options)
    is_ready = (program("pg_isready"), "-q", "-h", str(folder), "-U", USER)
    while subprocess.call(is_ready, stdout=subprocess.DEVNULL):
        assert server.poll() is None, _log(folder)
        time.sleep(0.05)
    return server


def processes_of(postmaster: int) -> list[int]:
    """The processes of the server whose first process this is: none if that is gone."""
    place = Path(f"/proc/{postmaster}")
    try:
        is_server = (place / "comm").read_text().startswith("postgres")
        children = (place / "task" / str(postmaster) / "children").read_text()
    except OSError:
        return []
    return [postmaster, *map(int, children.split())] if is_server else []


def _as_owner(folder: Path, *command: str | Path) -> "subprocess.Popen[bytes]":
    as_user: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    with (folder / "server.log").open("a") as log:
        return subprocess.Popen(
            [str(part) for part in command], cwd="/", start_new_session=True, stdout=log, stderr=log, **as_user
        )


def _log(folder: Path) -> str:
    return (folder / "server.log").read_text()


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
