"""The pool of connections: runs named statements and transactions, and translates every error of PostgreSQL."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self, TypeVar

import asyncpg

from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.store.postgres.address import hosts_in, is_address, missing_files, passwords_in
from tiktok_forwarder.store.postgres.errors import FOREIGN_ERRORS, AnswerLost, is_conflict, is_stale, meaning_of
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.store.postgres.servers import ConnectionsInUse, ServerConnection, Servers
from tiktok_forwarder.store.postgres.statements import STATEMENTS

_MAX_CONFLICTS: Final = 5

Result = TypeVar("Result")


class Session:
    """One connection in use, which runs statements by name."""

    def __init__(self, connection: Any, statements: Mapping[str, str]) -> None:
        self._connection = connection
        self._statements = statements

    async def rows(self, name: str, *values: Any) -> list[Any]:
        """Return every row; the statement determines the columns."""
        found: list[Any] = await self._connection.fetch(self._statements[name], *values)
        return found

    async def value(self, name: str, *values: Any) -> Any:
        """Return the first column of the first row; None if there is no row."""
        return await self._connection.fetchval(self._statements[name], *values)

    async def run(self, name: str, *values: Any) -> None:
        await self._connection.execute(self._statements[name], *values)

    async def run_many(self, name: str, values: list[tuple[Any, ...]]) -> None:
        await self._connection.executemany(self._statements[name], values)

    async def copy(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows to a table, faster than by a statement for each."""
        await self._connection.copy_records_to_table(table, schema_name="forwarder", columns=columns, records=rows)

    async def run_script(self, script: str) -> None:
        await self._connection.execute(script)


