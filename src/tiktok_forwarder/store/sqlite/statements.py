"""The store's SQL: migrations, named statements, run one by one or for many rows at once, and packed values."""

from collections.abc import Sequence
from functools import cache
from itertools import chain
from struct import Struct
from typing import Any, Final

import apsw
import msgspec

from tiktok_forwarder.database.statements import load_migrations, load_statements
from tiktok_forwarder.domain.outcome import Answer

_PACKAGE: Final = "tiktok_forwarder.store.sqlite"
SEEN_SLOTS: Final = 6

# A wider statement saves little more, and takes longer to prepare.
_WIDEST: Final = 64
_SUBJECT_BYTES: Final = 8


def _load() -> dict[str, str]:
    """Return the statements. A statement with `{slot}` in its name exists once for each table of seen events."""
    found: dict[str, str] = {}
    for name, statement in load_statements(_PACKAGE, "queries.sql").items():
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


@cache
def _subjects(count: int) -> Struct:
    return Struct(f">{count}Q")


def packed_subjects(subjects: Sequence[int]) -> bytes:
    return _subjects(len(subjects)).pack(*subjects)


def unpacked_subjects(packed: bytes) -> tuple[int, ...]:
    return _subjects(len(packed) // _SUBJECT_BYTES).unpack(packed)


def encoded_answer(answer: Answer | None) -> bytes | None:
    return None if answer is None else msgspec.json.encode(answer)


def decoded_answer(encoded: bytes | None) -> Answer | None:
    return None if encoded is None else msgspec.json.decode(encoded, type=Answer)
