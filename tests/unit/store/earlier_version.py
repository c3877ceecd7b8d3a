"""Databases as earlier versions wrote them, by their own schemas."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.conformance.rig import T0, event
from tiktok_forwarder.store.encoding import event_key, packed_subjects
from tiktok_forwarder.store.sqlite import file as sqlite_file
from tiktok_forwarder.store.sqlite.file import open_writer, store_limits
from tiktok_forwarder.store.sqlite.statements import migrations

BEFORE_KEY_LOG = 1
BEFORE_FRESH_EVENTS = 2
BEFORE_EXPIRING = 3


def as_version(schema: int, context: pytest.MonkeyPatch) -> None:
    """Let the program know no later schema."""
    known = migrations()[:schema]
    context.setattr(sqlite_file, "migrations", lambda: known)


def write_version(schema: int, file: Path, event_ids: Sequence[str]) -> None:
    """Write a database in which these events of connection `a` wait, each with its key in the table of the turn.

    Each event's subject is its number.
    """
    with pytest.MonkeyPatch.context() as context:
        as_version(schema, context)
        connection = open_writer(file, store_limits(10_000_000, 0.2))
    events = list(enumerate(map(event, event_ids), 1))
    payload_bytes = sum(len(each.payload) for _, each in events)
    with closing(connection):
        connection.execute(
            "INSERT INTO lanes VALUES (1, 'a', '2.0', ?, ?, 0, 0); UPDATE sequences SET next = ?;"
            "INSERT INTO totals VALUES ('a', 'accepted', '', ?); INSERT INTO seen_generations VALUES (0, ?)",
            (len(events), payload_bytes, len(events) + 1, len(events), T0),
        )
        connection.executemany("INSERT INTO seen_0 VALUES (?, ?)", [(event_key(each), T0) for _, each in events])
        connection.executemany(
            "INSERT INTO waiting VALUES (1, 0, ?, 0, 1, 'Purchase', ?, ?, 0, NULL, NULL, NULL, ?, ?)",
            [(event_no, each.event_id, T0, packed_subjects([event_no]), each.payload) for event_no, each in events],
        )


def schema_of(file: Path) -> int:
    with closing(apsw.Connection(str(file))) as connection:
        return int(connection.pragma("user_version"))
