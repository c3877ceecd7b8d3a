"""`backup` and `restore`: a copy of the database while it is in use, and the way back."""

import json
from pathlib import Path

import click
from msgspec import structs

from tiktok_forwarder.cli.options import config_options, settings_from
from tiktok_forwarder.cli.output import tell
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.operations.backup import back_up_to, restore_from
from tiktok_forwarder.settings import KEY_VARIABLE

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Copy the database, also while a service uses it.")
@config_options
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
def backup(config_file: Path | None, data_dir: Path | None, file: Path, force: bool) -> None:
    """Copy the database to FILE and check the copy: events, books, connections and inputs as of this moment.

    The key file is not in it, so that a backup alone opens no secret: keep a copy of the key elsewhere. Erasing a
    person does not reach backups: delete those that are older, or erase again after a restore.
    """
    settings = settings_from(config_file, data_dir=data_dir)
    if settings.store != "sqlite":
        raise ConfigurationError([f"store: {settings.store} leaves nothing on disk to back up"])
    made = back_up_to(file, settings.database_file, overwrite=force)
    click.echo(json.dumps(structs.asdict(made)))
    tell(
        f"the key of the secrets is not in the backup: keep {settings.encryption_key_file} or {KEY_VARIABLE} elsewhere"
    )


@click.command(short_help="Put a backup in the database's place.")
@config_options
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Replace the database that is there.")
def restore(config_file: Path | None, data_dir: Path | None, file: Path, force: bool) -> None:
    """Check FILE and put it in the database's place; no service may run on the data directory.

    The key that was in use when the backup was made is needed too. What waited in the backup is delivered again: TikTok
    recognises what it has seen within 48 hours, and counts twice what is older.
    """
    settings = settings_from(config_file, data_dir=data_dir)
    restored = restore_from(file, settings.database_file, settings.activity_file, overwrite=force)
    click.echo(json.dumps(structs.asdict(restored)))
    tell("erase again whoever was erased since the backup was made")
