"""The two servers of a service: senders' routes on TCP, the API on a Unix socket."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from tiktok_forwarder.database.open_files import OpenFiles
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.web.asgi import AsgiApplication
from tiktok_forwarder.web.bounded_protocol import BoundedProtocol
from tiktok_forwarder.web.exchange import DirectRoutes
from tiktok_forwarder.web.http_connections import HttpConnections
from tiktok_forwarder.web.refusals import Refusals

_BACKLOG: Final = 2048
_MAX_SOCKET_PATH_LENGTH: Final = 100  # the kernel's limit is 107 bytes
# The share of the grace period in which a request that has begun may arrive whole.
_ARRIVAL_SHARE: Final = 0.75


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to its caller."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Servers:
    """The two servers: they listen from construction on, and serve from `start` to `stop`.

    `routes` are served before `front`, on TCP: a request belongs to the first that handles its path.
    """

    def __init__(
        self,
        front: AsgiApplication,
        api: AsgiApplication,
        routes: Sequence[DirectRoutes] = (),
        *,
        host: str,
        port: int,
        admin_socket: Path,
        http_connections: HttpConnections,
    ) -> None:
        self._http_connections = http_connections
        self._tcp = _listening(host, port)
        self._admin_socket = admin_socket
        _claim(admin_socket)
        self._socket_file = OpenFiles([admin_socket])
        self._servers = [
            _Server(_config(front, http_connections, routes)),
            _Server(_config(api, http_connections, uds=str(admin_socket))),
        ]
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """Return the port, even if any free one was requested."""
        port: int = self._tcp.getsockname()[1]
        return port

    async def start(self) -> None:
        """Start; return once both servers accept connections."""
        front, api = self._servers
        self._tasks = [asyncio.create_task(front.serve(sockets=[self._tcp])), asyncio.create_task(api.serve())]
        while not all(server.started for server in self._servers):
            for task in self._tasks:
                if task.done():
                    await task
            await asyncio.sleep(0.005)
        # uvicorn has replaced the file.
        self._socket_file.close()
        self._socket_file = OpenFiles([self._admin_socket])
        self._http_connections.start()

    async def stop(self, grace_seconds: float) -> None:
        """Accept nothing more; running requests may end within the grace period, if they arrive whole in most of it."""
        for server in self._servers:
            server.config.timeout_graceful_shutdown = max(1, round(grace_seconds))
            server.should_exit = True
        if self._tasks:
            _, running = await asyncio.wait(self._tasks, timeout=grace_seconds * _ARRIVAL_SHARE)
            if running:
                self._http_connections.give_up_unfinished()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http_connections.stop()
        self._tcp.close()
        # After the directory was replaced, the path may be another service's.
        if self._socket_file.is_in_place(self._admin_socket):
            self._admin_socket.unlink(missing_ok=True)
        self._socket_file.close()


def _config(
    app: AsgiApplication, http_connections: HttpConnections, routes: Sequence[DirectRoutes] = (), uds: str | None = None
) -> uvicorn.Config:
    # uvicorn has types of its own for the same things.
    served: Any = app
    protocol: Any = partial(BoundedProtocol, http_connections, Refusals(http_connections.limits), routes)
    return uvicorn.Config(
        served,
        uds=uds,
        http=protocol,
        loop="none",  # the loop is running already
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=_BACKLOG,
    )


def _listening(host: str, port: int) -> socket.socket:
    """Return a bound socket: binding here and not in the server makes a port in use one clear sentence."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)  # two sockets can bind to a port that none listens on yet
        except OSError:
            listening.close()
            raise
    except OSError as error:
        why = error.strerror or str(error)
        raise ConfigurationError([f"cannot listen on {host}:{port}: {why}; use another --host or --port"]) from None
    listening.set_inheritable(True)
    return listening


def _claim(path: Path) -> None:
    """Leave a socket file of mode 0600: the server takes over its mode when it replaces it."""
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH_LENGTH:
        limit = _MAX_SOCKET_PATH_LENGTH - len(path.name) - 1
        raise ConfigurationError([f"data_dir: {path.parent} is too long for a socket path; the limit is {limit} bytes"])
    path.unlink(missing_ok=True)
    previous = os.umask(0o177)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as claimed:
            claimed.bind(str(path))
    finally:
        os.umask(previous)