class Database:
    """The connections of one process. Every method raises `StoreUnavailable`, without the passwords of the address.

    `problem` names what made the last use fail, until a use succeeds; it is empty while there is none.
    """

    def __init__(
        self, pool: Any, servers: Servers, passwords: Sequence[str], limits: PoolLimits, statements: Mapping[str, str]
    ) -> None:
        self.problem = ""
        self._pool = pool
        self._servers = servers
        self._statements = statements
        self._passwords = passwords
        self._limits = limits
        self._in_use = ConnectionsInUse(self.connect_alone, pool.expire_connections)

    @classmethod
    async def connect(cls, address: str, limits: PoolLimits, statements: Mapping[str, str] = STATEMENTS) -> Self:
        """Connect to the server, the one that can write if there are several. Raises `ConfigurationError`."""
        if not is_address(address):
            raise ConfigurationError(["store: must be a PostgreSQL URL such as postgresql://user@host/database"])
        if missing := missing_files(address):
            raise ConfigurationError(missing)
        passwords = passwords_in(address)
        servers = Servers(address, has_pooler=limits.has_pooler)
        pool: Any = None
        try:
            pool = asyncpg.create_pool(
                address,
                # A pool that keeps connections logs a traceback for each that it cannot replace.
                min_size=0,
                max_size=limits.connections,
                reset=_keep_session,
                connect=servers.connect,
                connection_class=ServerConnection,
                **_connection_options(limits),
            )
            # A password file that other users can read is ignored with a warning.
            with warnings.catch_warnings(action="error", category=UserWarning):
                await pool
                async with pool.acquire(timeout=limits.connect_seconds):
                    pass
        except (*FOREIGN_ERRORS, ValueError, UserWarning) as error:
            if pool is not None:
                pool.terminate()
            place = " at ".join(["PostgreSQL", *filter(None, [hosts_in(address)])])
            reason = _one_line(error, passwords)
            raise ConfigurationError([f"store: cannot connect to {place}: {reason}"]) from None
        return cls(pool, servers, passwords, limits, statements)

    @property
    def has_pooler(self) -> bool:
        return self._limits.has_pooler

    async def connect_alone(self) -> ServerConnection:
        """Return a new connection outside the pool; raises errors of the library."""
        async with asyncio.timeout(self._limits.connect_seconds):
            return await self._servers.connect(**_connection_options(self._limits))

    async def rows(self, name: str, *values: Any) -> list[Any]:
        """Return every row; repeated if the connection was lost, so the statement may run twice."""
        return await self.read(lambda session: session.rows(name, *values))

    async def value(self, name: str, *values: Any) -> Any:
        """Return the first column of the first row, as `rows` does."""
        return await self.read(lambda session: session.value(name, *values))

    async def call(self, name: str, *values: Any) -> Any:
        """Return what a function returns that changes something; it is called once."""
        return await self.use(lambda session: session.value(name, *values))

    async def run(self, name: str, *values: Any) -> None:
        await self.use(lambda session: session.run(name, *values))

    async def read(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Run `work` as `use` does; again if the connection was lost."""
        return await self._again_when_lost(lambda: self.use(work))

    async def use(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Run `work` on a connection, without a transaction of its own; again after a conflict with another."""
        if self._limits.has_pooler:
            return await self.change(work)
        return await self._again_after_conflicts(lambda connection: work(Session(connection, self._statements)))

    async def change(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Run `work` as one transaction; again, from the start, after a conflict with another."""

        async def run(connection: Any) -> Result:
            async with connection.transaction():
                return await work(Session(connection, self._statements))

        return await self._again_after_conflicts(run)

    async def look(self, work: Callable[[Session], Awaitable[Result]]) -> Result:
        """Run reads that all see the same moment."""

        async def run(connection: Any) -> Result:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return await work(Session(connection, self._statements))

        return await self._again_when_lost(lambda: self._again_after_conflicts(run))

    async def close(self) -> None:
        """Close every connection; waits for those in use no longer than a statement may take."""
        await self._in_use.close()
        try:
            await asyncio.wait_for(self._pool.close(), self._limits.statement_seconds)
        except FOREIGN_ERRORS:
            self._pool.terminate()

    async def _again_when_lost(self, run: Callable[[], Awaitable[Result]]) -> Result:
        try:
            return await run()
        except AnswerLost:
            return await run()

    async def _again_after_conflicts(self, run: Callable[[Any], Awaitable[Result]]) -> Result:
        for _ in range(_MAX_CONFLICTS):
            try:
                return await self._translated(run)
            except _Conflict:
                continue
        raise StoreUnavailable("the PostgreSQL store cannot be changed: other changes are in the way again and again")

    async def _translated(self, run: Callable[[Any], Awaitable[Result]]) -> Result:
        is_connected = False
        try:
            async with self._acquired() as connection:
                is_connected = True
                result = await run(connection)
        except FOREIGN_ERRORS as error:
            if is_conflict(error):
                raise _Conflict from None
            if is_stale(error):
                await self._pool.expire_connections()
            meaning = meaning_of(error, is_connected=is_connected)
            self.problem = meaning.problem
            reason = _one_line(error, self._passwords)
            raise meaning.kind(f"the PostgreSQL store cannot be used: {reason}") from None
        self.problem = ""
        return result

    @asynccontextmanager
    async def _acquired(self) -> AsyncIterator[Any]:
        connection = await self._pool.acquire(timeout=self._limits.connect_seconds)
        try:
            with self._in_use.using(connection):
                yield connection
        finally:
            await self._pool.release(connection)


class _Conflict(Exception):
    """The server undid a change because of another one."""


async def _keep_session(_: object) -> None:
    """Leave a connection as it is: this program changes no state of a session, so nothing needs a round trip."""


def _connection_options(limits: PoolLimits) -> dict[str, Any]:
    return {
        "timeout": limits.connect_seconds,
        "command_timeout": limits.statement_seconds + limits.connect_seconds,
        "statement_cache_size": 0 if limits.has_pooler else 200,
        "target_session_attrs": "read-write",
        "server_settings": _server_settings(limits),
    }


def _server_settings(limits: PoolLimits) -> Mapping[str, str]:
    if limits.has_pooler:
        return {"application_name": "tiktok-forwarder"}
    return {
        "application_name": "tiktok-forwarder",
        "statement_timeout": f"{limits.statement_seconds:g}s",
        # A node that is suspended within a transaction must not block the others.
        "idle_in_transaction_session_timeout": f"{limits.idle_in_transaction_seconds:g}s",
        # Compiling a statement takes longer than any of them.
        "jit": "off",
    }


def _one_line(error: BaseException, passwords: Sequence[str]) -> str:
    text = str(error).strip() or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)
    line = text.splitlines()[0]
    for password in passwords:
        line = line.replace(password, "…")
    return line
