"""`settings`: every setting, its value, the value's source and what it means."""

import json
import os
import sys

import click

from tiktok_forwarder.cli.options import GivenSettings, given_options
from tiktok_forwarder.settings import ENVIRONMENT_PREFIX, KEY_VARIABLE


@click.command(short_help="Show every setting and the source of its value.")
@given_options
def settings(given: GivenSettings) -> None:
    """Print the settings, as text on a terminal, otherwise one JSON object per line."""
    for value in given.values():
        setting = value.setting
        if sys.stdout.isatty():
            click.secho(f"{setting.name} = {json.dumps(str(value.shown))}  ({value.source})", bold=True)
            click.echo(f"    {setting.help} [{ENVIRONMENT_PREFIX}{setting.name.upper()}]")
            continue
        line = {
            "name": setting.name,
            "value": value.shown,
            "source": value.source,
            "default": setting.default,
            "environment": ENVIRONMENT_PREFIX + setting.name.upper(),
            "help": setting.help,
        }
        click.echo(json.dumps(line))
    if sys.stdout.isatty():
        state = "set" if KEY_VARIABLE in os.environ else "not set: the key file is used"
        click.echo(f"{KEY_VARIABLE} is {state}.")
