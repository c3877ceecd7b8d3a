"""`status`: totals, queues and delivery state of the service."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from tiktok_forwarder.api.types import ConnectionStatus, StatusView
from tiktok_forwarder.cli.api_client import ApiSession, read_as
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import Column, json_option, print_record, prints_tables
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.kafka.consumers import KafkaInputStatus
from tiktok_forwarder.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

# A terminal of 80 characters shows them all.
_COLUMNS: Final = (
    Column("connection", "connection", wraps=True, narrowest=16),
    Column("state", "state", wraps=True, narrowest=16),
    Column("accepted", "accepted"),
    Column("delivered", "delivered"),
    Column("waiting", "waiting"),
    Column("dead letters", "dead_letters"),
)


@click.command(short_help="Show totals, queues and delivery state per connection.")
@config_options
@json_option
@click.option("--once", is_flag=True, help="Print the table once instead of updating it on a terminal.")
def status(settings: Settings, once: bool) -> None:
    """Show totals, queues and delivery state per connection: a live table on a terminal, otherwise one JSON object."""
    with ApiSession(settings) as session:
        answer = session.ask("GET", "/api/status")
        found = read_as(StatusView, answer)
        if not prints_tables():
            print_record(answer)
        elif once or not found.running:
            _print_once(found, has_other_nodes=settings.database_address is not None)
        else:
            _keep_up_to_date(session, found)


def _print_once(found: StatusView, *, has_other_nodes: bool) -> None:
    from tiktok_forwarder.cli.tables import terminal  # noqa: PLC0415  # only for a terminal

    console = terminal()
    console.print(status_view(found, console.width))
    if not found.running:
        of_directory = "The service is not running on this data directory: no events are delivered."
        console.print("No node reports that it delivers events." if has_other_nodes else of_directory, style="yellow")


def _keep_up_to_date(session: ApiSession, found: StatusView) -> None:
    from rich.live import Live  # noqa: PLC0415  # only for a terminal

    from tiktok_forwarder.cli.tables import terminal  # noqa: PLC0415  # only for a terminal

    console = terminal()
    with Live(live_view(found, console.width), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(1)
            found = read_as(StatusView, session.ask("GET", "/api/status"))
            live.update(live_view(found, console.width), refresh=True)


def live_view(found: StatusView, width: int) -> "RenderableType":
    """Return what a terminal shows until the command ends, and how to end it."""
    from rich.console import Group  # noqa: PLC0415  # only for a terminal

    from tiktok_forwarder.cli.tables import shown  # noqa: PLC0415  # only for a terminal

    return Group(status_view(found, width), shown("Ctrl-C ends this; --once shows it once.", "dim"))


def status_view(found: StatusView, width: int) -> "RenderableType":
    """Return what a terminal of this width shows: the connections, and what is about the service as a whole."""
    from rich.console import Group  # noqa: PLC0415  # only for a terminal

    from tiktok_forwarder.cli.tables import shown, table_or_blocks  # noqa: PLC0415  # only for a terminal

    records = [_record(each) for each in found.connections]
    problems = [f"store problems: {', '.join(found.store_problems)}"] if found.store_problems else []
    lines = [*problems, *found.warnings, *map(_kafka_line, found.kafka_inputs)]
    tables = table_or_blocks(records, _COLUMNS, width) if records else [shown("No connections yet.")]
    return Group(*tables, *(shown(line, "italic") for line in lines))


def _record(found: ConnectionStatus) -> Mapping[str, Any]:
    totals, queue = found.totals, found.queue
    return {
        "connection": found.name,
        "state": "; ".join([_state_words(found.delivery), *found.warnings, *_count_words(found)]),
        "accepted": totals.get("accepted", 0),
        "delivered": totals.get("delivered", 0),
        "waiting": queue.waiting if queue is not None else 0,
        "dead_letters": queue.dead_letters if queue is not None else 0,
    }


def _count_words(found: ConnectionStatus) -> list[str]:
    """Return what is counted of events that are not delivered: drops by reason, most first, and duplicates."""
    reasons = sorted(found.dropped.items(), key=lambda row: -row[1])
    drops = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
    duplicates = found.totals.get("duplicate", 0)
    words = [f"dropped: {drops}"] if drops else []
    return [*words, f"duplicates: {duplicates:,}"] if duplicates else words


def _state_words(delivery: DeliveryStatus | None) -> str:
    if delivery is None:
        return "not running"
    words = delivery.condition.replace("_", " ")
    if delivery.is_paused and delivery.condition != "paused":
        words = f"{words}, paused"
    return f"{words}: {delivery.reason}" if delivery.reason else words


def _kafka_line(found: KafkaInputStatus) -> str:
    state = found.state if found.consumers else "not running"
    lag = f"Kafka input {found.name}: {state}, {len(found.partitions)} partitions assigned, lag {found.lag:,} messages"
    return f"{lag}; {found.problem}" if found.problem else lag
