"""`console-link`: a link into the console, for the first administrator or for somebody without a password."""

from pathlib import Path
from urllib.parse import quote

import click

from tiktok_forwarder.api.types import ConsoleLink
from tiktok_forwarder.cli.api_client import call_running, read_as
from tiktok_forwarder.cli.options import config_options, settings_from


@click.command("console-link", short_help="Print a link into the console.")
@config_options
@click.option("--user", help="Whose password the link sets; without it, the link makes the first administrator.")
def console_link(config_file: Path | None, data_dir: Path | None, user: str | None) -> None:
    """Print a link that works once: it opens the console of the running service, to set a password.

    The link of a user holds for a day, the first for half an hour; a restart of the service voids both.
    """
    path = f"/api/users/{quote(user, safe='')}/link" if user is not None else "/api/console-link"
    link = read_as(ConsoleLink, call_running(settings_from(config_file, data_dir=data_dir), "POST", path, {}))
    click.echo(f"{link.base}{link.path}")
