"""`keys`: the encryption key of stored secrets."""

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import json_option, print_message, print_record
from tiktok_forwarder.settings import Settings


@click.group(short_help="Rotate the encryption key of stored secrets.")
def keys() -> None:
    """The encryption key protects stored access tokens and input secrets. For API keys, see `api-keys`."""


@keys.command()
@config_options
@json_option
def rotate(settings: Settings) -> None:
    """Encrypt every stored secret with a new key and write it to the key file, even while the service runs.

    Older backups still need the old key: make a new backup afterwards.
    """
    rotated = call(settings, "POST", "/api/encryption-key/rotate")
    print_record(rotated)
    print_message("earlier backups need the old key; make a new backup")
