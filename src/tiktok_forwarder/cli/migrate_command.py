"""`migrate`: move all contents of a store to another one."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Final

import click
from msgspec import structs

from tiktok_forwarder.cli.options import GivenSettings
from tiktok_forwarder.cli.output import json_option, print_message, print_record
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.operations.migration import migrate, movable_directory, movable_server, undo
from tiktok_forwarder.settings import KEY_VARIABLE
from tiktok_forwarder.store.moving import MovableStore, Part
from tiktok_forwarder.store.postgres.address import is_address

_LABELS: Final[Mapping[Part, str]] = {
    "documents": "documents",
    "document_history": "revisions of documents",
    "known_keys": "de-duplication keys",
    "dead_letters": "dead letters",
    "returned": "waiting events that were returned",
    "fresh": "waiting events",
}


@click.command("migrate", short_help="Move all contents to another store.")
@json_option
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Settings, as TOML: max_store_bytes, for a new data directory, and postgresql_pooler are used.",
)
@click.option("--from", "source", metavar="STORE", required=True, help="Data directory, or PostgreSQL URL.")
@click.option("--to", "target", metavar="STORE", help="Empty or missing data directory, or URL of an empty database.")
@click.option(
    "--undo", "is_undone", is_flag=True, help="Use --from again, and not --to, in which nothing may have changed since."
)
def migrate_command(config_file: Path | None, source: str, target: str | None, is_undone: bool) -> None:
    """Move connections, inputs, users, waiting events, dead letters, totals and de-duplication keys to another store.

    A STORE is a data directory, or a URL such as postgresql://user@host/database (better without its password). Nothing
    may use either of them. If the command is interrupted, repeat it. Afterwards no service starts on the old store,
    which still contains everything, so no event is delivered from both. The activity and the encryption key do not
    move.
    """
    if target is None and not is_undone:
        raise click.UsageError("Missing option '--to'.")
    asyncio.run(
        _undo(config_file, source, target) if target is None or is_undone else _migrate(config_file, source, target)
    )


async def _migrate(config_file: Path | None, source: str, target: str) -> None:
    async with (
        _open(config_file, source, is_source=True) as from_store,
        _open(config_file, target, is_source=False) as to_store,
    ):
        migrated = await migrate(from_store, to_store, _print_progress)
    print_record(structs.asdict(migrated))
    print_message(
        f"the encryption key and the activity did not move: {migrated.store} needs the same encryption.key or "
        f"{KEY_VARIABLE}"
    )
    print_message(f"erasing a person does not reach {from_store.name} any more: delete it once it is not needed")


async def _undo(config_file: Path | None, source: str, target: str | None) -> None:
    async with AsyncExitStack() as opened:
        from_store = await opened.enter_async_context(_open(config_file, source, is_source=True))
        to_store = None
        if target is not None:
            to_store = await opened.enter_async_context(_open(config_file, target, is_source=True))
        await undo(from_store, to_store)
    print_message(f"{from_store.name} can be used again")


def _open(config_file: Path | None, store: str, *, is_source: bool) -> AbstractAsyncContextManager[MovableStore]:
    if is_address(store):
        settings = GivenSettings(config_file, None, store).settings()
        return movable_server(store, settings.pool_limits(), is_source=is_source)
    if "://" in store:
        url = "a PostgreSQL URL such as postgresql://user@host/database, with special characters percent-encoded"
        raise ConfigurationError([f"STORE must be a data directory or {url}"])
    settings = GivenSettings(config_file, Path(store), "sqlite").settings()
    return movable_directory(settings.database_file, settings.max_store_bytes or None, is_source=is_source)


def _print_progress(part: Part, done: int, total: int) -> None:
    print_message(f"{_LABELS[part]}: {done:,} of {total:,}")
