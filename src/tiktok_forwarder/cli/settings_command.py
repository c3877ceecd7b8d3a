"""`settings`: every setting, its value, the value's source and what it means."""

import json
import os

import click

from tiktok_forwarder.cli.options import GivenSettings, given_options
from tiktok_forwarder.cli.output import json_option, printable, prints_tables
from tiktok_forwarder.settings import ENVIRONMENT_PREFIX, KEY_VARIABLE


@click.command(short_help="Show every setting and the source of its value.")
@given_options
@json_option
def settings(given: GivenSettings) -> None:
    """Print the settings, each with its value, the source of the value, and its meaning."""
    for value in given.values():
        setting = value.setting
        if prints_tables():
            click.secho(f"{setting.name} = {json.dumps(str(value.shown))}  ({printable(value.source)})", bold=True)
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
    if prints_tables():
        state = "set" if KEY_VARIABLE in os.environ else "not set: the key file is used"
        click.echo(f"{KEY_VARIABLE} is {state}.")
