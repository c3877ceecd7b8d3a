"""`status`: totals, queues and delivery state of the service."""

import json
import sys
import time
from typing import Any

import click

from tiktok_forwarder.api.types import StatusView
from tiktok_forwarder.cli.api_client import ApiSession, read_as
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.kafka.consumers import KafkaInputStatus
from tiktok_forwarder.settings import Settings


@click.command(short_help="Show totals, queues and delivery state per connection.")
@config_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON even on a terminal.")
@click.option("--once", is_flag=True, help="Print the table once instead of updating it on a terminal.")
def status(settings: Settings, as_json: bool, once: bool) -> None:
    """Show totals, queues and delivery state per connection: a live table on a terminal, otherwise one JSON object."""
    with ApiSession(settings) as session:
        answer = session.ask("GET", "/api/status")
        found = read_as(StatusView, answer)
        if as_json or not sys.stdout.isatty():
            click.echo(json.dumps(answer))
        elif once or not found.running:
            _print_once(found, has_other_nodes=settings.database_address is not None)
        else:
            _keep_up_to_date(session, found)


def _print_once(found: StatusView, *, has_other_nodes: bool) -> None:
    from rich.console import Console  # noqa: PLC0415  # only for a terminal

    console = Console()
    console.print(status_table(found))
    if not found.running:
        of_directory = "The service is not running on this data directory: no events are delivered."
        console.print("No node reports that it delivers events." if has_other_nodes else of_directory, style="yellow")


def _keep_up_to_date(session: ApiSession, found: StatusView) -> None:
    from rich.live import Live  # noqa: PLC0415  # only for a terminal

    with Live(status_table(found), auto_refresh=False) as live:
        while True:
            time.sleep(1)
            live.update(status_table(read_as(StatusView, session.ask("GET", "/api/status"))), refresh=True)


def _kafka_line(found: KafkaInputStatus) -> str:
    state = found.state if found.consumers else "not running"
    lag = f"Kafka input {found.name}: {state}, {len(found.partitions)} partitions assigned, lag {found.lag:,} messages"
    return f"{lag}; {found.problem}" if found.problem else lag


def _state_words(delivery: DeliveryStatus | None) -> str:
    if delivery is None:
        return "not running"
    words = delivery.condition.replace("_", " ")
    return f"{words}, paused" if delivery.is_paused and delivery.condition != "paused" else words


def status_table(found: StatusView) -> Any:
    """Return the connections as a table of `rich`."""
    from rich.table import Table  # noqa: PLC0415  # only for a terminal

    problems = [f"store problems: {', '.join(found.store_problems)}"] if found.store_problems else []
    caption = "\n".join([*problems, *found.warnings, *map(_kafka_line, found.kafka_inputs)]) or None
    table = Table(box=None, header_style="bold", pad_edge=False, caption=caption)
    columns = ("connection", "state", "accepted", "delivered", "waiting", "dead letters", "duplicates")
    for column in columns:
        table.add_column(column, justify="left" if column in ("connection", "state") else "right")
    for each in found.connections:
        totals, queue, delivery = each.totals, each.queue, each.delivery
        state = _state_words(delivery)
        figures = (
            totals.get("accepted", 0),
            totals.get("delivered", 0),
            queue.waiting if queue is not None else 0,
            queue.dead_letters if queue is not None else 0,
            totals.get("duplicate", 0),
        )
        why = delivery.reason if delivery is not None else ""
        table.add_row(each.name, f"{state}: {why}" if why else state, *(f"{figure:,}" for figure in figures))
        for warning in each.warnings:
            table.add_row("", f"  {warning}", style="yellow")
        for reason, count in sorted(each.dropped.items(), key=lambda row: -row[1]):
            table.add_row("", f"  dropped: {reason}", f"{count:,}", style="dim")
    return table
