"""`keys`: the key that stored secrets are encrypted with."""

import json
from pathlib import Path

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from
from tiktok_forwarder.cli.output import tell


@click.group(short_help="Change the key that stored secrets are encrypted with.")
def keys() -> None:
    """The encryption key of access tokens and input secrets; the keys of the API are `api-keys`."""


@keys.command()
@config_options
def rotate(config_file: Path | None, data_dir: Path | None) -> None:
    """Encrypt every stored secret with a new key and put it in the key file, also while a service runs.

    The old key opens nothing here afterwards, but backups made before need it: make a new one.
    """
    rotated = call(settings_from(config_file, data_dir=data_dir), "POST", "/api/encryption-key/rotate")
    click.echo(json.dumps(rotated))
    tell("backups made until now need the old key: make a new backup")
