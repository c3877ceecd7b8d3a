"""The store's SQL: migrations, and named statements, run one by one or for many rows at once."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import apsw

from tiktok_forwarder.database.statements import load_migrations, load_statements

_PACKAGE: Final = "tiktok_forwarder.store.sqlite"
_FILES: Final = ("queries.sql", "notices.sql", "moving.sql")
SEEN_SLOTS: Final = 6

# A wider statement saves little more, and takes longer to prepare.
_WIDEST: Final = 64


def _load() -> dict[str, str]:
    """Return the statements. A statement with `{slot}` in its name exists once for each table of seen events."""
    found: dict[str, str] = {}
    statements: dict[str, str] = {}
    for file_name in _FILES:
        statements |= load_statements(_PACKAGE, file_name)
    for name, statement in statements.items():
        for slot in range(SEEN_SLOTS if "{slot}" in name else 1):
            found[name.replace("{slot}", str(slot))] = statement.replace("{slot}", str(slot))
    return found


STATEMENTS: Final = _load()


def migrations() -> list[str]:
    """Return the scripts in order; the first brings an empty file to version 1."""
    return load_migrations(_PACKAGE)


@cache
def _widened(name: str, rows: int) -> str:
    """Return the statement for this many rows at once; it ends with the `VALUES (…)` of one row."""
    head, _, tail = STATEMENTS[name].rpartition("(")
    one_row = tail.rstrip(");")
    return f"{head}{', '.join([f'({one_row})'] * rows)};"


def run(connection: apsw.Connection, name: str, bindings: "apsw.Bindings | None" = None) -> apsw.Cursor:
    """Run a statement. A cursor that is not read to its end must be closed, or else it blocks the write-ahead log."""
    return connection.execute(STATEMENTS[name], bindings)


def rows(connection: apsw.Connection, name: str, bindings: "apsw.Bindings | None" = None) -> list[Any]:
    """Return every row; the statement determines the columns."""
    return connection.execute(STATEMENTS[name], bindings).fetchall()


def run_wide(connection: apsw.Connection, name: str, values: Sequence[tuple[Any, ...]]) -> None:
    """Run the statement for many rows of values at a time, faster than one by one.

    The widths are powers of two, so that few statements are ever prepared.
    """
    done = 0
    while done < len(values):
        width = min(_WIDEST, 1 << (len(values) - done).bit_length() - 1)
        bindings = tuple(chain.from_iterable(values[done : done + width]))
        connection.execute(_widened(name, width), bindings)
        done += width
