"""The store that a test's services use: SQLite, or a PostgreSQL database for each of their data directories.

`pytest --store=postgresql` chooses for all tests; a test that is marked `both_stores` runs on each.
"""

import asyncio
import io
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from tests.postgres_server import shared_server
from tiktok_forwarder.store.postgres.store import PostgresStore

StoreKind = Literal["sqlite", "postgresql"]
STORE_VARIABLE = "TIKTOK_FORWARDER_STORE"
_prepared: list[str] = []


async def prepared_database() -> str:
    """A database with the schema, to be copied: creating it anew takes longer than most tests."""
    if not _prepared:
        name = await shared_server().create_database()
        await (await PostgresStore.open(shared_server().address(name))).close()
        _prepared.append(name)
    return _prepared[0]


class StoreChoice:
    """The kind of the stores of the test that runs, and the database of each data directory."""

    def __init__(self) -> None:
        self.kind: StoreKind = "sqlite"
        self._databases: dict[Path, str] = {}
        self._shared: set[Path] = set()

    def variables(self, data_dir: Path | None) -> dict[str, str]:
        """The environment of a process on this data directory."""
        return {} if self.kind == "sqlite" or data_dir is None else {STORE_VARIABLE: self.store_of(data_dir)}

    def store_of(self, data_dir: Path) -> str:
        """The value of the setting `store`. A data directory keeps its database, like its file."""
        if self.kind == "sqlite":
            return "sqlite"
        place = data_dir.absolute()
        if place not in self._databases:
            self._databases[place] = run_apart(_new_database())
        return shared_server().address(self._databases[place])

    def copy(self, source: Path, target: Path) -> None:
        """Give a copy of a data directory a copy of its database. Nothing may use that at the moment."""
        if self.kind == "postgresql":
            name = self._databases[source.absolute()]
            self._databases[target.absolute()] = run_apart(shared_server().create_database(name))

    def tables(self, data_dir: Path) -> dict[str, bytes]:
        """What can be queried of the directory's database, by table: each column's bytes as they are stored."""
        name = self._databases.get(data_dir.absolute())
        return run_apart(_tables(name)) if name is not None and self.kind == "postgresql" else {}

    def share(self, data_dir: Path) -> None:
        """Keep the directory's database for the tests to come."""
        self._shared.add(data_dir.absolute())

    def directories(self) -> set[Path]:
        return set(self._databases)

    def drop_others(self, kept: set[Path]) -> None:
        """Drop the databases of all other data directories but the shared ones."""
        for place in self.directories() - kept - self._shared:
            run_apart(shared_server().drop_database(self._databases.pop(place)))


async def _tables(database: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    async with shared_server().connection(database) as connection:
        for (table,) in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'forwarder'"):
            rows = io.BytesIO()
            query = f"SELECT * FROM forwarder.{table}"  # noqa: S608 - a name from the catalog
            await connection.copy_from_query(query, output=rows, format="binary")
            found[table] = rows.getvalue()
    return found


async def _new_database() -> str:
    return await shared_server().create_database(await prepared_database())


def run_apart(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a thread of its own, since the test may be within an event loop; return what it returns."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


STORES = StoreChoice()


def stored_contents(data_dir: Path) -> dict[str, bytes]:
    """All that a service has stored: the files of its data directory, and the tables of its database."""
    files = {file.name: file.read_bytes() for file in data_dir.iterdir() if file.is_file()}
    tables = STORES.tables(data_dir)
    assert tables or "events.db" in files
    return {**files, **tables}


def without_machine_warnings(log: str) -> str:
    """A service's log without its warnings about the test server, which does not sync, and about a busy machine."""
    return "".join(
        line
        for line in log.splitlines(keepends=True)
        if not line.startswith('{"risk"') and "the event loop was delayed" not in line
    )
