"""`users`: the console's users."""

import json
from typing import Any
from urllib.parse import quote

import click

from tiktok_forwarder.access.users import ROLES
from tiktok_forwarder.api.types import ConsoleLink
from tiktok_forwarder.cli.api_client import call, call_running, read_as
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import print_lines
from tiktok_forwarder.settings import Settings

_role = click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="Role of the user.")


@click.group(short_help="Add, list and remove the console's users.")
def users() -> None:
    """Users log in to the console. Viewers can see everything; administrators can also change everything."""


@users.command("list")
@config_options
def list_users(settings: Settings) -> None:
    """Print the users, one JSON object per line."""
    print_lines(call(settings, "GET", "/api/users"))


@users.command()
@config_options
@click.argument("name")
@_role
def add(settings: Settings, name: str, role: str) -> None:
    """Add the user NAME and print a link to set the password.

    The service must be running. The link works once, and is valid for one day.
    """
    link = read_as(ConsoleLink, call_running(settings, "POST", "/api/users", {"name": name, "role": role}))
    click.echo(f"{link.base}{link.path}")


@users.command("set-role")
@config_options
@click.argument("name")
@click.argument("role", type=click.Choice(ROLES))
def set_role(settings: Settings, name: str, role: str) -> None:
    """Change the role of the user NAME to viewer or admin."""
    _print(call(settings, "PATCH", _one(name), {"role": role}))


@users.command()
@config_options
@click.argument("name")
def remove(settings: Settings, name: str) -> None:
    """Remove the user NAME and end their sessions."""
    _print(call(settings, "DELETE", _one(name)))


def _one(name: str) -> str:
    return f"/api/users/{quote(name, safe='')}"


def _print(answer: Any) -> None:
    click.echo(json.dumps(answer))
