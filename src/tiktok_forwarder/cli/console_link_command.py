"""`console-link`: a console link for the first administrator or for a user without a password."""

from urllib.parse import quote

import click

from tiktok_forwarder.api.types import ConsoleLink
from tiktok_forwarder.cli.api_client import call_running, read_as
from tiktok_forwarder.cli.completing import user_names
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.settings import Settings


@click.command("console-link", short_help="Print a login link for the console.")
@config_options
@click.option(
    "--user",
    shell_complete=user_names,
    help="User who sets a password with the link; default: the first administrator.",
)
def console_link(settings: Settings, user: str | None) -> None:
    """Print a link to the running service's console, where its user sets a password. It works once.

    A user's link is valid for one day, the first administrator's for half an hour.
    """
    path = f"/api/users/{quote(user, safe='')}/link" if user is not None else "/api/console-link"
    link = read_as(ConsoleLink, call_running(settings, "POST", path, {}))
    click.echo(f"{link.base}{link.path}")
