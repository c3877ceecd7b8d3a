"""How commands print: results for a person as tables, for programs as JSON lines; messages on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import click

from tiktok_forwarder.domain.errors import ConfigurationError

_Command = TypeVar("_Command", bound=Callable[..., Any])
_WANTS_JSON: Final = "tiktok_forwarder.wants_json"


class Column(NamedTuple):
    """A column of a table. `read` is a key of the record, or a function of it.

    Only texts that wrap get narrower, down to `narrowest` characters.
    """

    heading: str
    read: str | Callable[[Mapping[str, Any]], object]
    wraps: bool = False
    narrowest: int = 20

    def value(self, record: Mapping[str, Any]) -> object:
        return record.get(self.read) if isinstance(self.read, str) else self.read(record)


def json_option(command: _Command) -> _Command:
    """Add `--json`, which `prints_tables` obeys."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_note_json, help="Print JSON even on a terminal."
    )(command)


def _note_json(context: click.Context, _: click.Parameter, wants_json: bool) -> None:
    context.meta[_WANTS_JSON] = wants_json


def prints_tables() -> bool:
    """Return whether results are for a person: standard output is a terminal, and `--json` was not given."""
    context = click.get_current_context(silent=True)
    return sys.stdout.isatty() and not (context is not None and context.meta.get(_WANTS_JSON, False))


def print_records(records: Iterable[Mapping[str, Any]], columns: Sequence[Column], none: str) -> None:
    """Print a list of results: the columns of each in a table, or `none`; for programs one JSON object per line."""
    if prints_tables():
        from tiktok_forwarder.cli.tables import print_table  # noqa: PLC0415  # only for a terminal

        print_table(list(records), columns, none)
        return
    for record in records:
        click.echo(json.dumps(record))


def print_record(record: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Print one result: each of its values on a line; for programs one JSON object."""
    if prints_tables():
        from tiktok_forwarder.cli.tables import print_values  # noqa: PLC0415  # only for a terminal

        print_values(record)
        return
    click.echo(json.dumps(record, indent=indent))


def time_column(heading: str, key: str) -> Column:
    """Return a column of a time in milliseconds since 1970, shown in UTC."""
    return Column(f"{heading} (UTC)", lambda record: utc_time(record.get(key)))


def utc_time(at_ms: int | None) -> str:
    return "" if at_ms is None else f"{datetime.fromtimestamp(at_ms // 1000, UTC):%Y-%m-%d %H:%M:%S}"


def printable(text: str) -> str:
    r"""Return the text with escapes such as `\x1b` for what a terminal would obey or hide instead of showing it."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode() for each in text
    )


def write_text(text: str, output: Path | None) -> None:
    """Write to the file, or to standard output if there is none. Raises `ConfigurationError` if it cannot."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError([f"{output}: cannot write: {error.strerror}"]) from None


def print_message(message: str) -> None:
    """Print a message for the user to standard error."""
    click.echo(f"tiktok-forwarder: {printable(message)}", err=True)
