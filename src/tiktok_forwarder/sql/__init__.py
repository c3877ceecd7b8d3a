"""The SQL of the store (migrations in order, named statements) and of the activity (named statements)."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

SEEN_SLOTS: Final = 6
_NAME: Final = re.compile(r"^-- name: (?P<name>\S+?): .*$", re.MULTILINE)


def migrations() -> list[str]:
    """Scripts in order; the first brings an empty file to version 1."""
    folder = files(__name__) / "migrations"
    scripts = sorted(
        (script for script in folder.iterdir() if script.name.endswith(".sql")), key=lambda each: each.name
    )
    return [script.read_text("utf-8") for script in scripts]


def _statements(file_name: str) -> dict[str, str]:
    text = (files(__name__) / file_name).read_text("utf-8")
    found: dict[str, str] = {}
    headers = list(_NAME.finditer(text))
    for header, following in zip(headers, [*headers[1:], None], strict=True):
        statement = text[header.end() : following.start() if following else None].strip()
        name = header["name"]
        if "{slot}" not in name:
            found[name] = statement
            continue
        for slot in range(SEEN_SLOTS):
            found[name.replace("{slot}", str(slot))] = statement.replace("{slot}", str(slot))
    return found


STATEMENTS: Final = _statements("queries.sql")
ACTIVITY_STATEMENTS: Final = _statements("activity.sql")


@cache
def widened(name: str, rows: int) -> str:
    """The store's statement for so many rows at once; it ends with what one row needs: `VALUES (…)` or `IN (?)`."""
    head, _, tail = STATEMENTS[name].rpartition("(")
    one_row = tail.rstrip(");")
    if head.endswith("IN "):
        return f"{head}({', '.join([one_row] * rows)});"
    return f"{head}{', '.join([f'({one_row})'] * rows)};"
