"""The demo's table: senders, service and sandbox side by side, so that a missing event would show."""

from typing import Any

from msgspec import Struct
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tiktok_forwarder.demo.senders import Sent


class Figures(Struct, frozen=True):
    """The figures at one moment. `status` is the service's, `received` the sandbox's counts; None while one is down."""

    sent: Sent
    status: dict[str, Any] | None
    received: dict[str, Any] | None
    restarts: int
    seconds: float


def waiting_events(status: dict[str, Any] | None) -> int:
    if status is None:
        return 0
    return sum((each["queue"] or {}).get("waiting", 0) for each in status["connections"])


def render(figures: Figures, where: list[str]) -> Group:
    """Return the figures as tables for a terminal of any width."""
    sent = figures.sent
    head = Text(f"{figures.seconds:>5.0f} s   {sent.acknowledged_events:,} events sent and acknowledged", style="bold")
    if sent.failed_requests:
        head.append(f"   {sent.failed_requests} failed requests", style="yellow")
    if figures.restarts:
        head.append(f"   service restarted {figures.restarts}×", style="yellow")
    parts: list[Any] = [head]
    if figures.status is None:
        parts.append(Text("the service is down; senders wait and retry", style="yellow"))
    else:
        parts += [_connections(figures.status), _drops(figures.status)]
    parts.append(_received(figures.received))
    parts += [Text(line, style="dim", overflow="fold") for line in where]
    return Group(*parts)


def _connections(status: dict[str, Any]) -> Table:
    table = Table(title="tiktok-forwarder", title_justify="left", pad_edge=False, expand=False)
    for column in ("connection", "accepted", "mapped", "dropped", "delivered", "waiting", "dead letters"):
        table.add_column(column, justify="left" if column == "connection" else "right")
    for each in status["connections"]:
        totals, queue = each["totals"], each["queue"] or {}
        dropped = totals["dropped"]
        figures = (
            totals.get("accepted", 0),
            totals.get("accepted", 0) - dropped,
            dropped,
            totals.get("delivered", 0),
            queue.get("waiting", 0),
            totals.get("dead_lettered", 0),
        )
        table.add_row(each["name"], *(f"{figure:,}" for figure in figures))
    return table


def _drops(status: dict[str, Any]) -> Text:
    reasons: dict[str, int] = {}
    for each in status["connections"]:
        for reason, count in each["dropped"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    reasons_shown = [f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda row: -row[1])]
    return Text("dropped: " + (", ".join(reasons_shown) or "none"), overflow="fold")


def _received(received: dict[str, Any] | None) -> Text:
    if received is None:
        return Text("the sandbox is not running", style="yellow")
    counts = (
        f"received {received['events']:,}, delivered {received['delivered']:,}, duplicates {received['duplicates']:,}"
    )
    return Text(
        f"sandbox (simulated TikTok): {counts}, refused {received['refused']:,}, requests {received['requests']:,}"
    )
