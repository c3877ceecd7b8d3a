"""`keys`: the encryption key of stored secrets."""

import json
from pathlib import Path

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from
from tiktok_forwarder.cli.output import print_message


@click.group(short_help="Rotate the encryption key of stored secrets.")
def keys() -> None:
    """The encryption key protects stored access tokens and input secrets. For API keys, see `api-keys`."""


@keys.command()
@config_options
def rotate(config_file: Path | None, data_dir: Path | None) -> None:
    """Encrypt every stored secret with a new key and write it to the key file, even while the service runs.

    Older backups still need the old key: make a new backup afterwards.
    """
    rotated = call(settings_from(config_file, data_dir=data_dir), "POST", "/api/encryption-key/rotate")
    click.echo(json.dumps(rotated))
    print_message("earlier backups need the old key; make a new backup")
