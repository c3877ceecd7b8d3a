"""Running a named statement."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import apsw

from tiktok_forwarder.sql import STATEMENTS, widened

# A wider statement saves little more, and takes longer to prepare.
_WIDEST: Final = 64


def run(connection: apsw.Connection, name: str, bindings: "apsw.Bindings | None" = None) -> apsw.Cursor:
    """A cursor that is not read to its end must be closed, else it holds up the write-ahead log."""
    return connection.execute(STATEMENTS[name], bindings)


def rows(connection: apsw.Connection, name: str, bindings: "apsw.Bindings | None" = None) -> list[Any]:
    """Every row; the statement says what they hold."""
    return connection.execute(STATEMENTS[name], bindings).fetchall()


def run_wide(connection: apsw.Connection, name: str, values: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run the statement for many rows of values at a time, which is quicker than one by one; every row it returns.

    The widths are powers of two, so that few statements are ever prepared.
    """
    found: list[Any] = []
    done = 0
    while done < len(values):
        width = min(_WIDEST, 1 << (len(values) - done).bit_length() - 1)
        bindings = tuple(chain.from_iterable(values[done : done + width]))
        found += connection.execute(widened(name, width), bindings)
        done += width
    return found
