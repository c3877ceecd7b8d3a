"""`audit`: who did what, for actions that no other history records."""

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import print_lines
from tiktok_forwarder.settings import Settings


@click.command(short_help="Show who erased, replayed and discarded events.")
@config_options
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Number of entries to print."
)
def audit(settings: Settings, limit: int) -> None:
    """Print the latest audit log entries, newest first, one JSON object per line.

    Changes to connections, such as a new access token, are in `connections history`.
    """
    print_lines(call(settings, "GET", f"/api/audit?limit={limit}"))
