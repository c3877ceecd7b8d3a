"""Tables on a terminal. Rows that do not fit its width are shown as blocks, with a line for each value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tiktok_forwarder.cli.output import Column, printable, utc_time
from tiktok_forwarder.mapping.explanation.explain import fields

_GAP: Final = 2
# Every value of the API in milliseconds is a time since 1970; durations are in seconds.
_TIME: Final = "_ms"


def print_table(records: Sequence[Mapping[str, Any]], columns: Sequence[Column], none: str) -> None:
    """Print the records, or `none` if there are none."""
    console = terminal()
    if not records:
        console.print(Text(none))
        return
    for part in table_or_blocks(records, columns, console.width):
        console.print(part)


def print_values(record: Mapping[str, Any]) -> None:
    """Print each value of a record on a line; those of objects and lists in it by their paths."""
    terminal().print(_pairs((path, _value_words(path, value)) for path, value in fields(record)))


def _value_words(path: str, value: object) -> str:
    if path.endswith(_TIME) and isinstance(value, int):
        return f"{utc_time(value)} UTC"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def terminal() -> Console:
    return Console(highlight=False)


def words(value: object) -> str:
    """Describe a value of a record."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(words, value))
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {words(member)}" for name, member in value.items())
    return str(value)


def shown(text: str, style: str = "") -> Text:
    """Return a text to be shown, whatever is in it: neither as markup nor as control characters."""
    return Text(printable(text), style)


def table_or_blocks(
    records: Sequence[Mapping[str, Any]], columns: Sequence[Column], width: int
) -> Sequence[RenderableType]:
    """Return a table, or if it is too wide, a block for each record, with a line for each value."""
    table = find_table(records, columns, width)
    return [table] if table is not None else [_block(_row(record, columns), columns) for record in records]


def find_table(records: Sequence[Mapping[str, Any]], columns: Sequence[Column], width: int) -> Table | None:
    """Return the records as a table, or None if it is too wide."""
    rows = [_row(record, columns) for record in records]
    widths = _find_widths(rows, columns, width)
    if widths is None:
        return None
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        are_numbers = all(_is_number(column.value(record)) for record in records)
        table.add_column(
            column.heading,
            justify="right" if are_numbers and number else "left",
            no_wrap=not column.wraps,
            overflow="fold",
            width=widths[number],
        )
    for row in rows:
        table.add_row(*row)
    return table


def _row(record: Mapping[str, Any], columns: Sequence[Column]) -> list[Text]:
    return [shown(words(column.value(record))) for column in columns]


def _find_widths(rows: Sequence[Sequence[Text]], columns: Sequence[Column], width: int) -> list[int] | None:
    """Return the widths of the columns, or None if they are too wide together.

    Those that wrap get what is left one by one, the one that lacks most first.
    """
    widest = [_widest(rows, column.heading, number) for number, column in enumerate(columns)]
    widths = [
        min(most, column.narrowest) if column.wraps else most for column, most in zip(columns, widest, strict=True)
    ]
    left = width - sum(widths) - _GAP * (len(columns) - 1)
    if left < 0:
        return None
    for _ in range(min(left, sum(widest) - sum(widths))):
        lacks = [most - given for most, given in zip(widest, widths, strict=True)]
        widths[lacks.index(max(lacks))] += 1
    return widths


def _widest(rows: Sequence[Sequence[Text]], heading: str, number: int) -> int:
    return max([cell_len(heading), *(row[number].cell_len for row in rows)])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _block(row: Sequence[Text], columns: Sequence[Column]) -> RenderableType:
    named = [(column.heading, value.plain) for column, value in zip(columns, row, strict=True) if value.plain]
    table = _pairs(named)
    for first in table.rows[:1]:
        first.style = "bold"
    return Padding(table, (0, 0, 1, 0))


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, _GAP, 0, 0))
    table.add_column(style="dim", overflow="fold")
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(shown(name), shown(value))
    return table
