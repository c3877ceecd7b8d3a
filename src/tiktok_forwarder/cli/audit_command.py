"""`audit`: who did what, for actions that no other history records."""

from typing import Final

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import Column, json_option, print_records, time_column
from tiktok_forwarder.settings import Settings

_COLUMNS: Final = (
    time_column("at", "at_ms"),
    Column("by", "by"),
    Column("action", "action"),
    Column("details", "what", wraps=True),
)


@click.command(short_help="Show who erased, replayed and discarded events.")
@config_options
@json_option
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Number of entries to print."
)
def audit(settings: Settings, limit: int) -> None:
    """Print the latest audit log entries, newest first.

    Changes to connections, such as a new access token, are in `connections history`.
    """
    print_records(call(settings, "GET", f"/api/audit?limit={limit}"), _COLUMNS, "The audit log is empty.")
