"""`inputs`: who may send."""

import json
from pathlib import Path
from urllib.parse import quote

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from
from tiktok_forwarder.cli.output import print_lines, tell


@click.group(short_help="Add, list, rotate and remove the inputs that may send.")
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
    print_lines(call(settings_from(config_file, data_dir=data_dir), "GET", "/api/inputs"))


@inputs.command()
@config_options
@click.argument("name")
@click.option("--secret", help="New secret; made up unless given.")
@click.option("--authorization", help="New Authorization value; made up unless given.")
@click.option("--finish", is_flag=True, help="End a rotation: the old secret is refused from now on.")
def rotate(
    config_file: Path | None,
    data_dir: Path | None,
    name: str,
    secret: str | None,
    authorization: str | None,
    finish: bool,
) -> None:
    """Give input NAME new secrets, which are shown this once; the old ones stay valid until --finish."""
    settings = settings_from(config_file, data_dir=data_dir)
    path = f"/api/inputs/{quote(name, safe='')}"
    if finish:
        click.echo(json.dumps(call(settings, "POST", f"{path}/retire")))
        return
    given = {"secret": secret, "authorization": authorization}
    click.echo(json.dumps(call(settings, "POST", f"{path}/rotate", given)))
    tell(f"old and new secret are both valid; when every sender has the new one: inputs rotate {name} --finish")


@inputs.command()
@config_options
@click.argument("name")
def remove(config_file: Path | None, data_dir: Path | None, name: str) -> None:
    """Remove input NAME: its senders are refused from now on."""
    settings = settings_from(config_file, data_dir=data_dir)
    click.echo(json.dumps(call(settings, "DELETE", f"/api/inputs/{quote(name, safe='')}")))
