"""The schema of the database: created and brought up to date at a start, by one node at a time."""

from typing import Final

from tiktok_forwarder.domain.errors import ConfigurationError, StoreUnavailable
from tiktok_forwarder.store.postgres.database import Database, Session
from tiktok_forwarder.store.postgres.statements import migrations

EMPTY_DATABASE: Final = "store: the database is empty; choose the service's, or run `tiktok-forwarder serve` to fill it"
_OLDEST_SERVER: Final = 150_000


async def prepare(database: Database, *, may_create: bool) -> None:
    """Create the schema, if `may_create`, or bring it up to date. Raises `ConfigurationError` before any change."""
    try:
        await _check_server(database)
        version = await database.use(_version)
        if version == 0 and not may_create:
            raise ConfigurationError([EMPTY_DATABASE])
        if version < len(migrations()):
            await database.change(_migrate)
        version = await database.use(_version)
    except StoreUnavailable as error:
        remedy = "the role of the URL must own the schema forwarder, or be allowed to create it"
        raise ConfigurationError([f"store: cannot prepare the database: {error}; {remedy}"]) from None
    if version > len(migrations()):
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


async def _migrate(session: Session) -> None:
    await session.run("begin_migration")
    if not await session.value("has_schema"):
        await session.run("create_schema")
        await session.run("create_versions")
    version = await _version(session)
    for number, script in enumerate(migrations()[version:], version + 1):
        await session.run_script(script)
        await session.run("set_version", number)
