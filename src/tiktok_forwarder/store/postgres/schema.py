"""The schema of the database: created and brought up to date at a start, by one node at a time."""

import re
from typing import Final

from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.postgres.statements import migrations

EMPTY_DATABASE: Final = "store: the database is empty; choose the service's, or run `tiktok-forwarder serve` to fill it"
_OLDEST_SERVER: Final = 150_000
# The first line of a migration. A program is named by the number of migrations that it knows.
_OLDEST_PROGRAM: Final = re.compile(r"-- oldest program: (\d+)\n")


async def prepare(database: Database, *, may_create: bool) -> None:
    """Create the schema, if `may_create`, or bring it up to date. Raises `ConfigurationError` before any change.

    A newer program may have changed the schema, unless it has made it unusable for this one.
    """
    try:
        await _check_server(database)
        version = await database.use(_version)
        if version == 0 and not may_create:
            raise ConfigurationError([EMPTY_DATABASE])
        if version < len(migrations()):
            await database.change(_migrate)
        is_newer = await database.use(_is_too_new)
    except StoreUnavailable as error:
        remedy = "the role of the URL must own the schema forwarder, or be allowed to create it"
        raise ConfigurationError([f"store: cannot prepare the database: {error}; {remedy}"]) from None
    if is_newer:
        raise ConfigurationError(
            ["store: the database was written by a newer version of this program: update this one"]
        )


async def _check_server(database: Database) -> None:
    server = await database.value("server_version")
    if server < _OLDEST_SERVER:
        found = f"{server // 10_000}.{server % 10_000}"
        raise ConfigurationError([f"store: PostgreSQL {found} is too old: 15 or newer is needed"])


async def _version(session: Session) -> int:
    return int(await session.value("version")) if await session.value("has_schema") else 0


async def _is_too_new(session: Session) -> bool:
    known = len(migrations())
    return await _version(session) > known and int(await session.value("oldest_program", known)) > known


async def _migrate(session: Session) -> None:
    await session.run("begin_migration")
    if not await session.value("has_schema"):
        await session.run("create_schema")
        await session.run("create_versions")
    version = await _version(session)
    for number, script in enumerate(migrations()[version:], version + 1):
        await session.run_script(script)
        await session.run("set_version", number)
        if found := _OLDEST_PROGRAM.match(script):
            await session.run("set_oldest_program", number, int(found[1]))
