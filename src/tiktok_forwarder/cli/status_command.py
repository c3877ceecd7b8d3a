"""`status`: what the service holds and has done."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from tiktok_forwarder.cli.api_client import call
from tiktok_forwarder.cli.options import config_options, settings_from


@click.command(short_help="Show books, queues and delivery by connection.")
@config_options
@click.option("--json", "as_json", is_flag=True, help="JSON also on a terminal.")
def status(config_file: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Print the state of every connection: a table on a terminal, one JSON object otherwise."""
    found = call(settings_from(config_file, data_dir=data_dir), "GET", "/api/status")
    if as_json or not sys.stdout.isatty():
        click.echo(json.dumps(found))
        return
    from rich.console import Console  # noqa: PLC0415  # only for a terminal

    console = Console()
    console.print(status_table(found))
    if not found["running"]:
        console.print("No service runs on this data directory: nothing is being delivered.", style="yellow")


def status_table(found: dict[str, Any]) -> Any:
    """The connections as a table of `rich`."""
    from rich.table import Table  # noqa: PLC0415  # only for a terminal

    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = ("connection", "state", "accepted", "delivered", "waiting", "dead letters", "duplicates")
    for column in columns:
        table.add_column(column, justify="left" if column in ("connection", "state") else "right")
    for each in found["connections"]:
        totals, queue, delivery = each["totals"], each["queue"] or {}, each["delivery"] or {}
        state = delivery.get("condition", "not running")
        figures = (
            totals.get("accepted", 0),
            totals.get("delivered", 0),
            queue.get("waiting", 0),
            queue.get("dead_letters", 0),
            totals.get("duplicate", 0),
        )
        why = delivery.get("why")
        table.add_row(each["name"], f"{state}: {why}" if why else state, *(f"{figure:,}" for figure in figures))
        for reason, count in sorted(each["dropped"].items(), key=lambda row: -row[1]):
            table.add_row("", f"  dropped: {reason}", f"{count:,}", style="dim")
    return table
