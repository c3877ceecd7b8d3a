"""`map`: map batches from files or standard input, one outcome per line. Sends and stores nothing."""

import gzip
import sys
import time
import zlib
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
import msgspec

from tiktok_forwarder.domain.errors import ConfigurationError, UnreadableBody
from tiktok_forwarder.domain.outcome import Mapped, Outcome
from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml
from tiktok_forwarder.mapping.connection import Connection, read_connection
from tiktok_forwarder.mapping.explanation.explain import explain, omitted_fields
from tiktok_forwarder.mapping.explanation.rule_results import TracingMapper
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.parse import Bounds, parse_lines

_GZIP_MAGIC = b"\x1f\x8b"
# Years 1 to 9999: the range of a timestamp in Events API 1.0.
_LATEST_MS = 253_402_300_799_999


@click.command("map", short_help="Show the TikTok events that batches map to.")
@click.option(
    "--connection",
    "connection_file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The connection's settings, as TOML. No access token is needed.",
)
@click.option(
    "--received-at-ms",
    type=click.IntRange(0, _LATEST_MS),
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
    """Map the batches in FILES, or on standard input, and print one JSON object per outcome.

    Files contain JSON (a batch or a list of batches) or one batch per line, plain or gzip, in any form that mParticle
    sends. Exit status: 0, even if events are dropped; 1 if a file or line could not be read; 2 for wrong usage.

    \b
    Examples:
      tiktok-forwarder map --connection shop.toml < batch.json
      tiktok-forwarder map --connection shop.toml --explain export-*.txt.gz
    """
    mapper = TracingMapper(load_connection(connection_file))
    now_ms = received_at_ms if received_at_ms is not None else time.time_ns() // 1_000_000
    reading = _Reading(files or (Path("-"),))
    batches = iter(reading)
    # Only whether there is a second batch decides how the first is printed, so the batches need not all be in memory.
    begin = list(islice(batches, 2))
    out = sys.stdout.buffer
    for batch_index, batch in enumerate(chain(begin, batches)):
        for outcome, rules in mapper.trace_batch(batch, now_ms, allows_purchases=not no_purchases):
            line = _outcome_members(outcome)
            if len(begin) > 1:
                line = {"batch_index": batch_index, **line}
            if explains and isinstance(outcome, Mapped):
                line["explanation"] = _explanation(outcome, mapper.connection)
            if explains and rules:
                line["rules"] = rules
            out.write(msgspec.json.encode(line) + b"\n")
    out.flush()
    if reading.has_failed:
        raise SystemExit(1)


def load_connection(file: Path) -> Connection:
    """Return the connection in a TOML file. Raises `ConfigurationError` naming the file and every problem in it."""
    try:
        given = parse_toml(file.read_text("utf-8"))
        return read_connection(given, needs_token=False, may_be_placeholder=True).connection
    except (OSError, UnicodeDecodeError, UnreadableToml) as error:
        raise ConfigurationError([f"{file}: {error}"]) from None
    except ConfigurationError as error:
        raise ConfigurationError([f"{file}: {problem}" for problem in error.problems]) from None


class _Reading:
    """The batches of files one after the other; unreadable ones are reported and skipped."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        self._files = files
        self.has_failed = False

    def __iter__(self) -> Iterator[Batch]:
        for found in _read(self._files):
            if isinstance(found, UnreadableBody):
                self.has_failed = True
                click.echo(f"tiktok-forwarder map: {found}", err=True)
            else:
                yield found


def _read(files: tuple[Path, ...]) -> Iterator[Batch | UnreadableBody]:
    for file in files:
        name = "standard input" if str(file) == "-" else str(file)
        try:
            body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
            body = gzip.decompress(body) if body.startswith(_GZIP_MAGIC) else body
        except (OSError, EOFError, zlib.error) as error:
            yield UnreadableBody(f"{name}: cannot read: {getattr(error, 'strerror', None) or error}")
            continue
        for found in parse_lines(body, Bounds()):
            yield UnreadableBody(f"{name}, {found}") if isinstance(found, UnreadableBody) else found


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
