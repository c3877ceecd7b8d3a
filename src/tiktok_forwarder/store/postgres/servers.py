"""The servers of an address: connects to the one that can write, and notices when another one has taken its place."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

import asyncpg

from tiktok_forwarder.store.postgres.address import addresses_of_servers
from tiktok_forwarder.store.postgres.errors import FOREIGN_ERRORS

# How long a server has the attempt for itself. One that does not answer at all, such as behind a broken network, must
# not use up the time of the others.
_HEAD_START_SECONDS: Final = 0.25
# How long a use may be without an answer before a new connection shows whether its server is still the one that writes.
_STALLED_SECONDS: Final = 5.0
_CHECK_SECONDS: Final = 1.0


class ServerConnection(asyncpg.Connection):  # type: ignore[misc]  # the library has no types
    """A connection that knows its server by the time of its start; None behind a pooler, where servers change."""

    server_started_at: datetime | None = None


class Servers:
    """Connects to the server that can write. The one that was found last is tried first."""

    def __init__(self, address: str, *, has_pooler: bool) -> None:
        self._addresses = addresses_of_servers(address)
        self._has_pooler = has_pooler

    async def connect(self, *_addresses: object, **options: Any) -> ServerConnection:
        """Try the servers one after another, each a moment after the one before or when that has failed.

        Raises the most telling of their errors.
        """
        waiting = iter(list(self._addresses))
        attempts: dict[asyncio.Task[ServerConnection], str] = {}
        errors: list[BaseException] = []
        try:
            while True:
                if address := next(waiting, ""):
                    attempts[asyncio.create_task(self._connect_to(address, options))] = address
                elif not attempts:
                    raise max(errors, key=_weight)
                head_start = _HEAD_START_SECONDS if address else None
                done, _pending = await asyncio.wait(attempts, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
                for attempt in done:
                    address = attempts.pop(attempt)
                    if (error := attempt.exception()) is None:
                        self._addresses.remove(address)
                        self._addresses.insert(0, address)
                        return attempt.result()
                    errors.append(error)
        finally:
            for attempt in attempts:
                attempt.cancel()
                attempt.add_done_callback(_end_unused)

    async def _connect_to(self, address: str, options: dict[str, Any]) -> ServerConnection:
        connection: ServerConnection = await asyncpg.connect(
            address, **options | {"connection_class": ServerConnection}
        )
        try:
            if not self._has_pooler:
                connection.server_started_at = await connection.fetchval("SELECT pg_postmaster_start_time()")
        except BaseException:
            connection.terminate()
            raise
        return connection


def _end_unused(attempt: "asyncio.Task[ServerConnection]") -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def _weight(error: BaseException) -> int:
    """An answer says more than none, and a refusal more than that it is a standby."""
    if isinstance(error, asyncpg.exceptions.TargetServerAttributeNotMatched):
        return 1
    return 2 if isinstance(error, asyncpg.PostgresError) else 0


class ConnectionsInUse:
    """Ends those that wait for a server in whose place another one writes: nothing else shows that it is gone.

    A machine that is cut off from the network closes no connection. `connect` opens a new one, and `on_replaced` is
    called before the old ones end.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[ServerConnection]], on_replaced: Callable[[], Awaitable[None]]
    ) -> None:
        self._connect = connect
        self._on_replaced = on_replaced
        self._since: dict[Any, float] = {}
        self._watch: asyncio.Task[None] | None = None

    @contextmanager
    def using(self, connection: Any) -> Iterator[None]:
        self._since[connection] = asyncio.get_running_loop().time()
        if self._watch is None:
            self._watch = asyncio.create_task(self._end_replaced(), name="connections in use")
        try:
            yield
        finally:
            del self._since[connection]

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait([self._watch])

    async def _end_replaced(self) -> None:
        try:
            while self._since:
                await asyncio.sleep(_CHECK_SECONDS)
                if self._stalled():
                    with suppress(*FOREIGN_ERRORS):
                        await self._compare()
        finally:
            self._watch = None

    def _stalled(self) -> list[Any]:
        now = asyncio.get_running_loop().time()
        return [used for used, since in self._since.items() if now - since > _STALLED_SECONDS]

    async def _compare(self) -> None:
        connection = await self._connect()
        connection.terminate()
        writer = connection.server_started_at
        # Some may have had their answer in the meantime.
        replaced = [used for used in self._stalled() if used.server_started_at not in (None, writer)]
        if replaced:
            await self._on_replaced()
        for used in replaced:
            if used in self._since:
                used.terminate()
