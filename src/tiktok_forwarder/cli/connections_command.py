"""`connections`: the TikTok pixels that events go to."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from
from tiktok_forwarder.domain.errors import ConfigurationError

_FROM_ENVIRONMENT: Final = "env:"


@click.group(short_help="Add, list and show the connections to TikTok pixels.")
def connections() -> None:
    """A connection is one TikTok pixel with its settings and mappings, fed by all inputs or by those it names."""


@connections.command()
@config_options
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def add(config_file: Path | None, data_dir: Path | None, file: Path) -> None:
    """Add the connection of FILE (TOML) and print it, without its access token.

    \b
    A file needs no more than:
      name = "Shop"
      pixel_id = "…"
      access_token = "env:TIKTOK_TOKEN"
    """
    given = read_file(file)
    try:
        added = call(settings_from(config_file, data_dir=data_dir), "POST", "/api/connections", given)
    except ConfigurationError as error:
        raise ConfigurationError([f"{file}: {problem}" for problem in error.problems]) from None
    click.echo(json.dumps(added))


@connections.command("list")
@config_options
def list_connections(config_file: Path | None, data_dir: Path | None) -> None:
    """Print the connections, one JSON object a line."""
    for each in call(settings_from(config_file, data_dir=data_dir), "GET", "/api/connections"):
        click.echo(json.dumps(each))


@connections.command()
@config_options
@click.argument("name")
def show(config_file: Path | None, data_dir: Path | None, name: str) -> None:
    """Print the connection NAME (or its id) with all its settings but the access token."""
    found = call(settings_from(config_file, data_dir=data_dir), "GET", f"/api/connections/{quote(name, safe='')}")
    click.echo(json.dumps(found, indent=2))


def read_file(file: Path) -> dict[str, Any]:
    """A connection's keys from TOML, `env:NAME` replaced by the variable. Raises `ConfigurationError`."""
    try:
        given = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError([f"{file}: {error}"]) from None
    token = given.get("access_token")
    if isinstance(token, str) and token.startswith(_FROM_ENVIRONMENT):
        variable = token.removeprefix(_FROM_ENVIRONMENT)
        if not os.environ.get(variable):
            raise ConfigurationError([f"{file}: access_token: the environment variable {variable} is not set"])
        given["access_token"] = os.environ[variable]
    return given
