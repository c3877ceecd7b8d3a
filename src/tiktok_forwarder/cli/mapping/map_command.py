"""`map`: map batches from files or standard input, one outcome per line. Sends and stores nothing."""

import re
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec

from tiktok_forwarder.cli.files.connection_files import load_connection
from tiktok_forwarder.cli.mapping.batch_files import STANDARD_INPUT, read_batches
from tiktok_forwarder.cli.output import json_option, print_message, prints_tables
from tiktok_forwarder.domain.errors import UnreadableBody
from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.mapping.connection import Connection
from tiktok_forwarder.mapping.explanation.explain import explain, omitted_fields
from tiktok_forwarder.mapping.explanation.rule_results import RuleResult, TracingMapper
from tiktok_forwarder.mparticle.batch import Batch

# Years 1 to 9999: the range of a timestamp in Events API 1.0.
LATEST_MS: Final = 253_402_300_799_999
# What JSON may contain as it is, and some terminals obey.
_CONTROLS: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")


class Explained(NamedTuple):
    """An outcome with its place and the rules for it. `batch_index` is None if there is only one batch."""

    batch_index: int | None
    outcome: Outcome
    rules: tuple[RuleResult, ...]


@click.command("map", short_help="Show the TikTok events that batches map to.")
@json_option
@click.option(
    "--connection",
    "connection_file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The connection's settings, as TOML. No access token is needed.",
)
@click.option(
    "--received-at-ms",
    type=click.IntRange(0, LATEST_MS),
    help="Time of receipt in milliseconds since 1970; default: now.",
)
@click.option(
    "--no-purchases",
    is_flag=True,
    help="Map as for an input that is not allowed to send purchases.",
)
@click.option(
    "--explain",
    "explains",
    is_flag=True,
    help="Show the source and transformation of each field, and whether each rule held.",
)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
def map_command(
    connection_file: Path, received_at_ms: int | None, no_purchases: bool, explains: bool, files: tuple[Path, ...]
) -> None:
    """Map the batches in FILES, or on standard input, and print what becomes of each event.

    Files contain JSON (a batch or a list of batches) or one batch per line, plain or gzip, in any form that mParticle
    sends. Exit status: 0, even if events are dropped; 1 if a file or line could not be read; 2 for wrong usage.

    \b
    Examples:
      tiktok-forwarder map --connection shop.toml < batch.json
      tiktok-forwarder map --connection shop.toml --explain export-*.txt.gz
    """
    mapper = TracingMapper(load_connection(connection_file))
    now_ms = received_at_ms if received_at_ms is not None else time.time_ns() // 1_000_000
    reading = _Reading(files or (STANDARD_INPUT,))
    found = _explained(mapper, iter(reading), now_ms, allows_purchases=not no_purchases)
    if prints_tables():
        from tiktok_forwarder.cli.mapping.map_tables import print_outcomes  # noqa: PLC0415  # only for a terminal

        print_outcomes(found, mapper.connection, explains=explains)
    else:
        _print_json(found, mapper.connection, explains=explains)
    if reading.has_failed:
        raise SystemExit(1)


class _Reading:
    """The batches of files one after the other; unreadable ones are reported and skipped."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._files = files
        self.has_failed = False

    def __iter__(self) -> Iterator[Batch]:
        for found in read_batches(self._files):
            if isinstance(found, UnreadableBody):
                self.has_failed = True
                print_message(str(found))
            else:
                yield found


def _explained(
    mapper: TracingMapper, batches: Iterator[Batch], now_ms: int, *, allows_purchases: bool
) -> Iterator[Explained]:
    # Only whether there is a second batch decides how the first is printed, so the batches need not all be in memory.
    begin = list(islice(batches, 2))
    for index, batch in enumerate(chain(begin, batches)):
        for outcome, rules in mapper.trace_batch(batch, now_ms, allows_purchases=allows_purchases):
            yield Explained(index if len(begin) > 1 else None, outcome, rules)


def _print_json(found: Iterable[Explained], connection: Connection, *, explains: bool) -> None:
    out = sys.stdout.buffer
    for batch_index, outcome, rules in found:
        line = _outcome_members(outcome)
        if batch_index is not None:
            line = {"batch_index": batch_index, **line}
        if explains and isinstance(outcome, Mapped):
            line["explanation"] = _explanation(outcome, connection)
        if explains and rules:
            line["rules"] = rules
        out.write(_CONTROLS.sub(_escaped, msgspec.json.encode(line)) + b"\n")
    out.flush()


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"\\u00%02x" % found[0][-1]


def _outcome_members(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Mapped):
        return {
            "event_index": outcome.event_index,
            "outcome": "mapped",
            "event": outcome.event,
            "event_id": outcome.event_id,
            "payload": msgspec.Raw(outcome.payload),
            "warnings": outcome.warnings,
        }
    return {
        "event_index": outcome.event_index,
        "outcome": "dropped",
        "reason": outcome.reason,
        "detail": outcome.detail,
    }


def _explanation(outcome: Mapped, connection: Connection) -> list[dict[str, Any]]:
    return [
        {"field": each.field, "from": each.sources, "transformation": each.transformation}
        for each in (
            *explain(outcome.payload, connection, outcome.sources, outcome.event_index),
            *omitted_fields(connection),
        )
    ]
