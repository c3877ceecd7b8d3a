"""`users`: the console's users."""

from typing import Final
from urllib.parse import quote

import click

from tiktok_forwarder.access.users import ROLES
from tiktok_forwarder.api.types import ConsoleLink
from tiktok_forwarder.cli.api_client import call, call_running, read_as
from tiktok_forwarder.cli.completing import user_names
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import Column, json_option, print_record, print_records, time_column
from tiktok_forwarder.settings import Settings

_COLUMNS: Final = (
    Column("name", "name"),
    Column("role", "role"),
    Column("has a password", "has_password"),
    time_column("created", "created_at_ms"),
)
_role = click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True, help="Role of the user.")


@click.group(short_help="Add, list and remove the console's users.")
def users() -> None:
    """Users log in to the console. Viewers can see everything; administrators can also change everything."""


@users.command("list")
@config_options
@json_option
def list_users(settings: Settings) -> None:
    """Print the users."""
    print_records(call(settings, "GET", "/api/users"), _COLUMNS, "No users yet.")


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
@json_option
@click.argument("name", shell_complete=user_names)
@click.argument("role", type=click.Choice(ROLES))
def set_role(settings: Settings, name: str, role: str) -> None:
    """Change the role of the user NAME to viewer or admin."""
    print_record(call(settings, "PATCH", _one(name), {"role": role}))


@users.command()
@config_options
@json_option
@click.argument("name", shell_complete=user_names)
def remove(settings: Settings, name: str) -> None:
    """Remove the user NAME and end their sessions."""
    print_record(call(settings, "DELETE", _one(name)))


def _one(name: str) -> str:
    return f"/api/users/{quote(name, safe='')}"
