"""`api-keys`: who may speak to the API over the network."""

import json
from pathlib import Path
from urllib.parse import quote

import click

from tiktok_forwarder.access.api_keys import SCOPES
from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from
from tiktok_forwarder.cli.output import print_lines


@click.group("api-keys", short_help="Make, list and revoke API keys.")
def api_keys() -> None:
    """API keys let programs use the API at /api/ of the service's port; commands on this machine need none."""


@api_keys.command()
@config_options
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), default="read", show_default=True, help="What the key may do.")
def make(config_file: Path | None, data_dir: Path | None, name: str, scope: str) -> None:
    """Make a key called NAME and print it; it is shown this once.

    read looks; operate also pauses, resumes, checks, replays and discards; admin changes everything.
    """
    body = {"name": name, "scope": scope}
    click.echo(json.dumps(call(settings_from(config_file, data_dir=data_dir), "POST", "/api/keys", body)))


@api_keys.command("list")
@config_options
def list_keys(config_file: Path | None, data_dir: Path | None) -> None:
    """Print the keys, one JSON object a line, without their secrets."""
    print_lines(call(settings_from(config_file, data_dir=data_dir), "GET", "/api/keys"))


@api_keys.command()
@config_options
@click.argument("name")
def revoke(config_file: Path | None, data_dir: Path | None, name: str) -> None:
    """Revoke the key NAME (or its id): it opens nothing from now on."""
    settings = settings_from(config_file, data_dir=data_dir)
    click.echo(json.dumps(call(settings, "DELETE", f"/api/keys/{quote(name, safe='')}")))
