"""`inputs`: who may send."""

import json
from pathlib import Path

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from


@click.group(short_help="Add and list the inputs that may send.")
def inputs() -> None:
    """Inputs are the senders: a key and secret for SDKs, an Authorization value for a webhook."""


@inputs.command()
@config_options
@click.option("--name", required=True, help="Name of the input; it stands in a webhook's address.")
@click.option("--key", help="Key for SDKs; made up unless given.")
@click.option("--secret", help="Secret for SDKs; made up unless given.")
@click.option("--authorization", help="Authorization value of a webhook; made up unless given.")
def add(
    config_file: Path | None,
    data_dir: Path | None,
    name: str,
    key: str | None,
    secret: str | None,
    authorization: str | None,
) -> None:
    """Add an input and print what its sender needs. The secrets are shown this once."""
    given = {"name": name, "key": key, "secret": secret, "authorization": authorization}
    click.echo(json.dumps(call(settings_from(config_file, data_dir=data_dir), "POST", "/api/inputs", given)))


@inputs.command("list")
@config_options
def list_inputs(config_file: Path | None, data_dir: Path | None) -> None:
    """Print the inputs, one JSON object a line, without their secrets."""
    for each in call(settings_from(config_file, data_dir=data_dir), "GET", "/api/inputs"):
        click.echo(json.dumps(each))
