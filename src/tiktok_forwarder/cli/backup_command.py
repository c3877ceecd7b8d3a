"""`backup` and `restore`: copy the database while it is in use, and restore it from a copy."""

from datetime import UTC, datetime
from pathlib import Path

import click
from msgspec import structs

from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import json_option, print_message, print_record
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.operations.backup import back_up_and_keep, back_up_to, restore_from
from tiktok_forwarder.settings import KEY_VARIABLE, Settings

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Back up the database, even while the service runs.")
@config_options
@json_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it is a backup.")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="FILE is a directory: write a file named by the time there, and delete all but the N newest backups.",
)
def backup(settings: Settings, file: Path, force: bool, keep: int | None) -> None:
    """Copy the database to FILE and check the copy: events, totals, connections and inputs.

    The backup does not contain the key file, so it alone reveals no secret: keep a copy of the key elsewhere. Erasing a
    person does not change backups: delete older backups, or erase the person again after a restore.
    """
    _require_file(settings)
    if keep is None:
        made = back_up_to(file, settings.database_file, overwrite=force)
    else:
        made = back_up_and_keep(file, settings.database_file, now=datetime.now(UTC), keep=keep)
    print_record(structs.asdict(made))
    print_message(
        "the backup does not contain the encryption key: "
        f"keep {settings.encryption_key_file} or {KEY_VARIABLE} elsewhere"
    )


@click.command(short_help="Restore the database from a backup.")
@config_options
@json_option
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Replace the existing database.")
def restore(settings: Settings, file: Path, force: bool) -> None:
    """Check FILE and restore the database from it. No service may run on the data directory.

    The encryption key that was in use when the backup was made is needed too. The backup's waiting events are delivered
    again: TikTok ignores repeats within 48 hours, and counts older ones twice.
    """
    _require_file(settings)
    restored = restore_from(file, settings.database_file, settings.activity_file, overwrite=force)
    print_record(structs.asdict(restored))
    print_message("repeat each erasure that was made since the backup")


def _require_file(settings: Settings) -> None:
    """Raise `ConfigurationError` unless the store is a file."""
    if settings.database_address is not None:
        raise ConfigurationError(
            [
                "store: this command is for sqlite; back up and restore a PostgreSQL database with its own tools, such "
                "as pg_dump or pgBackRest, and keep the encryption key elsewhere"
            ]
        )
    if settings.store != "sqlite":
        raise ConfigurationError([f"store: {settings.store} keeps nothing on disk"])
