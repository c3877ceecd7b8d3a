"""`connections recorded`: the events that a connection recorded instead of sending them."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode

import click

from tiktok_forwarder.api.activity import ActivityView, RecordView
from tiktok_forwarder.api.types import ConnectionView
from tiktok_forwarder.cli.api_client import ApiSession, read_as
from tiktok_forwarder.cli.completing import connection_names
from tiktok_forwarder.cli.options import config_options
from tiktok_forwarder.cli.output import Column, json_option, print_records, time_column
from tiktok_forwarder.domain.outcome import RECORDED
from tiktok_forwarder.settings import Settings

_PAGE_RECORDS: Final = 500
_COLUMNS: Final = (
    time_column("recorded", "recorded_at_ms"),
    Column("event", "event"),
    Column("event ID", "event_id", wraps=True),
    Column("warnings", lambda record: ", ".join(record["warnings"]), wraps=True),
)


@click.command()
@config_options
@click.argument("name", shell_complete=connection_names)
@json_option
def recorded(settings: Settings, name: str) -> None:
    """Print the events that connection NAME recorded, newest first.

    In JSON, each has what would have been sent. These are the records that the activity still holds: of many events per
    second it keeps a sample, and the oldest leave first. The connection's results count all events.
    """
    with ApiSession(settings) as session:
        connection = read_as(ConnectionView, session.ask("GET", f"/api/connections/{quote(name, safe='')}"))
        records = (_line(each) for each in _records(session, connection.id))
        print_records(records, _COLUMNS, "No recorded events.")


def _records(session: ApiSession, connection_id: str) -> Iterator[RecordView]:
    query: dict[str, Any] = {"connection": connection_id, "reason": RECORDED, "limit": _PAGE_RECORDS}
    while True:
        page = read_as(ActivityView, session.ask("GET", f"/api/activity?{urlencode(query)}"))
        yield from page.records
        if page.before is None:
            return
        query["before"] = page.before


def _line(record: RecordView) -> dict[str, Any]:
    return {
        "recorded_at_ms": record.at_ms,
        "event": record.event,
        "event_id": record.event_id,
        "source": record.source,
        "warnings": record.warnings,
        "payload": record.payload,
    }
