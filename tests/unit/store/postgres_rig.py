"""Stores over one database, and a way to it that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.conformance.rig import HandClock
from tests.postgres_server import USER, shared_server
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.store import PostgresStore

LIMITS = PoolLimits(connect_seconds=5, statement_seconds=20)


class OneDatabase:
    """Opens stores over the same database, and closes them at the end."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.clock = HandClock()
        self._stores: list[PostgresStore] = []

    @property
    def address(self) -> str:
        return shared_server().address(self.name)

    async def open(self, address: str = "", **options: Any) -> PostgresStore:
        options = {"limits": LIMITS, "clock": self.clock, **options}
        self._stores.append(await PostgresStore.open(address or self.address, **options))
        return self._stores[-1]

    async def value(self, query: str, *values: Any) -> Any:
        async with shared_server().connection(self.name) as connection:
            return await connection.fetchval(query, *values)

    async def until(self, query: str, value: Any) -> None:
        """Wait until a query returns the value."""
        for _ in range(500):
            if await self.value(query) == value:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{query} does not return {value}")

    async def run(self, script: str) -> None:
        async with shared_server().connection(self.name) as connection:
            await connection.execute(script)

    async def end_sessions(self) -> None:
        """End every session of the database, as a restart of the server does."""
        await self.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


@asynccontextmanager
async def one_database() -> AsyncIterator[OneDatabase]:
    server = shared_server()
    opened = OneDatabase(await server.create_database())
    try:
        yield opened
    finally:
        await opened.close()
        await server.drop_database(opened.name)


class Wire:
    """Stands between stores and the server, and passes every byte on until it is told otherwise.

    `cuts_answer_of`: bytes of a request whose answer is thrown away, together with the connection, once. `is_cut`: no
    connection is accepted, and none is left.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.cuts_answer_of: bytes | None = None
        self.is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def address(self, database: str) -> str:
        return f"postgresql:///{database}?host={self._folder}&user={USER}"

    def cut(self) -> None:
        self.is_cut = True
        for writer in self._writers:
            writer.close()

    @property
    def is_answer_cut(self) -> bool:
        """Whether the request whose answer was to be thrown away has passed."""
        return self.cuts_answer_of is None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_unix_connection(str(shared_server().folder / ".s.PGSQL.5432"))
        self._writers |= {writer, server_writer}
        throws_away = asyncio.Event()

        def watch(data: bytes) -> None:
            if self.cuts_answer_of is not None and self.cuts_answer_of in data:
                self.cuts_answer_of = None
                throws_away.set()

        up = self._task(_pass_on(reader, server_writer, watch))
        down = self._task(_pass_down(server_reader, writer, throws_away))
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        server_writer.close()

    def _task(self, work: Any) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        return task

    async def end(self) -> None:
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watch: Callable[[bytes], None]) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            watch(data)
            writer.write(data)
            await writer.drain()


async def _pass_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, throws_away: asyncio.Event) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            if throws_away.is_set():
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def wire(folder: Path) -> AsyncIterator[Wire]:
    made = Wire(folder)
    server = await asyncio.start_unix_server(made.serve, str(folder / ".s.PGSQL.5432"))
    try:
        yield made
    finally:
        server.close()
        await made.end()
        await server.wait_closed()
