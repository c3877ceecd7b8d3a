"""Running a named statement."""

from typing import Any

import apsw

from tiktok_forwarder.sql import STATEMENTS


def run(connection: apsw.Connection, name: str, bindings: "apsw.Bindings | None" = None) -> apsw.Cursor:
    """A cursor that is not read to its end must be closed, else it holds up the write-ahead log."""
    return connection.execute(STATEMENTS[name], bindings)


def rows(connection: apsw.Connection, name: str, bindings: "apsw.Bindings | None" = None) -> list[Any]:
    """Every row; the statement says what they hold."""
    return connection.execute(STATEMENTS[name], bindings).fetchall()
